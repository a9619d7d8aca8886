"""The gate of seeded faults: a clean run is damaged in one way at a time, and each fault has to be found.

The faults are put into the records of a run, not into a process, to test that the rules of validity find them. That
bench itself refuses the same in a process is tested with its protocol. The fault of a GPU is put into the same records,
changed as if a GPU had made them. Without a fault the run has to pass, on both devices.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.catalogue import DRIFT_PROBE
from bench.records.observation import Observation
from bench.records.record import Cell, Record
from harness.errors import OK, SOME_FAILED, StoreError
from harness.selftest.figures import Figure
from harness.store.facts import RunFacts, upgraded
from harness.store.folder import find
from harness.validity import validity

FEWEST_FOUND: Final = 19  # of 20
GPU: Final = "GPU-0"

Damage = Callable[[Record], Record]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a replicate can be wrong."""

    name: str
    damage: Damage
    _: KW_ONLY
    on_gpu: bool = False
    every: bool = False  # every replicate of the cell has it, as with an error in the program


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """A run without a fault, and the replicate that will be damaged."""

    facts: RunFacts
    records: tuple[Record, ...]
    at: int  # index of that replicate


def _change(part: str, **changes: Any) -> Damage:
    """Return the damage that changes fields of one part of a record."""
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


def _observed(**changes: Any) -> Damage:
    return lambda record: replace(record, observation=replace(record.observation or Observation(), **changes))


def _busy(record: Record) -> Record:
    assert record.timing is not None
    return replace(record, timing=replace(record.timing, process_cpu_ns=2 * 10**9, process_wall_ns=10**9))


def _called_cold(record: Record) -> Record:
    """Return the record of a first step that found everything in its caches, falsely called cold."""
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
    Fault("a CPU quota", _observed(throttled_periods=2)),
    Fault("another process on the GPU", _observed(gpu=GPU, foreign=("python (4711)",)), on_gpu=True),
    Fault("heat", _observed(gpu=GPU, clock_events=("hw thermal slowdown",)), on_gpu=True),
)


def reason_found(fault: Fault, clean: Clean) -> str:
    """Return the reason for which the damaged cell became invalid; empty when it did not."""
    records = on_gpu(clean.records) if fault.on_gpu else clean.records
    target = _moved(clean.records[clean.at]) if fault.on_gpu else clean.records[clean.at]
    damaged = [
        fault.damage(record) if record == target or (fault.every and record.cell == target.cell) else record
        for record in records
    ]
    judged = validity.judged(damaged, clean.facts).records
    return next((record.reason for record in judged if record.cell == target.cell and record.status == "invalid"), "")


def alarms(clean: Clean) -> tuple[str, ...]:
    """Return the false alarms: reasons for which records of the clean run are invalid, on a processor and on a GPU."""
    devices = (clean.records, on_gpu(clean.records))
    judged = (record for records in devices for record in validity.judged(records, clean.facts).records)
    return tuple(f"{record.cell.id}: {record.reason}" for record in judged if record.status == "invalid")


def on_gpu(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records as if a GPU had made them, without the drift probes, which measured the processor."""
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
    able = [at for at, record in enumerate(good) if _is_whole(record) and _has_work(facts, record.cell)]
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
    """Return how many of the faults were found in a run, and the number of false alarms; raises StoreError."""
    clean = damageable(facts, records)
    missed = [fault.name for fault in FAULTS if not reason_found(fault, clean)]
    false = alarms(clean)
    counts = f"{len(FAULTS) - len(missed)} of {len(FAULTS)}, {len(false)} false alarms"
    return Figure(
        number=11,
        name="gate: seeded faults flagged",
        target=f"≥ {FEWEST_FOUND} of {len(FAULTS)}, no false alarm",
        found=f"{counts}; missed: {', '.join(missed)}" if missed else counts,
        met=len(missed) <= len(FAULTS) - FEWEST_FOUND and not false,
        how="put into the records of a clean run, one at a time",
    )


def run(name: str, results: Path, console: Console) -> int:
    """Put each fault into the run called `name`, print the reasons found, return the exit code; raises StoreError."""
    folder = find(results, name)
    clean = damageable(upgraded(folder.facts()), folder.records())
    table = Table("fault", "put into", "found by", box=None, header_style="bold", pad_edge=False)
    reasons = [reason_found(fault, clean) for fault in FAULTS]
    for fault, reason in zip(FAULTS, reasons, strict=True):
        table.add_row(
            fault.name, f"a record{', as if on a GPU' if fault.on_gpu else ''}", escape(reason) or "[red]NOT FOUND[/]"
        )
    console.print(table)
    false = alarms(clean)
    count = sum(map(bool, reasons))
    console.print(f"{count} of {len(FAULTS)} faults were found, {FEWEST_FOUND} have to be; {len(false)} false alarms.")
    for alarm in false:
        console.print(f"False alarm: {alarm}", highlight=False, markup=False)
    return OK if count >= FEWEST_FOUND and not false else SOME_FAILED
