"""The runs that are mutated: a fresh one of NumPy, parts of two of older schemas, and a made one."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.records.record import Record
from harness.environments.checkout import ROOT
from harness.plan.plan import make_plan
from harness.store.folder import RunFolder
from tests import factories
from tests.harness.report.example import example
from tests.older import OLDER

PARTS: Final[Mapping[str, int]] = {"20261120-cpu-quick": 10, "20261121-cpu-ladders": 14}  # lines that are kept
FRAMEWORKS: Final = ("numpy", "jax", "tensorflow", "onnxruntime")
MODES: Final = ("eager", "jit", "xla", "hello", "from-torch", "from-jax", "export", "limits", "sentinel")
MOST_OF_A_CELL: Final = 2  # replicates in the made run


def make(folder: Path, fresh: Path | None = None) -> list[Path]:
    """Make the runs in `folder`; the one called `fresh` is measured where it is not there yet, in some 20 s."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = [_made(folder / "made"), *(_part(folder / name, lines) for name, lines in PARTS.items())]
    if fresh is None:
        return runs
    _measure(fresh)
    return [*runs, fresh]


def _part(run: Path, lines: int) -> Path:
    """Copy the beginning of a run of an older schema."""
    source = OLDER / run.name
    run.mkdir(exist_ok=True)
    for name in ("run.json", "plan.json"):
        shutil.copy(source / name, run / name)
    records = (source / "records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "records.jsonl").write_text("".join(records[:lines]), encoding="utf-8")
    return run


def _made(run: Path) -> Path:
    """Write a run that holds each kind of record once or twice, with samples."""
    whole = example("quick", 2)
    records: list[Record] = []
    for record in whole.records:
        same = sum(record.cell == other.cell for other in records)
        if record.cell.framework in FRAMEWORKS and record.cell.mode in MODES and same < MOST_OF_A_CELL:
            records.append(record)
    torch = factories.cell(framework="numpy", mode="eager", workload="mlp", size="S")
    records += [
        factories.record(
            torch, status="oom", reason="rounds: out of memory", failure=factories.failure(phase="rounds")
        ),
        factories.record(torch, block=2, status="failed", reason="import: none", failure=factories.failure()),
    ]
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    folder = RunFolder(run)
    cells = tuple(dict.fromkeys(record.cell for record in records))
    folder.write_plan(make_plan(cells, blocks=2, seed=whole.facts.seed))
    used = tuple(offer for offer in whole.facts.frameworks if offer.name in FRAMEWORKS)
    folder.write_facts(factories.run_facts(id=run.name, blocks=2, replicates=len(records), frameworks=used))
    for record in records:
        folder.append(record)
    folder.append_samples([(n * 10**8, "process", "numpy#1", "rss_bytes", 1e8 + n) for n in range(30)])
    return run


def _measure(run: Path) -> None:
    """Measure NumPy in two blocks, unless the run is there."""
    if (run / "run.json").is_file():
        return
    with tempfile.TemporaryDirectory(prefix="fresh-") as name:
        options = ("--launcher", "here", "--profile", "quick", "--blocks", "2", "--seed", "7", "--framework", "numpy")
        command = [sys.executable, "-m", "harness.cli", "run", *options, "--results", name]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        records = list(Path(name).glob("*/records.jsonl"))
        if not records:
            raise SystemExit(f"No run could be made to be mutated:\n{ended.stdout}{ended.stderr}")
        shutil.rmtree(records[0].parent / "report", ignore_errors=True)
        shutil.copytree(records[0].parent, run)
