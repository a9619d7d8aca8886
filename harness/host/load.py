"""Other work on the processors of a run, before it begins.

The busy time of each processor comes from the kernel, so it holds in a container too; there the processes of the host
are hidden, and time that the hypervisor gave to another guest (steal) has no process at all.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from harness.format import listed, percent
from harness.host.nvidia import program

SECONDS: Final = 0.5  # observed; 50 of the kernel's ticks
BUSY: Final = 0.15  # share of a processor's time from which its load is worth a warning
WORTH_NAMING: Final = 0.05  # share of one processor that a process uses
MOST_NAMES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What ran while this process did nothing."""

    cpus: Mapping[int, float]  # share of its time that each processor was busy
    stolen: Mapping[int, float]  # share that the hypervisor gave to another guest; part of the above
    processes: tuple[tuple[str, float], ...]  # name with PID, and share of one processor; the busiest first


def observed(cpus: Sequence[int], seconds: float = SECONDS, sleep: Callable[[float], None] = time.sleep) -> Load:
    """Return the load of the processors `cpus` over so many seconds; of all, if `cpus` is empty."""
    before, used_before, begin = psutil.cpu_times(percpu=True), _used(), time.perf_counter()
    sleep(seconds)
    after, used_after, wall = psutil.cpu_times(percpu=True), _used(), time.perf_counter() - begin
    known = [cpu for cpu in cpus or range(len(after)) if cpu < min(len(before), len(after))]
    shares = {cpu: _shares(before[cpu], after[cpu]) for cpu in known}
    rates = {pid: (used_after[pid] - used) / wall for pid, used in used_before.items() if pid in used_after}
    busiest = sorted((pid for pid, rate in rates.items() if rate >= WORTH_NAMING), key=lambda pid: -rates[pid])
    return Load(
        cpus={cpu: busy for cpu, (busy, _) in shares.items()},
        stolen={cpu: stolen for cpu, (_, stolen) in shares.items()},
        processes=tuple((program(pid), rates[pid]) for pid in busiest if _may_run_on(pid, known)),
    )


def warning(load: Load) -> str:
    """Return the sentence about the load, with the remedy; empty where the processors are quiet."""
    busy = {cpu: share for cpu, share in load.cpus.items() if share >= BUSY}
    if not busy:
        return ""
    numbers = listed([f"CPU {cpu} ({percent(share)})" for cpu, share in busy.items()])
    return (
        f"Busy with other work: {numbers}, so the times will spread: {_users(load, busy)}."
        " End or pause it, or choose other processors with --cpus."
    )


def _users(load: Load, busy: Iterable[int]) -> str:
    stolen = max(load.stolen[cpu] for cpu in busy)
    users = [f"{name} uses {percent(share)} of a processor" for name, share in load.processes[:MOST_NAMES]]
    if stolen >= BUSY / 2:
        users.append(f"other guests of this virtual machine's host take {percent(stolen)}")
    return listed(users) if users else "no process that can be seen from here, so another container or user"


def _shares(before: object, after: object) -> tuple[float, float]:
    """Return the shares of the time between two readings of a processor that were busy, and stolen."""

    def spent(*fields: str) -> float:
        return sum(getattr(after, field, 0.0) - getattr(before, field, 0.0) for field in fields)

    # The time of a guest is part of "user".
    busy = spent("user", "nice", "system", "irq", "softirq", "steal")
    total = busy + spent("idle", "iowait")
    return (busy / total, spent("steal") / total) if total > 0 else (0.0, 0.0)


def _used(own: int | None = None) -> dict[int, float]:
    """Return the seconds of processor time of each process, by PID; without this process."""
    own = os.getpid() if own is None else own
    used = {}
    for process in psutil.process_iter(["cpu_times"]):
        times = process.info["cpu_times"]
        if times is not None and process.pid != own:
            used[process.pid] = times.user + times.system
    return used


def _may_run_on(pid: int, cpus: Iterable[int]) -> bool:
    try:
        return not set(psutil.Process(pid).cpu_affinity()).isdisjoint(cpus)
    except psutil.Error:
        return False
