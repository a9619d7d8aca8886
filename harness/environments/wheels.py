"""A wheel that is given as a file: what it is, and whether an environment takes it."""

import hashlib
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging import tags
from packaging.metadata import parse_email
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from harness.errors import SelectionError
from harness.format import shortened_name

DIGITS: Final = 8  # of the SHA-256, in the name of a variant
OLDEST_GLIBC: Final = 5
LEGACY: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}  # by glibc 2's minor version (PEP 600)
PLATFORM: Final = re.compile(r"(\w+?)-manylinux_2_(\d+)")  # as uv writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel on this host."""

    path: Path
    name: str  # of its distribution, normalized
    version: str
    sha256: str
    requires_python: str  # such as ">=3.11"; empty: any
    tags: frozenset[Tag]

    @property
    def label(self) -> str:
        """Its version and the beginning of its SHA-256: two wheels of one version are two."""
        return f"{self.version}.{self.sha256[:DIGITS]}"


def read(path: Path) -> Wheel:
    """Return what the wheel at `path` is.

    Raises:
        SelectionError: it is not there, or is no wheel.
    """
    path = path.expanduser().absolute()
    try:
        name, version, _, found = parse_wheel_filename(path.name)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with zipfile.ZipFile(path) as archive:
            listed = next(each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
            metadata = parse_email(archive.read(listed))[0]
    except InvalidWheelFilename as error:
        called = shortened_name(path.name)
        raise SelectionError(f"{called} is not named as a wheel is: such as jax-0.9.2-py3-none-any.whl.") from error
    except OSError as error:
        raise SelectionError(f"The wheel {path} cannot be read: {error.strerror}.") from error
    except (zipfile.BadZipFile, StopIteration, KeyError) as error:
        raise SelectionError(f"{path} is not a wheel: it has no metadata of a package, or is cut.") from error
    return Wheel(
        path=path,
        name=name,
        version=str(version),
        sha256=digest,
        requires_python=metadata.get("requires_python", ""),
        tags=frozenset(found),
    )


def require_fit(wheel: Wheel, python: str, platform: str) -> None:
    """Raise SelectionError for a wheel of another platform or Python.

    Args:
        wheel: as it was read.
        python: of the environment, such as "3.11".
        platform: of the environment, as uv writes it: "x86_64-manylinux_2_28".
    """
    if not wheel.tags & supported(python, platform):
        own = " or ".join(sorted(map(str, wheel.tags)))
        raise SelectionError(f"{wheel.path.name} is for {own}: the environment has CPython {python} on {platform}.")
    if not allows(wheel.requires_python, python):
        raise SelectionError(
            f"{wheel.path.name} requires Python {wheel.requires_python}: the environment has {python}."
        )


def allows(requires_python: str, python: str) -> bool:
    """Return whether Requires-Python, which pip obeys and uv's upper bounds do not, has releases of `python`."""
    try:
        wanted = SpecifierSet(requires_python)
    except InvalidSpecifier:  # pip ignores it, too
        return True
    return any(wanted.contains(f"{python}.{patch}", prereleases=True) for patch in range(30))


def supported(python: str, platform: str) -> frozenset[Tag]:
    """Return the tags of the wheels that an environment takes; arguments as `require_fit`."""
    version = tuple(map(int, python.split(".")))
    short = f"cp{python.replace('.', '')}"
    own = list(platforms(platform))
    return frozenset(
        [
            *tags.cpython_tags(version, [short], own),
            *tags.compatible_tags(version, short, own),
        ]
    )


def platforms(platform: str) -> Iterable[str]:
    """Yield the platform tags of a Linux with at least that glibc."""
    if not (found := PLATFORM.fullmatch(platform)):
        return
    machine, glibc = found[1], int(found[2])
    for minor in range(glibc, OLDEST_GLIBC - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in LEGACY:
            yield f"{LEGACY[minor]}_{machine}"
    yield f"linux_{machine}"
