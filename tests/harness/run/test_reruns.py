"""An invalid replicate is run once more at the end of its block; both are kept, the plan's count stays."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.records.codec import from_json, to_json
from bench.records.record import Cell, Record
from bench.turns.turn import Outcome, Settings, Turn
from harness.plan.plan import make_plan
from harness.run.active import ActiveRun
from harness.run.loop import Lane, bad_cells, execute
from harness.run.progress import PlainProgress
from harness.store.folder import create
from harness.store.resume import require_fit
from harness.validity import results
from tests import factories
from tests.fakes import FakeLauncher

EAGER, COMPILE, JIT = factories.cell(), factories.cell(mode="compile"), factories.cell(framework="jax", mode="jit")
CELLS = (EAGER, COMPILE, JIT)
Wrong = Callable[[Cell, int, int], bool]  # cell, block, which time it is run


def start(tmp_path: Path, name: str = "run", blocks: int = 3) -> ActiveRun:
    run = ActiveRun(
        folder=create(tmp_path, name),
        plan=make_plan(CELLS, blocks=blocks, seed=42),
        facts=factories.run_facts(
            cpus=(), blocks=blocks, frameworks=(factories.framework(), factories.framework("jax", modes=("jit",)))
        ),
        settings=Settings(rounds=5, warmup_floor_ns=0, warmup_cap_ns=1),
    )
    run.folder.write_plan(run.plan)
    run.folder.write_facts(run.facts)
    return run


def launcher(wrong: Wrong, *, raw: bool = True) -> FakeLauncher:
    """Gives good replicates, but for those that are `wrong`: invalid by themselves, or (not `raw`) timed as zero."""
    times: Counter[tuple[Cell, int]] = Counter()

    def answer(turn: Turn) -> Outcome:
        times[turn.cell, turn.block] += 1
        record = factories.record(turn.cell, block=turn.block, position=turn.position)
        if wrong(turn.cell, turn.block, times[turn.cell, turn.block]):
            bad = (
                {"status": "invalid", "reason": "it fell back"} if raw else {"timing": factories.timing(round_ns=(0,))}
            )
            record = dataclasses.replace(record, **bad)
        return Outcome(started_unix_ns=1, wall_ns=2, exit_code=0, record=to_json(record), log="said")

    return FakeLauncher(answer)


def in_block_2(cell: Cell, block: int, time: int) -> bool:
    return (cell, block, time) == (EAGER, 2, 1)


def shown(run: ActiveRun) -> tuple[PlainProgress, list[str]]:
    lines: list[str] = []
    return PlainProgress(run.plan, run.folder.records(), lines.append), lines


@pytest.mark.parametrize("raw", [True, False], ids=["bench says so", "validity says so"])
def test_it_is_run_once_more_at_the_end_of_its_block_and_both_are_kept(tmp_path: Path, raw: bool) -> None:
    run, turns = start(tmp_path), launcher(in_block_2, raw=raw)
    show, lines = shown(run)

    execute([Lane(run=run, launcher=turns)], show)

    records = run.folder.records()
    assert [record.block for record in records] == [1] * 3 + [2] * 4 + [3] * 3
    last = records[6]
    assert (last.cell, last.attempt, last.status) == (EAGER, 2, "ok")
    first, second = (turn for turn in turns.turns if (turn.cell, turn.block) == (EAGER, 2))
    assert first.hash_seed != second.hash_seed
    assert first.position == second.position
    assert sum(line.startswith("Once more, in block 2: torch eager regression adam, ") for line in lines) == 1
    assert lines[-1].startswith("[9/9]")
    logs = {path.name for path in (run.folder.path / "logs").iterdir()}
    assert {f"{last.position:04}-torch-eager.log", f"{last.position:04}-torch-eager-2.log"} <= logs
    found = results.load(run.folder)
    assert (len(found.records), len(found.replaced)) == (9, 1)
    assert bad_cells(found.records) == []


def test_a_cell_that_stays_invalid_is_tried_twice_once_and_then_left(tmp_path: Path) -> None:
    run, turns = start(tmp_path), launcher(lambda cell, block, time: cell == EAGER)

    execute([Lane(run=run, launcher=turns)], shown(run)[0])

    assert [(one.block, one.attempt) for one in run.folder.records() if one.cell == EAGER] == [
        (1, 1), (1, 2), (2, 1), (3, 1),
    ]  # fmt: skip
    assert bad_cells(results.load(run.folder).records) == [EAGER]


def test_an_interruption_before_the_second_attempt_does_not_lose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, turns = start(tmp_path, blocks=2), launcher(in_block_2)
    append = run.folder.append

    def cut_after_six(record: Record) -> None:
        append(record)
        if len(run.folder.records()) == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run.folder, "append", cut_after_six)
        with pytest.raises(KeyboardInterrupt):
            execute([Lane(run=run, launcher=turns)], shown(run)[0])
    again = launcher(lambda cell, block, time: False)

    execute([Lane(run=run, launcher=again)], shown(run)[0])

    assert [(turn.cell, turn.block) for turn in again.turns] == [(EAGER, 2)]
    assert run.folder.records()[-1].attempt == 2
    require_fit("run", plan=run.plan, facts=run.facts, records=run.folder.records(), code=(), cells=None)


def test_a_block_that_was_left_behind_is_not_gone_back_to(tmp_path: Path) -> None:
    run = start(tmp_path)
    plain = [factories.record(cell, block=block) for block in (1, 2) for cell in CELLS]
    for record in plain:
        wrong = (record.cell, record.block) == (EAGER, 1)
        run.folder.append(dataclasses.replace(record, status="invalid", reason="x") if wrong else record)
    turns = launcher(lambda cell, block, time: False)

    execute([Lane(run=run, launcher=turns)], shown(run)[0])

    assert {turn.block for turn in turns.turns} == {3}


def test_runs_side_by_side_keep_in_step_when_one_repeats_a_replicate(tmp_path: Path) -> None:
    taken: list[tuple[str, int, Cell]] = []

    def job(name: str, wrong: Wrong) -> tuple[ActiveRun, FakeLauncher]:
        turns = launcher(wrong)
        answer = turns.answer

        def noted(turn: Turn) -> Outcome:
            taken.append((name, turn.block, turn.cell))
            return answer(turn)

        turns.answer = noted
        return start(tmp_path, name), turns

    jobs = [job("a", in_block_2), job("b", lambda cell, block, time: False)]
    execute([Lane(run=run, launcher=turns) for run, turns in jobs], shown(jobs[0][0])[0])

    assert Counter(name for name, *_ in taken) == {"a": 10, "b": 9}
    first_of_3 = next(at for at, (_, block, _) in enumerate(taken) if block == 3)
    assert all(block == 3 for _, block, _ in taken[first_of_3:])


def test_a_drift_probe_is_not_run_again(tmp_path: Path) -> None:
    probe = factories.cell(mode="sentinel", track="sentinel")
    run = dataclasses.replace(start(tmp_path), plan=make_plan((*CELLS, probe), blocks=2, seed=42))
    turns = launcher(lambda cell, block, time: cell == probe)

    execute([Lane(run=run, launcher=turns)], shown(run)[0])

    assert Counter(turn.cell for turn in turns.turns)[probe] == 3  # one before each block, one after the last


def test_an_interim_analysis_takes_the_records_that_count_and_not_a_replaced_one(tmp_path: Path) -> None:
    run = start(tmp_path)
    run = dataclasses.replace(run, plan=make_plan((EAGER,), blocks=3, seed=42, interim_analyses=(2,)))
    turns = launcher(in_block_2)
    answer = turns.answer

    def imprecise(turn: Turn) -> Outcome:
        outcome = answer(turn)
        slower = from_json(outcome.record)
        if slower.timing:
            timing = dataclasses.replace(slower.timing, round_ns=(100_000 * turn.block,) * 3)
            slower = dataclasses.replace(slower, timing=timing)
        return dataclasses.replace(outcome, record=to_json(slower))

    turns.answer = imprecise

    execute([Lane(run=run, launcher=turns)], shown(run)[0])

    assert [turn.block for turn in turns.turns] == [1, 2, 2, 3]
