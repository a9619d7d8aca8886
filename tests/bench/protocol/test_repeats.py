"""Further processes of a turn: on warm caches, at other threads; one that dies takes nothing with it."""

import os
from pathlib import Path

import pytest

from bench.records.codec import to_json
from bench.records.record import Record, RepeatKind
from bench.turns import turn as turns
from bench.turns.supervise import supervise
from bench.turns.turn import REPEATS, Outcome, Settings, Turn
from tests import factories
from tests.bench.protocol.test_replicate import turn

SETTINGS = Settings(rounds=5, warmup_floor_ns=0, warmup_cap_ns=100_000_000)
BOTH: tuple[RepeatKind, ...] = ("warm", "threads")


def numpy_turn(**changes: object) -> Turn:
    cell = factories.cell(framework="numpy")
    return turn(cell=cell, cpus=tuple(sorted(os.sched_getaffinity(0)))[-1:], settings=SETTINGS, **changes)


def replicate(folder: Path, of: Turn) -> tuple[Record, Outcome]:
    outcome = supervise(of, folder)
    return turns.to_record(of, outcome), outcome


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Outcome, Path]:
    """A replicate with both repeats, and its folder."""
    folder = tmp_path_factory.mktemp("good") / "turn"
    return *replicate(folder, numpy_turn(repeats=BOTH)), folder


def test_a_repeat_at_other_threads_has_the_fingerprint_of_its_own_run(good: tuple[Record, Outcome, Path]) -> None:
    record, outcome, _ = good

    assert (record.status, record.reason, outcome.exit_code) == ("ok", "", 0)
    warm, threads = record.repeats
    assert (warm.kind, warm.status) == ("warm", "skipped")
    assert "no compile cache" in warm.reason
    assert (threads.kind, threads.status, threads.threads) == ("threads", "ok", 2)
    assert threads.first_step_ns
    assert record.accuracy is not None
    assert threads.fingerprint == record.accuracy.fingerprint == record.accuracy.fingerprint_after
    assert record.phases is not None
    assert record.phases.repeats_ns > 0
    assert 0.5 < record.phases.total_ns() / record.wall_ns <= 1.02
    assert outcome.phase == REPEATS


def test_a_turn_that_asks_for_none_has_none(tmp_path: Path) -> None:
    record, _ = replicate(tmp_path / "turn", numpy_turn())

    assert record.status == "ok"
    assert record.repeats == ()


def test_a_replicate_that_gave_nothing_is_not_repeated(tmp_path: Path) -> None:
    without_model = factories.cell(framework="onnxruntime", mode="from-torch")
    broken = turn(cell=without_model, settings=SETTINGS, repeats=BOTH)

    record, _ = replicate(tmp_path / "turn", broken)

    assert record.status == "failed"
    assert record.repeats == ()


@pytest.mark.parametrize("ending", ["kill -SEGV $$", "exit 3"])
def test_a_repeat_that_dies_leaves_the_replicate_as_it_was(
    good: tuple[Record, Outcome, Path], tmp_path: Path, ending: str
) -> None:
    before, _, left = good
    of = numpy_turn(repeats=BOTH)
    folder = tmp_path / "turn"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncp {left}/record.json "$4/record.json"; echo {REPEATS} >"$4/phase"; {ending}\n')
    python.chmod(0o755)

    record = turns.to_record(of, supervise(of, folder, python=str(python)))

    assert record.status == "ok"
    assert record.timing == before.timing


def test_a_repeat_that_never_ends_leaves_the_replicate_as_it_was() -> None:
    written = factories.record()
    outcome = Outcome(
        started_unix_ns=1, wall_ns=2, exit_code=None, signal="SIGKILL", timed_out=True, phase=REPEATS,
        record=to_json(written),
    )  # fmt: skip

    record = turns.to_record(turn(cell=written.cell), outcome)

    assert (record.status, record.timing) == ("ok", written.timing)
