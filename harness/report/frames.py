"""A run as tidy DataFrames, one observation per row, for plots and for further analysis.

`load` reads a run from its folder; docs/data.md has an example. Every frame except `samples` has the columns of the
cell: framework, mode, workload, optimizer, size, precision, device, allocator, batch, stream, ranks, scaling, variant,
track. A value that was not measured is missing (NaN or NA), never 0. Names end in the unit: _ns, _us, _bytes.

cells        one row per cell of the identical track, as in the tables of steps and of scaling: status, reason, step_ns
             (geometric mean of the replicates), step_low_ns and step_high_ns (its 95 % interval), first_step_ns,
             replicates, replicates_invalid, speedup (a ratio, against its baseline), baseline, flags (names, with
             spaces between)
replicates   one row per process, also of a replaced attempt: block, attempt, stands (whether it counts),
             position, status, reason, step_ns (median of its rounds), first_step_ns, first_calls (its calls),
             compile_cache, steps_per_round, wall_ns, host_peak_rss_bytes, max_loss_deviation
rounds       one row per timed round: block, attempt, round, step_ns
losses       one row per step of the accuracy check: block, attempt, step, loss, reference, deviation
memory       one row per process with figures of memory: block, attempt, and the figures of `Memory`
limits       one row per round of a probe: block, attempt, kind, precision_of_probe, probe_size, work (floating-point
             operations, bytes or launches), round, round_ns
samples      samples from outside the process, as in samples.parquet: t_ns, source, subject, metric, value

Of a run that was collected from several hosts, `replicates` has the column `host` as its last one.

Where something has to stand beside every figure of a run, as with an emulated GPU, each frame has the column `caveat`.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from bench.records.record import Cell, Memory, Record
from harness.report.tables.steps import step_rows
from harness.stats import estimate
from harness.validity.results import Run

CELL: Final = tuple(field.name for field in dataclasses.fields(Cell))
REPLICATE: Final = (*CELL, "block", "attempt")
CELLS: Final = (
    *("status", "reason", "step_ns", "step_low_ns", "step_high_ns", "first_step_ns", "replicates"),
    *("replicates_invalid", "speedup", "baseline", "flags"),
)
REPLICATES: Final = (
    *("stands", "position", "status", "reason", "step_ns", "first_step_ns", "first_calls", "compile_cache"),
    *("steps_per_round", "wall_ns", "host_peak_rss_bytes", "max_loss_deviation"),
)
FIGURES: Final = tuple(  # of memory: integers, no lists
    field.name for field in dataclasses.fields(Memory) if field.type == (int | None)
)
PROBES: Final = ("kind", "precision_of_probe", "probe_size", "work", "round", "round_ns")
SAMPLES: Final = ("t_ns", "source", "subject", "metric", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The tidy DataFrames of one run; the docstring of this module describes their columns."""

    cells: pd.DataFrame
    replicates: pd.DataFrame
    rounds: pd.DataFrame
    losses: pd.DataFrame
    memory: pd.DataFrame
    limits: pd.DataFrame
    samples: pd.DataFrame


def load(run: Path | str | Run) -> Frames:
    """Return the tidy DataFrames of a run, with the same judgements as its report.

    Args:
        run: the path of its folder, or a loaded run.

    Raises:
        StoreError: the folder is not a run, or one of its records is damaged or from a newer samestep.
    """
    if not isinstance(run, Run):
        from harness.store import folder
        from harness.validity import results

        run = results.load(folder.find(Path(), str(run)))
    records = (*run.records, *run.replaced)
    counted = {id(record) for record in run.records}
    replicate_frame = replicates(records)
    replicate_frame.insert(len(REPLICATE), "stands", [id(record) in counted for record in records])
    if run.facts.hosts:
        replicate_frame = replicate_frame.assign(host=[run.facts.host_of(record.block) for record in records])
    frames = {
        "cells": _cells(run),
        "replicates": replicate_frame,
        "rounds": rounds(records),
        "losses": losses(records),
        "memory": _memory(records),
        "limits": _limits(records),
        "samples": run.samples.frame() if run.samples else pd.DataFrame(columns=list(SAMPLES)),
    }
    if caveat := run.caveat:
        frames = {name: frame.assign(caveat=caveat) for name, frame in frames.items()}
    return Frames(**frames)


def replicates(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per replicate; a value that it did not measure is missing."""
    return _frame((_replicate(record) for record in records), REPLICATES[1:])


def _replicate(record: Record) -> dict[str, Any]:
    timing = record.timing
    return {
        **_identity(record),
        "position": record.position,
        "status": record.status,
        "reason": record.reason,
        "step_ns": estimate.step_ns(timing) if timing else None,
        "first_step_ns": estimate.to_steady_ns(timing) if timing else None,
        "first_calls": 1 + len(timing.settling_ns) if timing else None,
        "compile_cache": timing.compile_cache if timing else None,
        "steps_per_round": timing.steps_per_round if timing else None,
        "wall_ns": record.wall_ns,
        "host_peak_rss_bytes": record.memory.host_peak_rss_bytes if record.memory else None,
        "max_loss_deviation": record.accuracy.max_loss_deviation if record.accuracy else None,
    }


def rounds(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per timed round, with its time per step in ns."""
    return _frame(
        (
            {**_identity(record), "round": number, "step_ns": step}
            for record in records
            if record.timing is not None
            for number, step in enumerate(estimate.round_step_ns(record.timing), start=1)
        ),
        ("round", "step_ns"),
    )


def losses(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per step of the accuracy check: loss, reference, |loss - reference| / max(1, |reference|)."""
    return _frame(_losses(records), ("step", "loss", "reference", "deviation"))


def _losses(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    for record in records:
        if record.accuracy is None:
            continue
        pairs = zip(record.accuracy.losses, record.accuracy.reference_losses, strict=False)
        for step, (loss, reference) in enumerate(pairs, start=1):
            deviation = abs(loss - reference) / max(1.0, abs(reference))
            yield {**_identity(record), "step": step, "loss": loss, "reference": reference, "deviation": deviation}


def _cells(run: Run) -> pd.DataFrame:
    rows = [
        {
            **{name: getattr(row.cell, name) for name in CELL},
            "status": row.status,
            "reason": row.reason,
            "step_ns": row.step_ns.value if row.step_ns else None,
            "step_low_ns": row.step_ns.interval.low if row.step_ns and row.step_ns.interval else None,
            "step_high_ns": row.step_ns.interval.high if row.step_ns and row.step_ns.interval else None,
            "first_step_ns": row.first_step_ns.value if row.first_step_ns else None,
            "replicates": row.replicates,
            "replicates_invalid": row.replaced,
            "speedup": row.speedup.value if row.speedup else None,
            "baseline": row.baseline,
            "flags": " ".join(flag.name for flag in row.flags),
        }
        for row in step_rows(run)
    ]
    return pd.DataFrame(rows, columns=[*CELL, *CELLS])


def _memory(records: Iterable[Record]) -> pd.DataFrame:
    return _frame(
        (
            {**_identity(record), **{name: getattr(record.memory, name) for name in FIGURES}}
            for record in records
            if record.memory is not None
        ),
        FIGURES,
    )


def _limits(records: Iterable[Record]) -> pd.DataFrame:
    return _frame(
        (
            {
                **_identity(record),
                "kind": probe.kind,
                "precision_of_probe": probe.precision,
                "probe_size": probe.size,
                "work": probe.work,
                "round": number,
                "round_ns": ns,
            }
            for record in records
            for probe in record.limits
            for number, ns in enumerate(probe.round_ns, start=1)
        ),
        PROBES,
    )


def _identity(record: Record) -> dict[str, Any]:
    return {
        **{name: getattr(record.cell, name) for name in CELL},
        "block": record.block,
        "attempt": record.attempt,
    }


def _frame(rows: Iterable[dict[str, Any]], measured: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=[*REPLICATE, *measured])
