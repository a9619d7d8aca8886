"""The published versions between two ends, oldest first."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from packaging.version import InvalidVersion, Version

from harness.errors import SelectionError
from harness.format import shortened_name

NEAREST: Final = 3  # published versions that are named for one that is not


def candidates(distribution: str, published: Sequence[str], one: str, other: str) -> tuple[str, ...]:
    """Return the releases from `one` to `other`, whichever is older.

    Args:
        distribution: its name, for messages.
        published: all versions that can be had.
        one: an end, as typed.
        other: the other end.

    Raises:
        SelectionError: an end is no version, no release, or was not published; or both are the same.
    """
    versions = sorted(version for text in published if (version := _version(text)) is not None)
    known = {Version(version.public): str(version) for version in versions if not version.is_prerelease}
    low, high = sorted((_end(distribution, known, one), _end(distribution, known, other)))
    if low == high:
        raise SelectionError(f"{one} and {other} are one version of {distribution}: name two, the older one first.")
    return tuple(known[version] for version in sorted(known) if low <= version <= high)


def of_build(text: str) -> Version | None:
    """Return a version without the name of its build: 2.13.0 for 2.13.0+cpu; None: it is no version.

    Of one version there is one build in the environments of a device.
    """
    version = _version(text)
    return Version(version.public) if version else None


def _end(distribution: str, known: Mapping[Version, str], typed: str) -> Version:
    version = of_build(typed)
    if version is not None and version in known:
        return version
    if version is None:
        near = difflib.get_close_matches(typed, known.values(), n=NEAREST, cutoff=0.5)
    else:
        older, newer = ([each for each in sorted(known) if (each < version) is side] for side in (True, False))
        near = [known[each] for each in (*older[-NEAREST + 1 :], *newer[:1])]
    hint = f" The nearest: {', '.join(near)}." if near else ""
    what = "is a pre-release, and releases are bisected" if version and version.is_prerelease else "was not published"
    raise SelectionError(f"{distribution} {shortened_name(typed)} {what}.{hint}")


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
