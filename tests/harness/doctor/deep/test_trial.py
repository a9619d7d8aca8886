"""Cells tried one after the other: a budget, a limit for each, and what was tried is kept whatever ends it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.records.codec import to_json
from bench.records.record import Cell
from bench.turns.turn import Outcome, Settings, Turn
from harness.doctor.deep import cells
from harness.doctor.deep.budget import Budget
from harness.doctor.deep.trial import INTERRUPTED, OUT_OF_TIME, STOPPED, Lines, Trial, Tried, result_of
from harness.errors import SetupError
from harness.run.active import ActiveRun
from harness.samplers.observer import Observer
from harness.store.folder import create
from tests import factories
from tests.fakes import FakeLauncher

EAGER, COMPILE = factories.cell(), factories.cell(mode="compile")
JIT = factories.cell(framework="jax", mode="jit")
ALL = (EAGER, JIT, COMPILE)


class Seconds:
    """A clock that a cell moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def good(turn: Turn, seconds: float = 5.0) -> Outcome:
    record = factories.record(turn.cell, block=turn.block, position=turn.position)
    return Outcome(started_unix_ns=1, wall_ns=round(seconds * 1e9), exit_code=0, record=to_json(record))


def bad(turn: Turn, phase: str = "import") -> Outcome:
    failure = factories.failure(phase=phase)
    record = factories.record(
        turn.cell, block=turn.block, position=turn.position, status="failed", reason="it broke", failure=failure
    )
    return Outcome(started_unix_ns=1, wall_ns=10**9, exit_code=1, record=to_json(record))


class Session:
    """A trial of cells whose every turn `answer` answers, on a clock of its own."""

    def __init__(
        self, tmp_path: Path, answer: Callable[[Turn], Outcome], *, of: tuple[Cell, ...] = ALL, seconds: float = 180.0
    ) -> None:
        self.clock = Seconds()
        self.lines: list[str] = []
        plan = cells.plan(of)
        exported = replace(factories.framework("onnxruntime", ("from-torch",)).modes[0], source="torch")
        runs = factories.framework("onnxruntime", modes=(), baseline="")
        offers = (factories.framework(), factories.framework("jax", ("jit",)), replace(runs, modes=(exported,)))
        facts = factories.run_facts(cpus=(), frameworks=offers)
        settings = Settings(rounds=3, warmup_floor_ns=0, warmup_cap_ns=1)
        run = ActiveRun(folder=create(tmp_path, "doctor"), plan=plan, facts=facts, settings=settings)
        self.launcher = FakeLauncher(answer)
        budget = Budget(seconds, self.clock)
        self.trial = Trial(
            run,
            self.launcher,
            {},
            budget,
            observer=Observer(device="cpu", gpu="", say=self.lines.append),
            show=Lines(self.lines.append, plan.replicates, budget),
        )

    def all(self) -> Tried:
        self.trial.all()
        return self.trial.tried


def test_every_cell_is_run_by_the_launcher_and_said_with_the_time_that_is_left(tmp_path: Path) -> None:
    session = Session(tmp_path, good)
    tried = session.all()
    assert list(tried.records) == list(ALL)
    assert [turn.cell for turn in session.launcher.turns] == list(ALL)
    assert session.lines == [
        "[1/3] torch eager works (5.0 s; at most 3 min left)",
        "[2/3] jax jit works (5.0 s; at most 3 min left)",
        "[3/3] torch compile works (5.0 s; at most 3 min left)",
    ]


def test_a_framework_that_does_not_import_is_not_tried_again(tmp_path: Path) -> None:
    tried = Session(tmp_path, lambda turn: bad(turn) if turn.cell.framework == "torch" else good(turn)).all()
    assert {cell: result_of(record) for cell, record in tried.records.items()} == {EAGER: "fails", JIT: "works"}
    assert tried.untried == {COMPILE: "see torch eager"}


def test_a_mode_that_fails_says_nothing_of_the_others(tmp_path: Path) -> None:
    tried = Session(tmp_path, lambda turn: bad(turn, "first_step")).all()
    assert list(map(result_of, tried.records.values())) == ["fails"] * 3


def test_what_does_not_fit_into_the_time_is_not_tried_and_what_is_quick_still_is(tmp_path: Path) -> None:
    session: Session

    def answer(turn: Turn) -> Outcome:
        seconds = 3.0 if turn.cell.framework == "jax" else 9.0
        session.clock.now += seconds
        return good(turn, seconds)

    second = factories.cell(framework="jax", mode="jit-donate")
    session = Session(tmp_path, answer, of=(EAGER, JIT, COMPILE, second), seconds=16.0)
    tried = session.all()
    assert list(tried.records) == [EAGER, JIT, second]
    assert tried.untried == {COMPILE: OUT_OF_TIME}


def test_a_cell_may_take_a_minute_and_one_of_few_its_share_of_what_is_left(tmp_path: Path) -> None:
    limits: list[float] = []

    def answer(turn: Turn) -> Outcome:
        limits.append(turn.timeout_s)
        return good(turn)

    Session(tmp_path / "a", answer).all()
    Session(tmp_path / "b", answer, of=(COMPILE,)).all()
    assert limits == [60, 90, 180, 180]


@pytest.mark.parametrize(("left", "is_tried"), [(70.0, True), (30.0, False)])
def test_a_time_limit_that_was_cut_short_says_nothing_of_a_cell(tmp_path: Path, left: float, is_tried: bool) -> None:
    slow = Outcome(started_unix_ns=1, wall_ns=10**9, exit_code=None, timed_out=True, phase="first_step")
    tried = Session(tmp_path, lambda turn: slow, of=(COMPILE,), seconds=left).all()
    assert (COMPILE in tried.records, COMPILE in tried.untried) == (is_tried, not is_tried)


def test_an_export_that_was_cut_short_says_nothing_of_the_cell_that_needs_it(tmp_path: Path) -> None:
    runs = factories.cell(framework="onnxruntime", mode="from-torch")
    slow = Outcome(started_unix_ns=1, wall_ns=10**9, exit_code=None, timed_out=True, phase="import")
    session = Session(tmp_path, lambda turn: slow, of=(runs,), seconds=30.0)
    tried = session.all()
    assert [turn.cell.track for turn in session.launcher.turns] == ["export"]
    assert (tried.records, tried.untried) == ({}, {runs: OUT_OF_TIME})
    assert [record.cell.track for record in tried.others] == ["export"]


@pytest.mark.parametrize(("error", "why"), [(KeyboardInterrupt(), INTERRUPTED), (SetupError("no engine"), STOPPED)])
def test_what_was_tried_is_kept_when_it_ends_early(tmp_path: Path, error: BaseException, why: str) -> None:
    def answer(turn: Turn) -> Outcome:
        if turn.cell == JIT:
            raise error
        return good(turn)

    tried = Session(tmp_path, answer).all()
    assert list(tried.records) == [EAGER]
    assert tried.untried == {JIT: why, COMPILE: why}
    assert tried.interrupted == (why == INTERRUPTED)
    assert bool(tried.stopped) == (why == STOPPED)


def test_a_cell_can_be_run_once_more(tmp_path: Path) -> None:
    session = Session(tmp_path, good)
    tried = session.all()
    session.trial.then(lambda once_more: None if once_more(JIT) else pytest.fail("it was not run"))
    assert session.launcher.turns[-1].cell == JIT
    assert [(record.cell, record.block) for record in tried.others] == [(JIT, 2)]
    assert len(tried.records) == 3
