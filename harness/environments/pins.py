"""The pins of a lock, and the requirements that it was resolved from with other pins in their place."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

PIN: Final = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)
# A line of requirements: the distribution, its extras, what is asked of its version, and where it applies.
LINE: Final = re.compile(r"^([\w.-]+)(\[[\w, -]*\])?\s*([^;\[]*?)\s*(;.*)?$")
EXACT: Final = re.compile(r"==[^,*+]+")  # one version; not a series (13.2.*), nor a build of its own (2.13.0+cpu)
NONE: Final = "none"  # the version of a package that only one of two locks has


def of(lock_text: str) -> dict[str, str]:
    """Return, by package, its version in a lock."""
    return {canonicalize_name(name): version for name, version in PIN.findall(lock_text)}


def changes(before: Mapping[str, str], after: Mapping[str, str], first: str) -> tuple[str, ...]:
    """Return what differs between the pins of two locks, as "jaxlib 0.10.2 -> 0.9.2"; the package `first` leads."""
    names = sorted({*before, *after}, key=lambda name: (name != first, name))
    found = ((name, before.get(name, NONE), after.get(name, NONE)) for name in names)
    return tuple(f"{name} {old} -> {new}" for name, old, new in found if old != new)


def first_asked(requirements: str) -> str:
    """Return the first distribution that a text of requirements names; empty: it names none."""
    for line in requirements.splitlines():
        if line[:1].isalnum() and (found := LINE.match(line)):
            return canonicalize_name(found[1])
    return ""


def replaced(requirements: str, wanted: Mapping[str, str]) -> str:
    """Return requirements in which `wanted` stands for its pins, and what else asked for one version takes any.

    The lock that they were resolved to is given to the resolver as well, which keeps its versions where it can. What
    asks for a range of versions, a series or a build needs it and stays.

    Args:
        requirements: the text of an .in file.
        wanted: by distribution what is asked of it, such as "==0.9.2" or " @ file:///wheel.whl".
    """
    return "\n".join(_line(line, wanted) for line in requirements.split("\n"))


def _line(line: str, wanted: Mapping[str, str]) -> str:
    found = LINE.match(line) if line[:1].isalnum() else None
    if not found:  # another file, a constraint, a comment
        return line
    name, extras, asked, applies = found[1], found[2] or "", found[3], found[4] or ""
    of_wanted = wanted.get(canonicalize_name(name))
    if of_wanted is not None and asked.startswith("=="):
        return f"{name}{extras}{of_wanted}{f' {applies}' if applies else ''}"
    return f"{name}{extras} {applies}".rstrip() if EXACT.fullmatch(asked) else line


def write(folder: Path, framework: str, wanted: Mapping[str, str]) -> Path:
    """Replace the pins in all .in files of `folder`; return one more, with those of `framework` and all of `wanted`."""
    for path in folder.glob("*.in"):
        path.write_text(replaced(path.read_text(encoding="utf-8"), wanted), encoding="utf-8")
    asked = folder / "variant.in"
    lines = [f"-r {framework}.in", *(f"{name}{of_wanted}" for name, of_wanted in wanted.items())]
    asked.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return asked
