"""Look at a finished run as a script of somebody else's would: `python tests/check_run.py results/RUN`.

Uses the files of the contract only. Says what is wrong and exits 1.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

COLUMNS: Mapping[str, str] = {
    "steps": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, step_us,"
    " ci_low_us, ci_high_us, replicates, rounds, steps_per_round, first_step_ms, speedup_vs_eager, break_even_steps,"
    " flags",
    "accuracy": "framework, mode, workload, optimizer, weight, bias, within_tolerance, max_loss_deviation,"
    " data_sha256, init_sha256",
    "memory": "framework, mode, workload, allocator, context_bytes, allocated_peak_bytes, reserved_peak_bytes,"
    " device_peak_bytes, host_peak_rss_bytes, device_allocations_warmup, device_allocations_timed, residue_bytes",
    "code": "framework, lines, total_seconds, weight, bias, within_tolerance",
}


def faults(run: Path) -> Iterator[str]:
    """Yield one sentence for each thing that is not as the contract says."""
    facts = json.loads((run / "run.json").read_text())
    lines = (run / "records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    if len(records) != facts["replicates"]:
        yield f"{len(records)} records, {facts['replicates']} were planned"
    yield from (f"{one['cell']}: {one['status']}, {one['reason']}" for one in records if one["status"] != "ok")
    for name in ("plan.json", "samples.parquet", "report/index.html", "report/steps.md"):
        if not (run / name).is_file():
            yield f"{name} is missing"
    page = (run / "report/index.html").read_text()
    if 'src="http' in page or "@import" in page or 'rel="stylesheet"' in page:
        yield "the page asks for something that is not in it"
    tables = {name: rows(run, name) for name in COLUMNS}
    for name, (header, _) in tables.items():
        if header != COLUMNS[name].split(", "):
            yield f"{name}.csv has other columns: {header}"
    yield from wrong_numbers(tables["steps"][1], tables["accuracy"][1], tables["code"][1])


def rows(run: Path, name: str) -> tuple[Sequence[str], list[dict[str, str]]]:
    """Return header and rows of a table."""
    with (run / "report" / "csv" / f"{name}.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        found = list(reader)
        return reader.fieldnames or (), found


def wrong_numbers(
    steps: list[dict[str, str]], accuracy: list[dict[str, str]], code: list[dict[str, str]]
) -> Iterator[str]:
    """Yield what the numbers cannot be."""
    for row in steps:
        low, step, high = (float(row[column] or "nan") for column in ("ci_low_us", "step_us", "ci_high_us"))
        if not low <= step <= high:
            yield f"{row['framework']} {row['mode']}: {step} is not in {low} to {high}"
    for row in accuracy:
        if not float(row["max_loss_deviation"]) <= 1e-4 or row["within_tolerance"].lower() != "true":
            yield f"{row['framework']} {row['mode']}: not within tolerance"
    for column in ("data_sha256", "init_sha256"):
        if len({row[column] for row in accuracy}) > 1:
            yield f"{column} differs between frameworks"
    for row in code:
        if row["within_tolerance"].lower() != "true" or int(row["lines"]) < 1:
            yield f"{row['framework']}: its hello world is not within tolerance"


if __name__ == "__main__":
    wrong = [f"{path}: {fault}" for path in sys.argv[1:] for fault in faults(Path(path))]
    print("\n".join(wrong) or f"{len(sys.argv) - 1} run(s) as the contract says")
    sys.exit(bool(wrong))
