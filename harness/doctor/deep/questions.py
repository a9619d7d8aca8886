"""What nobody could tell without a GPU, answered from the readings and the records of this host's own.

Each answer is a line: ok, it is as samestep takes it to be; warn, it is not, or could not be seen, with what follows;
fail, a figure of samestep would be wrong.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.records.record import Cell, Record
from bench.tracks.energy import SETTLE_S
from harness.doctor.checks import Check, Status
from harness.doctor.deep import readings, remedies
from harness.doctor.deep.cells import name
from harness.doctor.deep.gpu import GpuReadings
from harness.doctor.deep.remedies import Place
from harness.format import listed, memory_size
from harness.plan.profiles import PROFILES
from harness.stats.memory import Figures
from harness.validity.machine import SET

SLOW_NS: Final = 1_000_000  # a call that takes longer is made at one look of ten
SHARE: Final = 0.5  # of its peak that a framework holds at once where it takes its whole pool at once
LONGEST_S: Final = PROFILES["quick"].timeout_s  # that a replicate of the short profiles may take
HELD: Final = 1.05  # of the clock that was asked for, at most, where a lock holds
TO_LOCK: Final = "--lock-clocks locks them while one cell runs and unlocks them, those that you locked yourself as well"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a deep check has seen on a GPU."""

    place: Place
    gpu: GpuReadings
    model: str  # of the host's GPUs
    driver: str  # its version
    records: Mapping[Cell, Record]
    figures: Mapping[Cell, Figures] = field(default_factory=dict)  # of the cells for memory
    exported: Collection[tuple[str, str]] = ()  # framework and mode of those that run another framework's model


def answers(seen: Seen) -> tuple[Check, ...]:
    """Return a line for each question."""
    return tuple(check for question in QUESTIONS for check in question(seen))


def _line(name: str, status: Status, found: str, remedy: str = "") -> Check:
    return Check(name=name, status=status, found=found, remedy=remedy)


def _gpu(seen: Seen) -> Iterator[Check]:
    capability = seen.gpu.rest.compute_capability or "not known"
    yield _line("GPU", "ok", f"{seen.model or 'not named'}, compute capability {capability}, driver {seen.driver}")


def _fields(seen: Seen) -> Iterator[Check]:
    """What of the GPU's figures stays empty, by the first cell that worked."""
    observed = next((one.observation for one in seen.records.values() if one.status == "ok" and one.observation), None)
    if observed is None:
        yield _line("NVML fields", "warn", "no cell worked", "see the cells above")
        return
    missing = [text for text in observed.missing if not text.startswith(("host_", "cgroup_"))]
    if not missing:
        yield _line("NVML fields", "ok", "every figure of the GPU is filled")
        return
    names = ", ".join(text.partition(": ")[0] for text in missing)
    reasons = "; ".join(dict.fromkeys(text.partition(": ")[2] for text in missing))
    yield _line("NVML fields", "warn", f"empty: {names}", f"these stay empty in every report ({reasons})")


def _costs(seen: Seen) -> Iterator[Check]:
    slow = [cost for cost in seen.gpu.rest.costs if cost.median_ns > SLOW_NS and not cost.error]
    if slow:
        names = ", ".join(f"{cost.function} {cost.median_ns / 1e6:.1f} ms" for cost in slow)
        yield _line("cost of NVML", "warn", names, "none needed: calls over 1 ms are made at one look of ten")
    else:
        longest = max(seen.gpu.rest.costs, key=lambda cost: cost.median_ns, default=None)
        found = (
            f"at most {longest.median_ns / 1e6:.2f} ms a call ({longest.function})" if longest else "no call answered"
        )
        yield _line("cost of NVML", "ok" if longest else "warn", found, "" if longest else "see the calls below")


def _energy(seen: Seen) -> Iterator[Check]:
    load = seen.gpu.load
    if load is None or load.tick_mj is None or load.tick_ms is None:
        yield _line("energy counter", "warn", "no tick was seen", "--measure energy has no figure here")
        return
    found = f"grows by {load.tick_mj:,} mJ or more, every {load.tick_ms:.3g} ms"
    long = load.tick_ms > 500
    remedy = "its rest of 2 s has few ticks: the record says how exactly an energy is known, or why there is none"
    yield _line("energy counter", "warn" if long else "ok", found, remedy if long else "")


def _buffers(seen: Seen) -> Iterator[Check]:
    for buffer in seen.gpu.rest.buffers:
        what = f"samples of {buffer.metric}"
        if buffer.error or not buffer.samples:
            found = buffer.error or "the driver's buffer is empty"
            yield _line(what, "ok", f"{found}; asked for directly instead")
            continue
        apart = "" if buffer.apart_ms is None else f", {buffer.apart_ms:.3g} ms apart"
        remedy = "" if buffer.clock else f"its medians may be empty; {remedies.OWN}"
        clock = f"stamped by {buffer.clock}" if buffer.clock else "stamped by no clock of this host"
        yield _line(what, "ok" if buffer.clock else "warn", f"{buffer.samples}{apart}, {clock}", remedy)


def _programs(seen: Seen) -> Iterator[Check]:
    load = seen.gpu.load
    if load is None:
        return
    if not load.programs:
        found = "NVML listed none while a cell ran"
        remedy = "other programs on the GPU go unnoticed: run samestep on the host, or its container with pid: host"
    elif not load.alive:
        found = f"{load.programs} listed, by numbers that are not of this namespace"
        remedy = "own and other programs cannot be told apart: run samestep on the host, or with pid: host"
    elif not load.with_memory:
        found, remedy = f"{load.programs} listed, without their memory", "device memory is that of the whole GPU here"
    else:
        found, remedy = f"{load.programs} listed, with their memory", ""
    yield _line("GPU programs", "warn" if remedy else "ok", found, remedy)


def _reserved(seen: Seen) -> Iterator[Check]:
    rest = seen.gpu.rest
    if rest.used_includes_reserved is None:
        yield _line("reserved memory", "ok", "none, or not known" if not rest.reserved_bytes else "cannot be told")
        return
    reserved = memory_size(rest.reserved_bytes or 0)
    has = "has in it, too" if rest.used_includes_reserved else "leaves out"
    yield _line("reserved memory", "ok", f"{reserved}, which version 2's used {has}")


def _settling(seen: Seen) -> Iterator[Check]:
    if seen.gpu.load is None:
        return
    settled, rest = seen.gpu.settled_s, seen.gpu.rest.power_mw
    if rest is None:
        yield _line("power at rest", "warn", "NVML does not say the power", "idle energy has no figure here")
    elif settled is None:
        found = f"not near {rest / 1000:.0f} W again {readings.SETTLE_S:g} s after a cell"
        yield _line("power at rest", "warn", found, "idle energy is too high here: subtract none")
    else:
        status: Status = "ok" if settled <= SETTLE_S else "warn"
        remedy = f"an energy replicate waits {SETTLE_S:g} s: its idle power is too high" if status == "warn" else ""
        yield _line("power at rest", status, f"{rest / 1000:.0f} W, again {settled:.2g} s after a cell", remedy)


def _events(seen: Seen) -> Iterator[Check]:
    at_rest, load = seen.gpu.rest.clock_events, seen.gpu.load
    loaded = "" if load is None else f"; while a cell ran {_names(load.clock_events)}"
    clock = "" if load is None or load.sm_clock_most_mhz is None else f", up to {load.sm_clock_most_mhz} MHz"
    yield _line("clock events", "ok", f"at rest {_names(at_rest)}{loaded}{clock}")


def _lock(seen: Seen) -> Iterator[Check]:
    lock = seen.gpu.lock
    if lock is None:
        yield _line("clocks under lock", "warn", "not tried", TO_LOCK)
    elif lock.error == "NoPermission":
        remedy = "as root: sudo nvidia-smi --lock-gpu-clocks=MHZ,MHZ; or run this check with sudo"
        yield _line("clocks under lock", "warn", "this user may not lock them (NoPermission)", remedy)
    elif lock.error:
        yield _line("clocks under lock", "warn", f"they cannot be locked here ({lock.error})", "compare within one run")
    elif lock.load is None:
        yield _line("clocks under lock", "warn", "locked, and no cell worked meanwhile", "see the cells above")
    else:
        load = lock.load
        found = f"{lock.mhz} MHz asked for, at most {load.sm_clock_most_mhz} seen; {_names(load.clock_events)}"
        remedy = ""
        if SET not in load.clock_events:
            found += "; the driver gives no reason for it, and none is needed"
        if (load.sm_clock_most_mhz or 0) > HELD * lock.mhz:
            remedy = "the lock did not hold: compare within one run"
        yield _line("clocks under lock", "warn" if remedy else "ok", found, remedy)


def _pools(seen: Seen) -> Iterator[Check]:
    """When a framework takes its memory, and what it says of its pool, by its cell for memory."""
    for cell, figures in seen.figures.items():
        what = f"pool of {cell.framework}"
        context, peak = figures.context_bytes, figures.device_peak_bytes
        if context is None or not peak:
            record = seen.records[cell]
            found = record.reason or "the device's memory was not seen while it rested"
            yield _line(what, "warn", found, "its column context stays empty" if record.status == "ok" else "see above")
            continue
        taken = "is in it" if context >= SHARE * peak else "comes later"
        pool = figures.reserved_peak_bytes
        held = f", by its own count {memory_size(pool)}" if pool is not None else ""
        found = f"context {memory_size(context)} of {memory_size(peak)}: the pool {taken}{held}"
        yield _line(what, "ok", found)


def _threads(seen: Seen) -> Iterator[Check]:
    """Whether each framework's threads are as asked for, counted beside the GPU's own."""
    known = [(record.cell.framework, record.proof, record.environment) for record in seen.records.values()]
    said: dict[str, list[str]] = {"as asked": [], "not said": []}
    differ = []
    for framework, proof, environment in known:
        if proof is None or environment is None or framework in (*said["as asked"], *said["not said"]):
            continue
        if proof.threads not in (None, environment.threads):
            differ.append(f"{framework} {proof.threads} instead of {environment.threads}")
        else:
            said["not said" if proof.threads is None else "as asked"].append(framework)
    parts = [f"{how}: {', '.join(names)}" for how, names in said.items() if names]
    if differ or parts:
        status: Status = "fail" if differ else "ok"
        yield _line("threads", status, "; ".join([*differ, *parts]), remedies.OWN if differ else "")


def _exported(seen: Seen) -> Iterator[Check]:
    """Whether the models that one framework exports and another runs have a node that falls back to the processor."""
    found = [record for cell, record in seen.records.items() if (cell.framework, cell.mode) in seen.exported]
    good = [record.cell.mode for record in found if record.status == "ok"]
    bad = [record for record in found if record.status != "ok"]
    text = "; ".join(
        [*([f"{listed(good)}: on the GPU alone"] if good else []), *(f"{one.cell.mode}: {one.reason}" for one in bad)]
    )
    if found:
        yield _line("exported models", "warn" if bad else "ok", text, "see the remedies of its cells" if bad else "")


def _longest(seen: Seen) -> Iterator[Check]:
    """Whether the mode that takes longest here fits into the time of a replicate."""
    timed = [record for record in seen.records.values() if record.wall_ns and record.status != "skipped"]
    if not timed:
        return
    longest = max(timed, key=lambda record: record.wall_ns)
    seconds = longest.wall_ns / 1e9
    first = longest.timing.first_step_ns if longest.timing else None
    compiled = "" if first is None else f", {first / 1e9:.0f} s of it the first step"
    status: Status = "ok" if seconds < LONGEST_S / 2 else "warn"
    remedy = "give it more in a run: --timeout 600" if status == "warn" else ""
    found = f"{name(longest.cell)}, {seconds:.0f} s{compiled}; the short profiles give {LONGEST_S:.0f} s"
    yield _line("longest cell", status, found, remedy)


def _names(events: Sequence[str]) -> str:
    return ", ".join(events) or "none"


QUESTIONS: Final[Sequence[Callable[[Seen], Iterator[Check]]]] = (
    _gpu, _fields, _costs, _energy, _buffers, _programs, _reserved, _settling, _events, _lock, _pools, _threads,
    _exported, _longest,
)  # fmt: skip
