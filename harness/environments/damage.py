"""Whether an environment is still as it was installed: its interpreter, its packages, and the size of every file.

An installed package has a list of its files with their sizes and hashes, RECORD ("Recording installed projects",
packaging.python.org). The sizes of all files of an environment are compared in 0.02 to 0.3 s. A file that has changed
since the environment was made is hashed as well.
"""

import base64
import contextlib
import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.records import text as texts

PROBE: Final = "import sys; print('%d.%d' % sys.version_info[:2])"
START_S: Final = 60.0  # for the interpreter to start
LONGEST_ANSWER: Final = 80  # characters; a version has four or five
RECORD: Final = "RECORD"
BYTECODE: Final = "__pycache__/"


@dataclass(frozen=True, slots=True)
class Damage:
    """What an environment lacks."""

    text: str  # such as "torch/lib/libtorch_cpu.so is not there, and 3 more files"
    packages: tuple[str, ...] = ()  # whose files are damaged: their copies in uv's cache may be so, too


def look(folder: Path, lock: Path, made: Path) -> Damage | None:
    """Return what is damaged in an environment; None: it is whole.

    Args:
        folder: of the environment.
        lock: the lock that it was made from.
        made: a file in it that was written when it had been made.
    """
    sites = list(folder.glob("lib/python*/site-packages"))
    if not sites:
        return Damage("it has no site-packages")
    site = sites[0]
    if fault := _interpreter(folder / "bin" / "python", site.parent.name.removeprefix("python")):
        return Damage(fault)
    found = {
        _normal(path.name.removesuffix(".dist-info").rpartition("-")[0]): path for path in site.glob("*.dist-info")
    }
    lost = sorted(_locked(lock) - found.keys())
    files = {name: list(_files(path, site, made.stat().st_mtime)) for name, path in sorted(found.items())}
    broken = [fault for faults in files.values() for fault in faults]
    if not lost and not broken:
        return None
    first = f"the package {lost[0]} is not installed" if lost else broken[0]
    more = len(lost) + len(broken) - 1
    text = f"{first}, and {more} more" if more else first
    return Damage(text, (*lost, *(name for name, faults in files.items() if faults)))


def _interpreter(python: Path, version: str) -> str:
    """Return why the interpreter of an environment cannot be used; empty: it can."""
    if not python.exists():
        target = f" (it was {python.readlink()})" if python.is_symlink() else ""
        return f"its interpreter is not there{target}"
    try:
        done = subprocess.run(
            [python, *(("-E", "-s") if version.startswith("2.") else ("-I",)), "-S", "-c", PROBE],
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=START_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"its interpreter does not start ({error})"
    answer = texts.line(done.stdout, LONGEST_ANSWER)
    return "" if answer == version else f"its interpreter is now Python {answer}, the packages are for {version}"


def _locked(lock: Path) -> set[str]:
    return {_normal(name) for name in re.findall(r"^([\w.-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _files(dist_info: Path, site: Path, made_s: float) -> Iterator[str]:
    """Yield a sentence for each file of a package that is not as it was installed."""
    try:
        lines = (dist_info / RECORD).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        yield f"{dist_info.name}/{RECORD} cannot be read"
        return
    if not any(line.startswith(f"{dist_info.name}/{RECORD},") for line in lines):
        yield f"{dist_info.name}/{RECORD} is cut"
    for line in lines:
        quoted, digest, size = [*line.rsplit(",", 2), "", ""][:3]
        name = quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted
        if not size.isdigit() or BYTECODE in name:  # compiled here, also where a wheel brought its own; the list itself
            continue
        if name == f"{dist_info.name}/WHEEL":  # nothing reads it later, and CNTK's is not the one in its list
            continue
        path = site / name
        try:
            status = path.stat()
        except OSError:
            yield f"{name} is not there"
            continue
        if status.st_size != int(size):
            yield f"{name} has {status.st_size} bytes instead of {size}"
        elif status.st_mtime > made_s and not _is_as_hashed(path, digest):
            yield f"{name} was changed"


def _is_as_hashed(path: Path, expected: str) -> bool:
    algorithm, _, digest = expected.partition("=")
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).digest()
        return base64.urlsafe_b64encode(found).decode().rstrip("=") == digest
    return False
