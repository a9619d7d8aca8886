"""The one benchmark: a cell of the matrix through the protocol, timed by pytest-benchmark."""

import importlib
from pathlib import Path

from bench import record
from bench.environment import process_age_ns
from bench.process import PhaseFile
from bench.protocol import Rounds, measure
from bench.turn import PHASE_FILE, RECORD_FILE, Turn


def test_step(turn: Turn, folder: Path, rounds: Rounds) -> None:
    """Measure the cell of `turn` and leave its record in `folder`."""
    cell = turn.cell
    result = measure(
        turn,
        load=lambda: importlib.import_module(f"bench.frameworks.{cell.framework}"),
        make=lambda: importlib.import_module(f"bench.workloads.{cell.workload}").make(cell.size, cell.optimizer),
        rounds=rounds,
        announce=PhaseFile(folder / PHASE_FILE),
        startup_ns=process_age_ns(),
    )
    (folder / RECORD_FILE).write_text(record.to_json(result) + "\n", encoding="utf-8")
    assert result.status == "ok", result.reason
