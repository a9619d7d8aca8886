"""One cell under two labels: which, and what it says of a session."""

import dataclasses

import pytest

from bench.catalogue import ModeOffer
from bench.records.record import Cell, Record
from harness.plan.companions import with_control
from harness.plan.plan import make_plan
from harness.stats import estimate
from harness.validity import noise_floor
from tests.factories import cell, framework, record, run

MODES = (
    ModeOffer(name="eager", sentence="", baseline="eager"),
    ModeOffer(name="compile", sentence="", baseline="eager"),
)
TORCH = dataclasses.replace(framework("torch", limits="torch"), modes=MODES)
LIGHTNING = dataclasses.replace(framework("lightning", limits="torch"), modes=MODES)
INFERENCE = framework("onnxruntime", modes=())
INFERENCE = dataclasses.replace(INFERENCE, modes=(ModeOffer(name="from-torch", sentence="", source="torch"),))
OFFERS = (LIGHTNING, INFERENCE, TORCH)

COMPILE, EAGER = cell(mode="compile"), cell()


def twins(*cells: Cell, blocks: int = 3) -> tuple[Cell, ...]:
    return tuple(one for one in with_control(cells, OFFERS, blocks) if one.track == "twin")


class TestWhich:
    def test_the_first_of_a_library_itself_that_compares_with_another_mode(self) -> None:
        layer = cell(framework="lightning", mode="compile")
        sgd = cell(mode="compile", optimizer="sgd")
        assert twins(layer, EAGER, COMPILE, sgd) == (dataclasses.replace(COMPILE, track="twin"),)

    def test_else_the_first_that_trains(self) -> None:
        hello = cell(mode="hello", track="idiomatic")
        inference = cell(framework="onnxruntime", mode="from-torch")
        forward = cell(optimizer="none")
        layer = cell(framework="lightning")
        assert twins(hello, inference, forward, layer) == (dataclasses.replace(layer, track="twin"),)
        assert twins(hello, inference, forward) == ()

    def test_none_with_one_block(self) -> None:
        assert twins(COMPILE, blocks=1) == ()

    def test_it_stands_in_every_block_as_a_cell_of_its_own(self) -> None:
        plan = make_plan(with_control((EAGER, COMPILE), OFFERS, 3), blocks=3, seed=1)
        places = [place for place in plan.in_order() if place.cell.track == "twin"]
        assert [place.block for place in places] == [1, 2, 3]
        assert {place.cell.id for place in places} == {f"{COMPILE.id}/twin"}
        assert str(plan) == "2 cells × 3 blocks + 3 turns for A/A control = 9 replicates, seed 1"


def session(*ratios: float, of: Cell = EAGER) -> list[Record]:
    both: list[Record] = []
    for block, ratio in enumerate(ratios, start=1):
        both.append(record(of, block=block, round_ns=(100_000 * block,) * 3))
        label = dataclasses.replace(of, track="twin")
        both.append(record(label, block=block, round_ns=(round(100_000 * block * ratio),) * 3))
    return both


def floor(*ratios: float) -> noise_floor.NoiseFloor:
    found = noise_floor.floor(run(session(*ratios)))
    assert found is not None
    return found


class TestFloor:
    def test_is_the_half_width_of_the_ratio_paired_by_block(self) -> None:
        ratios = [1.03, 0.97, 1.02, 0.98, 1.01, 0.99]
        assert floor(*ratios).value == pytest.approx(estimate.estimate(ratios).half_width, rel=1e-4)
        assert floor(*ratios).count == 6

    @pytest.mark.parametrize("ratio", [1.05, 1 / 1.05])
    def test_or_its_distance_from_1_where_that_is_larger(self, ratio: float) -> None:
        assert floor(*[ratio] * 6).value == pytest.approx(0.05, rel=1e-3)

    def test_or_1_percent(self) -> None:
        assert floor(*[1.0] * 6).value == 0.01

    def test_without_a_pair_is_1_percent_and_without_a_twin_there_is_none(self) -> None:
        lost = record(dataclasses.replace(EAGER, track="twin"), status="failed", reason="it broke")
        found = noise_floor.floor(run([record(EAGER), lost]))
        assert found is not None
        assert (found.pair, found.value) == (None, 0.01)
        assert noise_floor.floor(run([record(EAGER)])) is None
