"""A run in pytest-benchmark's JSON layout, for `pytest-benchmark compare` and for CI actions that read such files.

A benchmark is a cell, and a round is a replicate: its value is the median time of a step in s. So `rounds` counts fresh
processes, and `stddev` is the spread between processes, the one that matters for the next run; one process alone has
none. The rounds within a process are in records.jsonl. Cells without a valid time are left out. `extra_info` has what
the layout has no field for: the cell, the geometric mean with its interval, the warnings. The group of what ran on an
emulated GPU says so: it has no history with others.
"""

import datetime
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from bench.records.record import Cell
from harness.format import to_json as as_json
from harness.plan.label import name, ranks
from harness.report.tables.all import Tables
from harness.report.tables.steps import StepRow, step_rows
from harness.validity.results import Run

LAYOUT: Final = "5.2.0"  # version of pytest-benchmark with this layout
UNKNOWN_BRANCH: Final = "(unknown)"  # as there
PLATFORM: Final = re.compile(r"(?P<system>[^-]+)-(?P<release>.+?)-(?P<machine>[^-]+)(?:-with-.*)?$")
PYTHON: Final = re.compile(r"(\S+)(?: \(([^)]*)\))?(?: \[([^\]]*)\])?")  # version (build) [compiler]
ARCHITECTURES: Final[Mapping[str, str]] = {"x86_64": "X86_64", "aarch64": "ARM_8", "arm64": "ARM_8"}  # as py-cpuinfo


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
            "time": facts.commit_time or None,
            "author_time": facts.author_time or None,
            "dirty": facts.dirty,
            "project": "samestep",
            "branch": facts.branch or UNKNOWN_BRANCH,
        },
        "benchmarks": [_benchmark(run, row) for row in step_rows(run) if row.step_ns is not None],
        "datetime": started,
        "version": LAYOUT,
    }
    return as_json(data)


def _machine(run: Run) -> dict[str, Any]:
    """Return the machine that ran, as its first replicate read it, without the name that identifies it."""
    host = run.facts.host
    environment = next((record.environment for record in run.records if record.environment), None)
    system, release, machine = _platform(environment.platform if environment else "", host.os)
    interpreter = PYTHON.match(environment.python if environment else "")
    version, build, compiler = interpreter.groups("") if interpreter else (host.python, "", "")
    return {
        "node": "",
        "processor": host.cpu,
        "machine": machine,
        "python_compiler": compiler,
        "python_implementation": "CPython",
        "python_implementation_version": version,
        "python_version": version,
        "python_build": build.partition(", ")[::2],
        "release": release,
        "system": system,
        "cpu": {
            "python_version": version,
            "arch": ARCHITECTURES.get(machine, machine.upper()),
            "arch_string_raw": machine,
            "bits": 64 if machine.endswith("64") else 32,
            "count": host.cores,
            "brand_raw": host.cpu,
        },
        "os": host.os,
        "memory_bytes": host.memory_bytes,
        "gpu": host.gpu,
        "driver": host.driver,
        **({"caveat": run.caveat} if run.caveat else {}),
    }


def _platform(replicate: str, host: str) -> tuple[str, str, str]:
    """Return system, release and machine from a replicate's platform, the first two else from the host's."""
    if found := PLATFORM.match(replicate):
        return found["system"], found["release"], found["machine"]
    system, _, release = host.rpartition(", ")[2].partition(" ")
    return system, release, ""


def _benchmark(run: Run, row: StepRow) -> dict[str, Any]:
    seconds = [cost.step_ns / 1e9 for _, cost in sorted(row.costs.items())]
    stats = _stats(seconds)
    return {
        "group": f"{_group(row.cell)} {run.caveat}".rstrip(),
        "name": name(row.cell),
        "fullname": row.cell.id,
        "params": None,
        "param": None,
        "extra_info": {**_extra(row), **({"caveat": run.caveat} if run.caveat else {})},
        "options": {"disable_gc": True, "timer": "perf_counter", "min_rounds": run.facts.blocks, "warmup": True},
        "stats": {**stats, "iterations": 1},
        # `pytest-benchmark compare` reads the statistics over these fields, and ends with a KeyError without this one
        **({} if "stddev" in stats else {"stddev": 0.0}),
    }


def _group(cell: Cell) -> str:
    """Return the fields that are equal for cells with the same work, as one text."""
    batch = (f"batch {cell.batch}",) if cell.batch else ()
    work = " ".join((cell.workload, cell.optimizer, cell.size, cell.precision, cell.device, *batch))
    return f"{work}{ranks(cell)}"


def _extra(row: StepRow) -> dict[str, Any]:
    cell, step = row.cell, row.step_ns
    names = {
        field: getattr(cell, field) for field in ("framework", "mode", "workload", "optimizer", "size", "precision")
    }
    return {
        **names,
        "device": cell.device,
        "allocator": cell.allocator,
        **({"batch": cell.batch} if cell.batch else {}),
        **({"variant": cell.variant} if cell.variant else {}),
        **({"ranks": cell.ranks, "scaling": cell.scaling} if cell.ranks else {}),
        "inference": row.is_inference,
        "step_us": step.value / 1e3 if step else None,
        "ci_low_us": step.interval.low / 1e3 if step and step.interval else None,
        "ci_high_us": step.interval.high / 1e3 if step and step.interval else None,
        "first_step_ms": row.first_step_ns.value / 1e6 if row.first_step_ns else None,
        "rounds_of_a_replicate": row.rounds,
        "flags": [flag.name for flag in row.flags],
    }


def _stats(seconds: Sequence[float]) -> dict[str, Any]:
    """Return pytest-benchmark's statistics of the replicates; a single one has no standard deviation."""
    mean = statistics.fmean(seconds)
    spread = {"stddev": statistics.stdev(seconds)} if len(seconds) > 1 else {}
    q1, median, q3 = map(float, np.percentile(seconds, (25, 50, 75)))
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    within = [value for value in seconds if low <= value <= high]
    far = sum(abs(value - mean) > spread.get("stddev", 0.0) for value in seconds)
    beyond = len(seconds) - len(within)
    return {
        "min": min(seconds),
        "max": max(seconds),
        "mean": mean,
        **spread,
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
