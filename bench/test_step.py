"""The one benchmark: a cell of the matrix through the protocol, timed by pytest-benchmark."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.protocol.replicate import measure
from bench.protocol.rounds import Rounds
from bench.records import codec
from bench.turns import prepare
from bench.turns.environment import process_age_ns
from bench.turns.parking import Keeper
from bench.turns.turn import PHASE_FILE, RECORD_FILE, Turn


def test_step(turn: Turn, folder: Path, rounds: Rounds) -> None:
    """Measure the cell of `turn` and write its record into `folder`.

    It runs in a thread, which has a stack of its own. A test under pytest is fifty calls deep: there, Python code with
    many calls is up to a quarter slower than in an ordinary program (decision 1).
    """
    cell = turn.cell
    with ThreadPoolExecutor(max_workers=1) as own_stack:
        result = own_stack.submit(
            measure,
            turn,
            load=lambda: prepare.framework_of(cell),
            make=lambda: prepare.workload_of(cell),
            rounds=rounds,
            keeper=Keeper.inherited() if turn.alternates else None,
            announce=prepare.PhaseFile(folder / PHASE_FILE),
            cache_entries=prepare.cache_entries,
            startup_ns=process_age_ns(),
        ).result()
    (folder / RECORD_FILE).write_text(codec.to_json(result) + "\n", encoding="utf-8")
    assert result.status == "ok", result.reason
