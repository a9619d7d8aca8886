"""The gate of seeded faults: a clean run is damaged in one way at a time, and has to be found out each time.

The faults are put into the records of a run, not into a process: what is tested is that validity sees them.
That bench itself refuses the same in a process is tested with its protocol. A fault of a GPU is put into the same
records, once they say that a GPU made them. Without any fault the run has to pass, on both devices.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.catalogue import DRIFT_PROBE
from bench.records.observation import Observation
from bench.records.record import Cell, Record
from harness.errors import OK, SOME_FAILED, StoreError
from harness.selftest.figures import Figure
from harness.store import folder as store
from harness.store.facts import RunFacts, upgraded
from harness.validity import validity

FEWEST_FOUND: Final = 19  # of 20
GPU: Final = "GPU-0"

Damage = Callable[[Record], Record]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a replicate can be wrong."""

    name: str
    damage: Damage
    on_gpu: bool = False
    every: bool = False  # it befalls every replicate of the cell, as what is wrong in the program does


@dataclass(frozen=True, slots=True)
class Clean:
    """A run without a fault, of which one replicate will be damaged."""

    facts: RunFacts
    records: tuple[Record, ...]
    at: int  # place of that replicate


def _change(part: str, **changes: Any) -> Damage:
    """Return what changes fields of one part of a record."""
    return lambda record: replace(record, **{part: replace(getattr(record, part), **changes)})


def _rounds(scale: float) -> Damage:
    def damage(record: Record) -> Record:
        assert record.timing is not None
        faster = tuple(max(1, round(ns * scale)) for ns in record.timing.round_ns)
        return replace(record, timing=replace(record.timing, round_ns=faster))

    return damage


def _one_round(value: Any) -> Damage:
    def damage(record: Record) -> Record:
        assert record.timing is not None
        return replace(record, timing=replace(record.timing, round_ns=(value, *record.timing.round_ns[1:])))

    return damage


def _seen(**changes: Any) -> Damage:
    return lambda record: replace(record, observation=replace(record.observation or Observation(), **changes))


def _busy(record: Record) -> Record:
    assert record.timing is not None
    return replace(record, timing=replace(record.timing, process_cpu_ns=2 * 10**9, process_wall_ns=10**9))


def _called_cold(record: Record) -> Record:
    """Return what a first step leaves that found all in its caches, under the wrong name."""
    assert record.timing is not None
    assert record.proof is not None
    counted = record.proof.cache_misses is not None
    return replace(
        record,
        timing=replace(record.timing, compile_cache="cold", cache_entries=0),
        proof=replace(record.proof, cache_hits=1, cache_misses=0) if counted else record.proof,
    )


FAULTS: Final = (
    Fault("a mode that fell back", _change("proof", mode="another")),
    Fault("zero inputs: other data", _change("accuracy", data_sha256="f" * 64)),
    Fault("other initial parameters", _change("accuracy", init_sha256="f" * 64)),
    Fault("parameters in float16", _change("proof", precision="float16")),
    Fault("an output in float64", _change("proof", output_precision="float64")),
    Fault("TF32 on", _change("proof", tf32=True), on_gpu=True),
    Fault("silent fallback to the processor", _change("proof", device="cpu", output_device="cpu"), on_gpu=True),
    Fault("a recompile in the rounds", _change("proof", compilations_timed=1)),
    Fault("an undeclared graph break", _change("proof", graph_breaks=1, graph_breaks_declared=0)),
    Fault("a failed guard", _change("proof", guard_failures=1)),
    Fault("a device allocation in the rounds", _change("memory", device_allocations_timed=1), on_gpu=True),
    Fault("a warm cache called cold", _called_cold),
    Fault("other threads than asked for", _change("proof", threads=64)),
    Fault("two processors used for one thread", _busy),
    Fault("no wait: a clock that stops early", _rounds(1e-4), every=True),
    Fault("a round of no time", _one_round(0)),
    Fault("a round that is no number", _one_round(math.nan)),
    Fault("a CPU quota", _seen(throttled_periods=2)),
    Fault("another process on the GPU", _seen(gpu=GPU, foreign=("python (4711)",)), on_gpu=True),
    Fault("heat", _seen(gpu=GPU, clock_events=("hw thermal slowdown",)), on_gpu=True),
)


def found(fault: Fault, clean: Clean) -> str:
    """Return the reason by which the damaged replicate was found out; empty when it was not."""
    records = on_gpu(clean.records) if fault.on_gpu else clean.records
    hit = _moved(clean.records[clean.at]) if fault.on_gpu else clean.records[clean.at]
    damaged = [fault.damage(one) if one == hit or (fault.every and one.cell == hit.cell) else one for one in records]
    judged = validity.judged(damaged, clean.facts).records
    return next((one.reason for one in judged if one.cell == hit.cell and one.status == "invalid"), "")


def alarms(clean: Clean) -> tuple[str, ...]:
    """Return the reasons for which a clean run was found invalid, on a processor and on a GPU: none, or it is wrong."""
    devices = (clean.records, on_gpu(clean.records))
    judged = (one for records in devices for one in validity.judged(records, clean.facts).records)
    return tuple(f"{one.cell.id}: {one.reason}" for one in judged if one.status == "invalid")


def on_gpu(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records as if a GPU had made them, without the sentinels: a processor's drift is no GPU's."""
    return tuple(_moved(record) for record in records if record.cell.track != DRIFT_PROBE)


def _moved(record: Record) -> Record:
    proof = record.proof
    if proof is not None:
        proof = replace(proof, device="cuda:0", output_device="cuda:0" if proof.output_device else "")
    return replace(record, cell=replace(record.cell, device="cuda"), proof=proof)


def damageable(facts: RunFacts, records: Sequence[Record]) -> Clean:
    """Return a clean run: the good ones of `records`.

    Raises:
        StoreError: no good replicate has all that the faults damage.
    """
    good = tuple(record for record in records if record.status == "ok" and record.attempt == 1)
    able = [at for at, one in enumerate(good) if _is_whole(one) and _has_work(facts, one.cell)]
    if not able:
        raise StoreError(f"{facts.id} has no good replicate whose work is declared: run --workload mlp --size tiny.")
    return Clean(facts=facts, records=good, at=able[0])


def _is_whole(record: Record) -> bool:
    parts = (record.timing, record.proof, record.memory, record.accuracy, record.environment)
    is_timed = record.cell.track == "identical" and record.cell.precision == "float32" and None not in parts
    return is_timed and record.timing is not None and not record.timing.double_round_ns


def _has_work(facts: RunFacts, cell: Cell) -> bool:
    works = {(workload.name, work.name) for workload in facts.workloads for work in workload.works}
    return (cell.workload, cell.size) in works


def figure(facts: RunFacts, records: Sequence[Record]) -> Figure:
    """Return how many of the faults were found in a run, and that none was without one; raises StoreError."""
    clean = damageable(facts, records)
    missed = [fault.name for fault in FAULTS if not found(fault, clean)]
    false = alarms(clean)
    told = f"{len(FAULTS) - len(missed)} of {len(FAULTS)}, {len(false)} false alarms"
    return Figure(
        number=11,
        name="gate: seeded faults flagged",
        target=f"≥ {FEWEST_FOUND} of {len(FAULTS)}, no false alarm",
        found=f"{told}; missed: {', '.join(missed)}" if missed else told,
        met=len(missed) <= len(FAULTS) - FEWEST_FOUND and not false,
        how="put into the records of a clean run, one at a time",
    )


def run(name: str, results: Path, console: Console) -> int:
    """Put each fault into the run called `name`, print what was found, return the exit code; raises StoreError."""
    folder = store.find(results, name)
    clean = damageable(upgraded(folder.facts()), folder.records())
    table = Table("fault", "put into", "found out by", box=None, header_style="bold", pad_edge=False)
    reasons = [found(fault, clean) for fault in FAULTS]
    for fault, reason in zip(FAULTS, reasons, strict=True):
        table.add_row(
            fault.name, f"a record{', as if on a GPU' if fault.on_gpu else ''}", reason or "[red]NOT FOUND[/]"
        )
    console.print(table)
    false = alarms(clean)
    count = sum(map(bool, reasons))
    console.print(f"{count} of {len(FAULTS)} faults were found, {FEWEST_FOUND} have to be; {len(false)} false alarms.")
    for alarm in false:
        console.print(f"False alarm: {alarm}", highlight=False)
    return OK if count >= FEWEST_FOUND and not false else SOME_FAILED
