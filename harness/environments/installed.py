"""What is installed in an environment, by the lists that its packages brought: its inventory, and what does not fit.

The list of a package's files, RECORD, has the hash of each as it was in the wheel ("Recording installed projects",
packaging.python.org). Two environments with one inventory therefore hold the same files, on whatever machine and under
whatever path. Whether the files are still as listed is what `harness.environments.damage` looks at.
"""

import csv
import hashlib
import re
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

from bench.guests.interpreter import FOLDER as GUEST
from harness.environments import npm, wheels

OF_THE_INSTALLER: Final = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "RECORD")  # of .dist-info
PYTHONS: Final = tuple(f"3.{minor}" for minor in range(11, 16))  # that may run bench/


def inventory(folder: Path) -> str:
    """Return the SHA-256 over the names, the versions and the files' hashes of all packages of an environment.

    It holds no path and no bytecode, and of a script its name alone: its first line has the path of the interpreter.
    """
    digest = hashlib.sha256()
    for line in sorted([*_lines(folder), *(f"guest {line}" for line in _lines(folder / GUEST)), *_of_node(folder)]):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def misfit(folder: Path) -> str:
    """Return the package whose Requires-Python excludes the Python of its environment; empty: there is none.

    uv's resolver ignores the upper bounds of Requires-Python.
    """
    for site in _sites(folder):
        python = site.parent.name.removeprefix("python")
        for listed in sorted(site.glob("*.dist-info/METADATA")):
            headers = HeaderParser().parsestr(listed.read_text(encoding="utf-8", errors="replace"))
            wanted = headers.get("Requires-Python", "")
            if not wheels.allows(wanted, python):
                able = [f"py{each}" for each in PYTHONS if wheels.allows(wanted, each)]
                remedy = f"; {able[0]} in the variant would do" if able else ""
                return f"{headers['Name']} {headers['Version']} requires Python {wanted}, this is {python}{remedy}"
    return ""


def _lines(folder: Path) -> Iterator[str]:
    for site in _sites(folder):
        yield site.parent.name
        for listed in site.glob("*.dist-info"):
            yield listed.name
            for name, digest in _files(listed):
                yield f"{listed.name} {name} {digest}"


def _sites(folder: Path) -> list[Path]:
    return sorted(folder.glob("lib/python*/site-packages"))


def _files(listed: Path) -> Iterator[tuple[str, str]]:
    """Yield name and hash of each file of a package that the wheel brought."""
    with (listed / "RECORD").open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            name, digest = row[0], row[1] if len(row) > 1 else ""
            if not digest or name.removeprefix(f"{listed.name}/") in OF_THE_INSTALLER:
                continue
            yield name, "script" if _is_script(listed.parent / name) else digest


def _is_script(path: Path) -> bool:
    if not re.search(r"(^|/)\.\./bin/[^/]+$", str(path)):
        return False
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


def _of_node(folder: Path) -> Iterator[str]:
    """Yield the packages for node, of which npm keeps no list and samestep does."""
    listed = folder / npm.FILES
    if listed.is_file():
        yield from listed.read_text(encoding="utf-8").splitlines()
