"""How far the hosts of a collected run differ on the same cells: the between-host spread.

Hosts of one type are alike by name and not in speed: cooling, firmware and memory differ. A difference between two runs
has to be larger than that between the hosts of one.
"""

import functools
import statistics
from collections.abc import Mapping

from bench.records.record import Cell
from harness.stats.estimate import step_ns
from harness.validity.results import Run


def levels(run: Run) -> Mapping[Cell, Mapping[str, tuple[float, int]]]:
    """Return by cell and host its time per step in ns, the geometric mean of its good replicates, and their number.

    Empty for a run of one host; only cells of the identical track.
    """
    if not run.facts.hosts:
        return {}
    host_of = functools.cache(run.facts.host_of)
    times: dict[Cell, dict[str, list[float]]] = {}
    for record in run.records:
        if record.cell.track != "identical" or record.status != "ok" or record.timing is None:
            continue
        ns = step_ns(record.timing)
        if ns:
            times.setdefault(record.cell, {}).setdefault(host_of(record.block), []).append(ns)
    return {
        cell: {host: (statistics.geometric_mean(several), len(several)) for host, several in sorted(by_host.items())}
        for cell, by_host in times.items()
    }


def spread(of_cell: Mapping[str, tuple[float, int]]) -> float | None:
    """Return by how much the slowest host is slower than the fastest, 0.1 for 10 %; None: one host has the cell."""
    times = [ns for ns, _ in of_cell.values()]
    return max(times) / min(times) - 1 if len(times) > 1 else None


def largest_spread(run: Run) -> float | None:
    """Return the largest spread of a run's cells; None: no cell was measured on two hosts."""
    found = [known for of_cell in levels(run).values() if (known := spread(of_cell)) is not None]
    return max(found, default=None)
