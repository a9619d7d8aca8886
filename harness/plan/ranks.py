"""The processors of a run with data-parallel steps: the same number for each rank, whatever the number of ranks.

With the most ranks that the run has, all processors of its CPU set are used, but for a rest. A cell of fewer ranks has
the first of them, and a plain cell, beside which the others are held, as many as one rank.
"""

from collections.abc import Callable, Collection, Iterable

from bench.records.record import Cell
from harness.errors import SelectionError
from harness.host import processors


def most_of(cells: Iterable[Cell]) -> int:
    """Return the most ranks of a cell; 0: no step is data-parallel."""
    return max((cell.ranks for cell in cells), default=0)


def cpus_of(ranks: int, cpus: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Return the processors of a cell with so many ranks, in a run whose CPU set is `cpus`; 0: a plain cell."""
    each = len(cpus) // most if most else 0
    return cpus[: max(1, ranks) * each] if each else cpus


def threads_of(cpus: tuple[int, ...], most: int) -> int:
    """Return the threads of each process, in a run whose cells have `most` ranks at most."""
    return max(1, len(cpus) // most) if most else len(cpus)


def cpu_set(typed: str | None, most: int, allowed: Collection[int] | None = None) -> tuple[int, ...]:
    """Return the CPU set of a run: as it was typed, else all but the first core; all where that has too few for ranks.

    Args:
        typed: the option --cpus; None: not given.
        most: ranks.
        allowed: processors that this process may use; None: as the kernel says.

    Raises:
        SelectionError: fewer processors than ranks, or what was typed cannot be used.
    """
    cpus = processors.cpu_set(typed) if typed is not None else processors.default_cpus(allowed)
    if typed is None and len(cpus) < most:
        cpus = processors.all_cpus(allowed)
    if len(cpus) < most:
        whose = "this host gives" if typed is None else "the CPU set has"
        raise SelectionError(f"{most} ranks need {most} processors, and {whose} {len(cpus)}: name fewer with --ranks.")
    return cpus


def require_gpus(most: int, count: Callable[[], int]) -> None:
    """Raise SelectionError where replicates see fewer GPUs than ranks; `count` returns how many they see."""
    if most > 1 and (there := count()) < most:
        raise SelectionError(f"{most} ranks need {most} GPUs, and a replicate sees {there}: name fewer with --ranks.")
