"""The processors of this host: those that replicates run on, and those left to the harness.

Two threads of one physical core (SMT siblings) share its units: a busy one takes a third of the other's speed. So the
harness keeps off the cores that it measures, not only off their numbers.
"""

import contextlib
import os
import re
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from harness.errors import SelectionError
from harness.format import shortened_name

ROOT: Final = Path("/sys/devices/system/cpu")
MOST: Final = 1 << 16  # a number of a processor: a longer list is nobody's
SIBLINGS: Final = ("core_cpus_list", "thread_siblings_list")  # the present name, and that of kernels before 5.3


def default_cpus(allowed: Iterable[int] | None = None, root: Path = ROOT) -> tuple[int, ...]:
    """Return all processors except the first core, which is left to the harness.

    Where there is one core only, its first thread is left to it; where there is one processor only, that one.

    Args:
        allowed: those that this process may use; None: as the kernel says.
        root: sysfs's folder of processors.
    """
    usable = all_cpus(allowed)
    of_harness = siblings(usable[0], root)
    return tuple([cpu for cpu in usable if cpu not in of_harness] or usable[1:] or usable)


def all_cpus(allowed: Iterable[int] | None = None) -> tuple[int, ...]:
    """Return all processors that this process may use; `allowed` as in `default_cpus`."""
    return tuple(sorted(os.sched_getaffinity(0) if allowed is None else allowed))


def siblings(cpu: int, root: Path = ROOT) -> frozenset[int]:
    """Return the processors of `cpu`'s physical core, itself included; alone where the kernel says nothing of it."""
    for name in SIBLINGS:
        try:
            return frozenset(numbers((root / f"cpu{cpu}" / "topology" / name).read_text())) | {cpu}
        except (OSError, ValueError):
            continue
    return frozenset((cpu,))


def cores(cpus: Iterable[int], root: Path = ROOT) -> int:
    """Return how many physical cores the processors `cpus` belong to."""
    return len({siblings(cpu, root) for cpu in cpus})


def isolated(cpus: Iterable[int], listed: Path = ROOT / "isolated") -> bool:
    """Return whether the kernel runs nothing on any of `cpus` except what is pinned to it (isolcpus)."""
    try:
        free = set(numbers(listed.read_text()))
    except (OSError, ValueError):
        return False
    return bool(free) and set(cpus) <= free


def for_harness(cpus: Collection[int], allowed: Iterable[int], root: Path = ROOT) -> frozenset[int]:
    """Return the processors of `allowed` that are left to the harness beside the CPU set `cpus`; empty: none is.

    They are those of other physical cores; where there are none, those that are not in the set.
    """
    others = frozenset(allowed) - set(cpus)
    measured: frozenset[int] = frozenset().union(*(siblings(cpu, root) for cpu in cpus))
    return others - measured or others


def shared(cpus: Collection[int], allowed: Iterable[int] | None = None, root: Path = ROOT) -> str:
    """Return the sentence where the harness cannot keep off the cores that it measures; empty where it can.

    Args:
        cpus: the CPU set of the replicates; empty: all processors.
        allowed: those that this process may use; None: as the kernel says.
        root: sysfs's folder of processors.
    """
    usable = os.sched_getaffinity(0) if allowed is None else frozenset(allowed)
    left = for_harness(cpus, usable, root) if cpus else frozenset()
    if not left:
        return "The harness has no processor outside the CPU set: its own work disturbs what it measures."
    measured = sorted(cpu for cpu in cpus if siblings(cpu, root) & left)
    if not measured:
        return ""
    return (
        f"The harness has no core of its own: CPU {_list(left)} and CPU {_list(measured)} of the CPU set are threads of"
        " the same core, so its own work disturbs what it measures. Name fewer processors with --cpus."
    )


def leave(cpus: Collection[int], root: Path = ROOT) -> None:
    """Move this process, the harness, off the physical cores of the CPU set if there is another processor."""
    if others := for_harness(cpus, os.sched_getaffinity(0), root):
        os.sched_setaffinity(0, others)


@contextlib.contextmanager
def away(cpus: Collection[int]) -> Iterator[None]:
    """Keep this process, the harness, off the physical cores of the CPU set while the context lasts."""
    before = os.sched_getaffinity(0)
    leave(cpus)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # a control group has taken them away meanwhile
            os.sched_setaffinity(0, before)


def lost(cpus: Iterable[int]) -> tuple[int, ...]:
    """Return those of `cpus` on which nothing of this process may run any more: gone, or taken by a control group.

    A thread is moved there for a moment: the kernel's answer counts, whatever this process was moved to.
    """
    wanted = set(cpus)
    usable: set[int] = set()

    def move() -> None:
        try:
            os.sched_setaffinity(0, wanted)  # of this thread alone
            usable.update(os.sched_getaffinity(0))
        except OSError:  # none of them is there
            pass

    if wanted:
        thread = threading.Thread(target=move)
        thread.start()
        thread.join()
    return tuple(sorted(wanted - usable))


def gone(cpus: Collection[int]) -> str:
    """Return the sentence where processors of the CPU set cannot be used, with the remedy; empty where all can."""
    missing = lost(cpus)
    if not missing:
        return ""
    return (
        f"CPU {_list(missing)} of the CPU set {_list(cpus)} cannot be used here any more:"
        " give it back (a control group's cpuset, or a processor that is off line)"
    )


def cpu_set(typed: str) -> tuple[int, ...]:
    """Return the processors in a list such as "1-3,6".

    Raises:
        SelectionError: it is not such a list, or this process may not use one of them.
    """
    try:
        cpus = numbers(typed)
    except ValueError as error:
        raise SelectionError(f"{shortened_name(typed)!r} is not a CPU set: write it as 1-3 or 1,3.") from error
    allowed = os.sched_getaffinity(0)
    missing = next((cpu for cpu in cpus if cpu not in allowed), None)
    if missing is not None or not cpus:
        usable = ", ".join(str(cpu) for cpu in sorted(allowed))
        what = shortened_name(typed).__repr__() if missing is None else missing
        raise SelectionError(f"CPU {what} cannot be used here; usable: {usable}.")
    return tuple(sorted(set(cpus)))


def numbers(text: str) -> list[int]:
    """Return the processors in a list as the kernel writes it, "0-3,8"; none in an empty text.

    Raises:
        ValueError: it is no such list.
    """
    found: list[int] = []
    for part in text.strip().split(",") if text.strip() else ():
        bounds = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part.strip())
        low, high = (int(bounds[1]), int(bounds[2] or bounds[1])) if bounds else (1, 0)
        if low > high:
            raise ValueError(f"not a list of processors: {text!r}")
        found += range(min(low, MOST), min(high, MOST) + 1)
    return found


def _list(cpus: Iterable[int]) -> str:
    return ",".join(map(str, sorted(cpus)))
