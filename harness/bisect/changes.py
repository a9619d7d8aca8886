"""What else differs between the environments of two versions, by the locks that a run's folder keeps."""

import re
from collections.abc import Mapping
from typing import Final

from packaging.utils import canonicalize_name

PINNED: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def packages(lock: str) -> Mapping[str, str]:
    """Return the version of each distribution that a lock pins, by its normalized name."""
    return {canonicalize_name(name): version for name, version in PINNED.findall(lock)}


def changed(older: Mapping[str, str], newer: Mapping[str, str], distribution: str) -> tuple[str, ...]:
    """Return what differs beside the `distribution` itself: "jaxlib 0.9.0 -> 0.9.1", "attrs 26.1 is new"."""
    own = canonicalize_name(distribution)
    found = []
    for name in sorted({*older, *newer} - {own}):
        before, now = older.get(name, ""), newer.get(name, "")
        if before and now and before != now:
            found.append(f"{name} {before} -> {now}")
        elif not before:
            found.append(f"{name} {now} is new")
        elif not now:
            found.append(f"{name} {before} is gone")
    return tuple(found)
