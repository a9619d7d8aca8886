"""The ratios of a run whose processes took turns, and what the tables and the comparison make of them."""

import dataclasses
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from bench.catalogue import ModeOffer
from bench.records.record import Record, Timing
from harness.compare.choice import Choice
from harness.compare.compare import compare
from harness.environments.variants import Resolved
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.report.tables.steps import StepRow
from harness.stats import alternation, estimate, flags
from harness.stats.flags import IMPRECISE
from harness.validity import noise_floor
from harness.validity.ratios import Ratios
from harness.validity.results import Run
from tests.factories import cell, framework, ranked, record, run, strategy
from tests.harness.stats.measure_alternation import Session, block
from tests.harness.stats.test_estimate import there

STEPS = {"eager": 1.0, "jit": 0.8, "scan": 0.5, "a": 1.1, "b": 0.9, "c": 1.3}
EAGER, JIT = cell(), cell(mode="jit")
TWIN = cell(track="twin")


def session(blocks: int, *, takes_turns: bool = True, seed: int = 1) -> Run:
    """Six modes and the control on a machine at half speed a third of the time, slower in each second block."""
    rng = np.random.default_rng(seed)
    records: list[Record] = []
    for number in range(1, blocks + 1):
        members = block(
            rng, Session(takes_turns=takes_turns), [{**STEPS, "twin": 1.0}], speed=1.5 if number % 2 else 1.0
        )
        for mode, timed in members.items():
            of = TWIN if mode == "twin" else cell(mode=mode)
            records.append(record(of, block=number, timing=timed))
    offer = dataclasses.replace(
        framework("torch"), modes=tuple(ModeOffer(name=mode, sentence="", baseline="eager") for mode in STEPS)
    )
    return run(records, blocks=blocks, frameworks=(offer,))


def step_row(of: Run, mode: str) -> StepRow:
    return next(row for row in tables(of).steps.rows if row.cell.mode == mode)


def test_a_data_parallel_cell_is_compared_with_one_rank_and_that_with_the_plain_step() -> None:
    torch = framework("torch", strategies=(strategy("ddp", "eager"),))
    plain = cell(workload="mlp", size="S")
    records = [record(plain, round_ns=(100_000,) * 3), ranked(1, step_us=110), ranked(2, step_us=88)]
    records += [ranked(2, "weak", step_us=121), ranked(1, step_us=100, of={"mode": "unheard-of"})]
    found = Ratios(run(records, frameworks=(torch,)))
    assert found.to_baseline(records[1].cell) == {1: pytest.approx(1.1)}
    assert found.to_baseline(records[2].cell) == {1: pytest.approx(0.8)}
    assert found.to_baseline(records[3].cell) == {1: pytest.approx(1.1)}
    assert found.to_baseline(records[4].cell) == {}


def varied(blocks: int, *, takes_turns: bool = True) -> Run:
    """One mode without a baseline, as locked and in two variants, the second of them a tenth slower."""
    steps = {"": 1.0, "2.8": 1.0, "2.9": 1.1}
    rng = np.random.default_rng(2)
    timed = [block(rng, Session(takes_turns=takes_turns), [steps]) for _ in range(blocks)]
    records = [
        record(cell(variant=name), block=number, timing=timing)
        for number, members in enumerate(timed, 1)
        for name, timing in members.items()
    ]
    named = [Resolved(framework="torch", name=name, python="3.11", lock="a", sha256="") for name in ("2.8", "2.9")]
    return run(records, blocks=blocks, frameworks=(framework("torch", ("eager",)),), variants=tuple(named))


def test_a_variant_is_compared_with_the_reference_and_has_to_be_as_precise_as_a_run_needs() -> None:
    newest = cell(variant="2.9")
    ratios = Ratios(varied(20))
    by_block = ratios.to_reference(newest)
    assert by_block.keys() == set(range(1, 21))
    assert np.mean([*by_block.values()]) == pytest.approx(1.1, rel=0.02)
    assert ratios.to_reference(EAGER) == {}
    assert (ratios.is_narrow(EAGER), ratios.is_narrow(newest)) == (True, True)
    few = Ratios(varied(2))
    pair = few.pair(few.to_reference(newest))
    assert pair
    assert few.is_narrow(newest) is flags.is_precise(pair.ratio, "cpu")
    assert Ratios(varied(6, takes_turns=False)).is_narrow(newest) is None


class TestRatios:
    def test_by_block_are_those_of_the_slices(self) -> None:
        shown = session(3)
        found = Ratios(shown).by_block(JIT, EAGER)
        for number, ratio in found.items():
            a, b = (
                next(one.timing for one in shown.records if (one.cell, one.block) == (of, number))
                for of in (JIT, EAGER)
            )
            assert ratio == alternation.ratio(there(a), there(b))
        assert found.keys() == {1, 2, 3}
        assert Ratios(shown).by_block(JIT, EAGER, blocks=[2]).keys() == {2}

    def test_a_baseline_has_no_ratio_to_itself(self) -> None:
        ratios = Ratios(session(2))
        assert ratios.to_baseline(EAGER) == {}
        assert ratios.to_baseline(JIT).keys() == {1, 2}

    def test_two_blocks_are_moderated_six_are_not_nor_are_runs_without_turns(self) -> None:
        assert Ratios(session(2)).is_moderated(2)
        assert not Ratios(session(6)).is_moderated(6)
        assert not Ratios(session(2, takes_turns=False)).is_moderated(2)


class TestReport:
    def test_makes_each_ratio_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tables, noise floor and summary ask for the same ones; with many cells that is most of a report's time."""
        made: Counter[tuple[int, int]] = Counter()
        ratio = alternation.ratio

        def counted(a: Timing, b: Timing, others: Iterable[Timing] = ()) -> float | None:
            made[id(a), id(b)] += 1
            return ratio(a, b, others)

        monkeypatch.setattr(alternation, "ratio", counted)
        shown = session(3)
        summary(shown, tables(shown))
        assert set(made.values()) == {1}

    def test_the_speed_up_is_known_in_two_blocks_on_a_machine_at_half_speed(self) -> None:
        row = step_row(session(2), "scan")
        interval = there(there(row.speedup).interval)
        assert interval.holds(2.0)
        assert interval.high / interval.low < 1.25
        assert row.is_moderated
        assert row.verdict is None

    def test_without_turns_it_is_not(self) -> None:
        interval = there(there(step_row(session(2, takes_turns=False), "scan").speedup).interval)
        assert interval.is_wide

    def test_six_blocks_give_a_verdict_and_no_flag_for_the_noise_of_the_machine(self) -> None:
        shown = session(6)
        row = step_row(shown, "jit")
        assert row.verdict == "faster"
        assert there(there(row.step_ns).half_width) > 0.05
        assert IMPRECISE not in step_row(shown, "eager").flags
        narrow = there(there(row.speedup).half_width) <= 0.02
        assert (IMPRECISE not in row.flags) == narrow

    def test_the_floor_is_that_of_slices(self) -> None:
        assert noise_floor.floor_of(session(6)) < 0.05
        assert noise_floor.floor_of(session(6, takes_turns=False)) > 0.05

    def test_a_comparison_within_the_run_uses_slices_and_side_by_side_quotients(self) -> None:
        shown = session(6)
        chosen = Choice(fields={"mode": ("eager",)}), Choice(fields={"mode": ("jit",)})
        (within,) = compare(shown, shown, chosen).cells
        ratios = Ratios(shown).by_block(JIT, EAGER)
        assert within.step == estimate.estimate(list(ratios.values()))
        assert there(within.step.half_width) < 0.04
        (beside,) = compare(shown, dataclasses.replace(shown), chosen).cells
        assert beside.step != within.step
        assert beside.step.value == pytest.approx(
            estimate.estimate(
                [step_row(shown, "jit").steps_ns[at] / step_row(shown, "eager").steps_ns[at] for at in range(1, 7)]
            ).value
        )
