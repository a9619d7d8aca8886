"""The one benchmark: a cell of the matrix through the protocol, timed by pytest-benchmark."""

from functools import partial
from pathlib import Path

from bench.parallel import lead
from bench.protocol.replicate import measure
from bench.protocol.rounds import Rounds
from bench.records import codec
from bench.turns import prepare
from bench.turns.environment import process_age_ns
from bench.turns.main_thread import in_main
from bench.turns.parking import Keeper
from bench.turns.turn import PHASE_FILE, RECORD_FILE, Turn


def test_step(turn: Turn, folder: Path, rounds: Rounds) -> None:
    """Measure the cell of `turn` and write its record into `folder`.

    It runs in the main thread, on a stack of its own (`bench.turns.main_thread`).
    """
    result = in_main(
        partial(
            measure,
            turn,
            load=partial(lead.framework_of, turn),
            make=lambda: prepare.workload_of(turn),
            rounds=rounds,
            keeper=Keeper.inherited() if turn.alternates else None,
            announce=prepare.PhaseFile(folder / PHASE_FILE),
            cache_entries=prepare.cache_entries,
            startup_ns=process_age_ns(),
        )
    )
    (folder / RECORD_FILE).write_text(codec.to_json(result) + "\n", encoding="utf-8")
    assert result.status == "ok", result.reason
