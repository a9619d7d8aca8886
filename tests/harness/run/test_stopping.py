"""When a run has enough blocks, and the reason that it gives for its end."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.records.codec import to_json
from bench.records.record import Cell, Record
from bench.turns.turn import Outcome, Turn
from harness.plan.plan import Plan, make_plan
from harness.run.active import ActiveRun
from harness.run.loop import Lane, execute
from harness.run.stopping import imprecise, noted
from harness.store.folder import create
from tests import factories
from tests.factories import cell, record
from tests.fakes import FakeLauncher
from tests.harness.run.test_loop import SETTINGS, Quiet

CELLS = (cell(), cell(mode="compile"))
DRIFT_PROBE = cell(mode="sentinel", workload="", optimizer="", size="", precision="", track="sentinel")
PLAN = make_plan((*CELLS, DRIFT_PROBE), blocks=20, seed=1, interim_analyses=(10, 15))
QUIET, NOISY = 0.01, 0.10  # half the difference between replicates in odd and in even blocks


def start(tmp_path: Path, plan: Plan = PLAN, until: int | None = None) -> ActiveRun:
    folder = create(tmp_path, "run")
    return ActiveRun(folder=folder, plan=plan, facts=factories.run_facts(cpus=()), settings=SETTINGS, until=until)


def answering(noise: dict[str, float], quiet_after: int = 20) -> FakeLauncher:
    """A launcher whose replicates of each mode scatter as `noise` says, and not at all after a block."""

    def answer(turn: Turn) -> Outcome:
        off = noise.get(turn.cell.mode, 0.0) if turn.block <= quiet_after else 0.0
        step = round(100_000 * (1 + (off if turn.block % 2 else -off)))
        written = record(turn.cell, block=turn.block, position=turn.position, round_ns=(step,) * 3)
        return Outcome(started_unix_ns=1, wall_ns=1, exit_code=0, record=to_json(written))

    return FakeLauncher(answer)


def blocks(launcher: FakeLauncher, of: Cell) -> list[int]:
    return [turn.block for turn in launcher.turns if turn.cell == of]


def test_a_run_ends_at_the_first_interim_analysis_when_every_interval_is_narrow(tmp_path: Path) -> None:
    run, launcher = start(tmp_path), answering({"eager": QUIET, "compile": QUIET})
    execute([Lane(run=run, launcher=launcher)], Quiet())
    assert blocks(launcher, CELLS[0]) == list(range(1, 11))
    assert launcher.turns[-1].cell == DRIFT_PROBE, "the drift probe after the last block was left out"
    assert blocks(launcher, DRIFT_PROBE) == list(range(1, 12))


def test_it_goes_on_to_the_next_interim_analysis_while_one_is_wide(tmp_path: Path) -> None:
    run, launcher = start(tmp_path), answering({"eager": QUIET, "compile": 0.0275})
    execute([Lane(run=run, launcher=launcher)], Quiet())
    assert blocks(launcher, CELLS[0]) == list(range(1, 16))


def test_at_the_cap_it_ends_and_says_what_is_imprecise(tmp_path: Path) -> None:
    run, launcher = start(tmp_path), answering({"eager": QUIET, "compile": NOISY})
    execute([Lane(run=run, launcher=launcher)], Quiet())
    records = run.folder.records()
    assert blocks(launcher, CELLS[0]) == list(range(1, 21))
    assert imprecise(records) == (CELLS[1],)
    facts = noted(run.facts, PLAN, records, until=None)
    assert (facts.blocks_run, facts.ended) == (20, "all 20 blocks were run, one cell is not as precise as ±2 %")


def test_a_run_that_ended_is_not_gone_on_with_unless_asked(tmp_path: Path) -> None:
    run = start(tmp_path)
    execute([Lane(run=run, launcher=answering({"eager": QUIET}))], Quiet())
    again = answering({"eager": NOISY})
    execute([Lane(run=run, launcher=again)], Quiet())
    assert again.turns == []

    execute([Lane(run=dataclasses.replace(run, until=12), launcher=again)], Quiet())
    assert blocks(again, CELLS[0]) == [11, 12]
    facts = noted(run.facts, PLAN, run.folder.records(), until=12)
    assert (facts.blocks_run, facts.ended) == (12, "12 blocks were asked for")
    assert (
        noted(run.facts, PLAN, run.folder.records(), until=None).ended
        == "every interval was within ±2 % after block 10"
    )


def test_a_run_interrupted_across_an_interim_analysis_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    run, calm = start(tmp_path), answering({"eager": QUIET, "compile": 0.0275})

    def interrupt(turn: Turn) -> Outcome:
        if turn.block == 12:
            raise KeyboardInterrupt
        return calm.answer(turn)

    with pytest.raises(KeyboardInterrupt):
        execute([Lane(run=run, launcher=FakeLauncher(interrupt))], Quiet())
    facts = noted(run.facts, PLAN, run.folder.records(), until=None)
    assert (facts.blocks_run, facts.ended) == (11, "")
    execute([Lane(run=run, launcher=calm)], Quiet())
    assert max(blocks(calm, CELLS[0])) == 15


def test_without_interim_analyses_every_block_is_run(tmp_path: Path) -> None:
    plan = make_plan(CELLS, blocks=12, seed=1)
    run, launcher = start(tmp_path, plan), answering({})
    execute([Lane(run=run, launcher=launcher)], Quiet())
    assert blocks(launcher, CELLS[0]) == list(range(1, 13))
    assert noted(run.facts, plan, run.folder.records(), until=None).ended == "all 12 blocks were run"


def test_one_block_is_said_in_the_singular(tmp_path: Path) -> None:
    plan = make_plan(CELLS, blocks=1, seed=1)
    run, launcher = start(tmp_path, plan), answering({})
    execute([Lane(run=run, launcher=launcher)], Quiet())
    assert noted(run.facts, plan, run.folder.records(), until=None).ended == "its one block was run"


def replicates(of: Cell, steps: Sequence[int], **changes: object) -> list[Record]:
    return [record(of, block=at, round_ns=(step,) * 3, **changes) for at, step in enumerate(steps, start=1)]


WIDE = (100_000, 120_000) * 5


def test_only_cells_that_have_a_time_in_every_replicate_are_waited_for() -> None:
    wide = replicates(cell(), WIDE)
    assert imprecise(wide) == (cell(),)
    assert imprecise([*wide[:-1], record(cell(), block=10, status="failed", reason="it broke")]) == ()
    assert imprecise(replicates(cell(track="twin"), WIDE)) == ()
    assert imprecise(wide[:1]) == ()


def test_a_trainer_s_step_is_not_waited_for() -> None:
    fits = [
        dataclasses.replace(one, timing=dataclasses.replace(one.timing, double_round_ns=(3 * step,) * 3))
        for one, step in zip(replicates(cell(), WIDE), WIDE, strict=True)
        if one.timing
    ]
    assert imprecise(fits) == ()


def test_a_gpu_has_to_be_twice_as_precise() -> None:
    steps = (100_000, 103_000) * 5
    assert imprecise(replicates(cell(), steps)) == ()
    assert imprecise(replicates(cell(device="cuda"), steps)) == (cell(device="cuda"),)


def took_turns(records: Sequence[Record]) -> list[Record]:
    """The same replicates, measured in slices of one round, in which odd members follow even ones."""
    return [
        dataclasses.replace(
            one,
            timing=dataclasses.replace(
                one.timing,
                round_ns=one.timing.round_ns * 4,
                round_begin_ns=tuple(range(0, 12_000, 1000))
                if one.cell.mode == "eager"
                else tuple(range(500, 12_500, 1000)),
                slice_rounds=(1,) * 12,
            ),
        )
        for one in records
        if one.timing
    ]


def test_processes_that_took_turns_are_judged_by_their_ratio_to_the_baseline() -> None:
    """Both steps double from block to block, as a busy machine makes them; their ratio does not change."""
    together = [*replicates(cell(), WIDE), *replicates(cell(mode="compile"), [2 * step for step in WIDE])]
    facts = factories.run_facts()
    assert len(imprecise(together, facts=facts)) == 2
    assert imprecise(took_turns(together), facts=facts) == ()

    apart = [*replicates(cell(), WIDE), *replicates(cell(mode="compile"), WIDE[::-1])]
    assert imprecise(took_turns(apart), facts=facts) == (cell(mode="compile"),), "a baseline is not judged by itself"


def test_a_run_that_compares_nothing_is_judged_by_its_steps() -> None:
    alone = took_turns(replicates(cell(), WIDE))
    assert imprecise(alone, facts=factories.run_facts()) == (cell(),)
