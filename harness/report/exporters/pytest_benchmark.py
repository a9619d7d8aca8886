"""A run in pytest-benchmark's JSON layout, for `pytest-benchmark compare` and for CI actions that read such files.

A benchmark is a cell, and a round is a replicate: its value is the median time of a step in s. So `rounds` counts fresh
processes, and `stddev` is the spread between processes, the one that matters for the next run. The rounds within a
process are in records.jsonl. Cells without a valid time are left out. `extra_info` has what the layout has no field
for: the cell, the geometric mean with its interval, the warnings.
"""

import datetime
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from bench.records.record import Cell
from harness.format import to_json as as_json
from harness.plan.label import name
from harness.report.tables.all import Tables
from harness.report.tables.steps import StepRow, step_rows
from harness.validity.results import Run

LAYOUT: Final = "5.2.0"  # version of pytest-benchmark with this layout


def files(run: Run, tables: Tables) -> Mapping[str, str]:
    """Return no files: this format is only made on request."""
    return {}


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return the steps as pytest-benchmark's JSON."""
    return to_json(run)


def to_json(run: Run) -> str:
    """Return the run as JSON in pytest-benchmark's layout."""
    facts = run.facts
    started = datetime.datetime.fromtimestamp(facts.started_unix_ns / 1e9, datetime.UTC).isoformat()
    data = {
        "machine_info": _machine(run),
        "commit_info": {
            "id": facts.commit or "unversioned",
            "dirty": facts.dirty,
            "time": started,
            "project": "samestep",
        },
        "benchmarks": [_benchmark(run, row) for row in step_rows(run) if row.step_ns is not None],
        "datetime": started,
        "version": LAYOUT,
    }
    return as_json(data)


def _machine(run: Run) -> dict[str, Any]:
    """Return the machine, without anything that identifies it."""
    host = run.facts.host
    return {
        "node": "",
        "processor": host.cpu,
        "machine": "",
        "python_version": host.python,
        "python_implementation": "CPython",
        "release": "",
        "system": host.os,
        "cpu": {"brand_raw": host.cpu, "count": host.cores},
        "gpu": host.gpu,
        "driver": host.driver,
    }


def _benchmark(run: Run, row: StepRow) -> dict[str, Any]:
    seconds = [cost.step_ns / 1e9 for _, cost in sorted(row.costs.items())]
    return {
        "group": _group(row.cell),
        "name": name(row.cell),
        "fullname": row.cell.id,
        "params": None,
        "param": None,
        "extra_info": _extra(row),
        "options": {"disable_gc": True, "timer": "perf_counter", "min_rounds": run.facts.blocks, "warmup": True},
        "stats": {**_stats(seconds), "iterations": 1},
    }


def _group(cell: Cell) -> str:
    """Return the fields that are equal for cells with the same work, as one text."""
    return " ".join((cell.workload, cell.optimizer, cell.size, cell.precision, cell.device))


def _extra(row: StepRow) -> dict[str, Any]:
    cell, step = row.cell, row.step_ns
    names = {
        field: getattr(cell, field) for field in ("framework", "mode", "workload", "optimizer", "size", "precision")
    }
    return {
        **names,
        "device": cell.device,
        "allocator": cell.allocator,
        "inference": row.is_inference,
        "step_us": step.value / 1e3 if step else None,
        "ci_low_us": step.interval.low / 1e3 if step and step.interval else None,
        "ci_high_us": step.interval.high / 1e3 if step and step.interval else None,
        "first_step_ms": row.first_step_ns.value / 1e6 if row.first_step_ns else None,
        "rounds_of_a_replicate": row.rounds,
        "flags": [flag.name for flag in row.flags],
    }


def _stats(seconds: Sequence[float]) -> dict[str, Any]:
    """Return pytest-benchmark's statistics of the replicates; like there, the spread of a single one is 0."""
    mean, spread = statistics.fmean(seconds), statistics.stdev(seconds) if len(seconds) > 1 else 0.0
    q1, median, q3 = map(float, np.percentile(seconds, (25, 50, 75)))
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    within = [value for value in seconds if low <= value <= high]
    far = sum(abs(value - mean) > spread for value in seconds)
    beyond = len(seconds) - len(within)
    return {
        "min": min(seconds),
        "max": max(seconds),
        "mean": mean,
        "stddev": spread,
        "rounds": len(seconds),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": beyond,
        "stddev_outliers": far,
        "outliers": f"{far};{beyond}",
        "ld15iqr": min(within),
        "hd15iqr": max(within),
        "ops": 1 / mean,
        "total": sum(seconds),
        "data": list(seconds),
    }
