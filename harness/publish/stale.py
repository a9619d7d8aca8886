"""What is stale: packages that were measured in older versions than the locks in `images/locks/` now have."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from harness.environments.locks import PYTHONS, ROOT, lock_file
from harness.plan import specs
from harness.publish.entry import Entry, Software

PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
BUILDS: Final = ("-cpu", "-gpu")  # packages of other names that are imported by the same: tensorflow-cpu


@dataclass(frozen=True, slots=True)
class Package:
    """One package that a framework computed with."""

    name: str
    measured: str
    locked: str  # empty: the lock does not have it

    @property
    def is_old(self) -> bool:
        """Whether it was measured in an older version than is locked."""
        measured, locked = _version(self.measured), _version(self.locked)
        return measured is not None and locked is not None and measured < locked


@dataclass(frozen=True, slots=True)
class Newest:
    """The last run in which a framework was measured on a device."""

    framework: str
    device: str
    entry: Entry
    packages: tuple[Package, ...]
    has_lock: bool

    @property
    def is_old(self) -> bool:
        """Whether any of its packages is."""
        return any(package.is_old for package in self.packages)


@functools.cache
def packages(software: Software, root: Path = ROOT) -> tuple[Package, ...]:
    """Return the packages of `software` beside their locked versions."""
    locked = locks(root, software.framework, software.device)
    pairs = (version.partition("==") for version in software.versions)
    return tuple(Package(name, measured, _locked(locked, _normal(name))) for name, _, measured in pairs)


def old(entry: Entry, root: Path = ROOT) -> tuple[Package, ...]:
    """Return the packages of a run that are older than those of the locks, each once."""
    found = (package for software in entry.software for package in packages(software, root) if package.is_old)
    return tuple(dict.fromkeys(found))


def newest(entries: Iterable[Entry], root: Path = ROOT) -> Iterator[Newest]:
    """Yield, by framework and device, the newest of `entries` that measured it; an emulated GPU's count last.

    A variant is another version on purpose, and never stale.
    """
    latest: dict[tuple[str, str], tuple[Entry, Software]] = {}
    for entry in sorted(entries, key=lambda each: (not each.caveat, each.started_unix_ns)):
        for software in (each for each in entry.software if not specs.is_variant(each.framework)):
            latest[software.framework, software.device] = entry, software
    for (framework, device), (entry, software) in sorted(latest.items()):
        yield Newest(framework, device, entry, packages(software, root), bool(locks(root, framework, device)))


@functools.cache
def locks(root: Path, framework: str, device: str) -> Mapping[str, str]:
    """Return the versions in the lock of `framework` on `device` by name of the package; none: it has no lock."""
    if device not in PYTHONS or not re.fullmatch(r"\w+", framework):
        return {}
    try:
        text = lock_file(root, framework, device).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    return {_normal(name): version for name, version in PIN.findall(text)}


def _locked(locked: Mapping[str, str], name: str) -> str:
    """Return the locked version of a package, which may be a build of it for one device; empty: there is none."""
    return next((locked[each] for each in (name, *(name + build for build in BUILDS)) if each in locked), "")


def _normal(name: str) -> str:
    """Return the name of a package as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def _version(text: str) -> Version | None:
    """Return a version without what a build adds to it (+cpu); None: it is none."""
    try:
        return Version(Version(text).public)
    except InvalidVersion:
        return None
