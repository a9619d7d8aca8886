"""The processors of this host: those that replicates run on, and those left to the harness."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from harness.errors import SelectionError
from harness.format import shortened_name

ISOLATED: Final = Path("/sys/devices/system/cpu/isolated")


def default_cpus() -> tuple[int, ...]:
    """Return all processors except the first, which is left to the harness; where there is only one, that one."""
    allowed = sorted(os.sched_getaffinity(0))
    return tuple(allowed[1:] or allowed)


def isolated(cpus: Iterable[int], listed: Path = ISOLATED) -> bool:
    """Return whether the kernel runs nothing on any of `cpus` except what is pinned to it (isolcpus)."""
    try:
        parts = [part.split("-") for part in listed.read_text().strip().split(",") if part]
    except OSError:
        return False
    free = {cpu for part in parts for cpu in range(int(part[0]), int(part[-1]) + 1)}
    return bool(free) and set(cpus) <= free


def leave(cpus: tuple[int, ...]) -> None:
    """Move this process, the harness, off the benchmark's CPU set if there is another processor."""
    others = os.sched_getaffinity(0) - set(cpus)
    if others:
        os.sched_setaffinity(0, others)


def cpu_set(typed: str) -> tuple[int, ...]:
    """Return the processors in a list such as "1-3,6".

    Raises:
        SelectionError: it is not such a list, or this process may not use one of them.
    """
    allowed = os.sched_getaffinity(0)
    cpus: set[int] = set()
    for part in typed.split(","):
        bounds = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part.strip())
        low, high = (int(bounds[1]), int(bounds[2] or bounds[1])) if bounds else (1, 0)
        if low > high:
            raise SelectionError(f"{shortened_name(typed)!r} is not a CPU set: write it as 1-3 or 1,3.")
        asked = range(low, high + 1)
        if (missing := next((cpu for cpu in asked if cpu not in allowed), None)) is not None:
            usable = ", ".join(str(cpu) for cpu in sorted(allowed))
            raise SelectionError(f"CPU {missing} cannot be used here; usable: {usable}.")
        cpus.update(asked)
    return tuple(sorted(cpus))
