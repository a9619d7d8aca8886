"""Why a variant has no lock, in one sentence: no such version, another Python, or neighbours that do not fit.

The resolver's own words are the last resort: they run over a page. So the versions that were typed are looked for
first, one by one, among what is published.
"""

import bisect
import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Final

from packaging.version import Version

from bench.records import text as texts
from harness.environments import installed, published, venvs
from harness.errors import SamestepError, SelectionError, SetupError

Versions = Callable[[str, str], tuple[str, ...]]  # of a distribution, with wheels for a Python; raises SetupError
Requires = Callable[[str, str, str], str]  # Requires-Python of a distribution's version, which has a wheel for a Python

NEAR: Final = 4  # versions that are named
# Of uv's explanation: what a package depends on, and what was asked for.
DEPENDS: Final = re.compile(
    r"(?:[Bb]ecause|\band) ((?:(?! and | because ).)+? depends on .+?)(?= and |, we can conclude)"
)
ASKED: Final = re.compile(r"(?:[Bb]ecause|\band) you require ((?:(?! [Bb]ecause ).)+?)(?=, we can conclude)")
LONGEST: Final = 300  # characters of what uv says


def explained(
    label: str,
    pins: Sequence[str],
    python: str,
    stderr: str,
    *,
    versions: Versions = published.versions,
    requires: Requires = published.requires_python,
) -> SamestepError:
    """Return the error for a variant that uv cannot resolve.

    Args:
        label: the variant, such as "jax@0.9.2".
        pins: what it asks for, such as "jax==0.9.2".
        python: of its environment.
        stderr: what uv wrote.
        versions: looks up what is published.
        requires: looks up what a version requires.
    """
    if any(sign in stderr.lower() for sign in venvs.UNREACHABLE):
        return SetupError(f"{label}: {venvs.explained(stderr)}.")
    for pin in pins:
        package, _, version = pin.partition("==")
        with contextlib.suppress(SetupError):
            if reason := _missing(label, package, version, python, versions, requires):
                return SelectionError(reason)
    clause = _clause(stderr) or venvs.explained(stderr) or "uv does not say why"
    return SelectionError(f"{label} does not fit the other packages of its environment: {clause}.")


def _missing(label: str, package: str, version: str, python: str, versions: Versions, requires: Requires) -> str:
    """Return the sentence for a version that is not published for `python`; empty: it is."""
    there = versions(package, python)
    if _has(there, version):
        return ""
    is_newer = all(Version(each) < Version(version) for each in there)  # else it would be for this Python, too
    for other in installed.PYTHONS if is_newer else ():
        with contextlib.suppress(SetupError):
            if other != python and _has(versions(package, other), version):
                wanted = requires(package, version, other)
                needs = f"requires Python {wanted}" if wanted else f"has no wheel for Python {python}"
                return f"{label}: {package} {version} {needs}, and the environment has {python}: add py{other} to it."
    near = nearest(there, version)
    named = f" The nearest: {', '.join(near)}." if near else ""
    return f"{label}: there is no {package} {version} for Python {python} where packages come from.{named}"


def _has(there: Sequence[str], version: str) -> bool:
    return any(Version(each) == Version(version) for each in there)


def nearest(there: Sequence[str], version: str, most: int = NEAR) -> tuple[str, ...]:
    """Return the `most` versions round `version`, oldest first, of the same build where it names one.

    Args:
        there: oldest first.
        version: that is not among them.
        most: half of them older, half newer, where there are so many.
    """
    wanted = Version(version)
    ordered = [each for each in there if Version(each).local == wanted.local] or list(there)
    at = bisect.bisect(ordered, wanted, key=Version)
    first = max(0, min(at - most // 2, len(ordered) - most))
    return tuple(ordered[first : first + most])


def _clause(stderr: str) -> str:
    """Return the essential of uv's explanation: the constraint of a neighbour, and what it meets."""
    flat = " ".join(texts.line(each).strip(" ×╰─▶│├\t") for each in texts.page(stderr).split("\n"))
    flat = flat.partition("hint:")[0]
    depends = DEPENDS.findall(flat)[-1:]
    asked = [each for each in ASKED.findall(flat) if not any(one.startswith(f"{each} depends") for one in depends)]
    parts = [*depends, *map(_asked, asked[-1:])]
    return texts.line(", and ".join(parts), LONGEST)


def _asked(what: str) -> str:
    return f"{what} {'are' if ' and ' in what else 'is'} asked for"
