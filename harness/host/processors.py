"""The processors of this host: which ones replicates run on, and which are left to the harness."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from harness.errors import SelectionError

ISOLATED: Final = Path("/sys/devices/system/cpu/isolated")


def default_cpus() -> tuple[int, ...]:
    """Return all processors but the first, which is left to the harness; the only one where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return tuple(allowed[1:] or allowed)


def isolated(cpus: Iterable[int], listed: Path = ISOLATED) -> bool:
    """Return whether the kernel keeps all of `cpus` free of work that is not put there by name (isolcpus)."""
    try:
        parts = [part.split("-") for part in listed.read_text().strip().split(",") if part]
    except OSError:
        return False
    free = {cpu for part in parts for cpu in range(int(part[0]), int(part[-1]) + 1)}
    return bool(free) and set(cpus) <= free


def leave(cpus: tuple[int, ...]) -> None:
    """Move this process, the harness, off the benchmark's CPU set where another processor is left."""
    others = os.sched_getaffinity(0) - set(cpus)
    if others:
        os.sched_setaffinity(0, others)


def cpu_set(typed: str) -> tuple[int, ...]:
    """Return the processors in a list such as "1-3,6".

    Raises:
        SelectionError: it is no such list, or this process may not use one of them.
    """
    found: list[int] = []
    for part in typed.split(","):
        bounds = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if bounds is None:
            raise SelectionError(f"{typed!r} is no CPU set: write it as 1-3 or 1,3.")
        found += range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1)
    allowed = os.sched_getaffinity(0)
    missing = sorted(set(found) - allowed)
    if missing or not found:
        usable = ", ".join(str(cpu) for cpu in sorted(allowed))
        raise SelectionError(f"CPU {missing[0] if missing else typed!r} cannot be used here; usable: {usable}.")
    return tuple(sorted(set(found)))
