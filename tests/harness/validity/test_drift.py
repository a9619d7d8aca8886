"""The sentinel: where it stands, what it measures, and the drift between two of them."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench.interface import Framework, Probes, Task
from bench.records.record import Limit, Record
from bench.tracks import drift_probe as probing
from harness.host import processors
from harness.plan.companions import with_drift_probe
from harness.plan.plan import make_plan
from harness.validity import drift
from harness.validity.drift import Drift, DriftProbe
from harness.validity.roofline import MachineLimits
from tests.factories import cell, framework, record
from tests.fakes import FakeClock, FakeFramework

OFFERS = (framework("jax", limits="jax"), framework("numpy", limits="numpy"), framework("torch", limits="torch"))
EMPTY = {"mode": "sentinel", "workload": "", "optimizer": "", "size": "", "precision": "", "track": "sentinel"}
CELLS = (cell(framework="jax", mode="jit"), cell(), cell(framework="numpy"))
NUMPYS = functools.partial(DriftProbe, library="numpy", device="cpu")
LAUNCH = NUMPYS(kind="launch", precision="", size=1)
PRODUCT = NUMPYS(kind="matmul", precision="float32", size=512)


class TestWhere:
    def test_numpy_watches_a_processor_and_pytorch_a_gpu(self) -> None:
        assert with_drift_probe(CELLS, OFFERS, 3)[3:] == (cell(framework="numpy", **EMPTY),)
        on_gpu = tuple(dataclasses.replace(one, device="cuda") for one in CELLS)
        assert with_drift_probe(on_gpu, OFFERS, 3)[3:] == (cell(framework="torch", device="cuda", **EMPTY),)

    def test_else_the_first_framework_that_has_probes(self) -> None:
        assert with_drift_probe(CELLS[:2], OFFERS, 3)[2:] == (cell(framework="jax", **EMPTY),)

    def test_where_no_framework_has_probes_it_is_numpys_in_that_environment_and_none_on_a_gpu(self) -> None:
        alone = cell(framework="onnxruntime")
        assert with_drift_probe((alone,), OFFERS, 3)[1:] == (cell(framework="onnxruntime", **EMPTY),)
        assert with_drift_probe((dataclasses.replace(alone, device="cuda"),), OFFERS, 3)[1:] == ()
        assert with_drift_probe((), OFFERS, 3) == ()

    def test_none_with_one_block(self) -> None:
        assert with_drift_probe(CELLS, OFFERS, 1) == CELLS

    def test_one_opens_each_block_and_one_closes_the_last(self) -> None:
        plan = make_plan(with_drift_probe(CELLS, OFFERS, 3), blocks=3, seed=1)
        tracks = [(place.block, place.cell.track) for place in plan.in_order()]
        assert [at for at, (_, track) in enumerate(tracks) if track == "sentinel"] == [0, 4, 8, 12]
        assert tracks[-1] == (4, "sentinel")
        assert [place.position for place in plan.in_order()] == list(range(1, 14))
        assert str(plan) == "3 cells × 3 blocks + 4 turns for drift probes = 13 replicates, seed 1"

    def test_the_order_of_the_cells_is_as_without_it(self) -> None:
        with_it = make_plan(with_drift_probe(CELLS, OFFERS, 3), blocks=3, seed=42)
        cells = [place.cell for place in with_it.in_order() if place.cell.track == "identical"]
        assert cells == [place.cell for place in make_plan(CELLS, blocks=3, seed=42).in_order()]


def offered(clock: FakeClock, trail: list[str]) -> Probes:
    def task(name: str, ns: int, work: int) -> Task:
        def call() -> None:
            trail.append(name)
            clock.spend(ns)

        return Task(call, work)

    return Probes(
        matmul=lambda n, precision: task(f"matmul {n}", 1_500_000, 2 * n**3) if precision == "float32" else None,
        triad=lambda size: task(f"triad {size}", 2_000_000, size),
        launch=task("launch", 250_000, 1),
    )


class TestProbes:
    def test_take_turns_so_that_a_slow_second_meets_all_alike(self) -> None:
        clock, trail = FakeClock(), list[str]()
        library = cast(Framework, FakeFramework(clock))
        found = list(probing.measure(library, offered(clock, trail), "cpu", clock))
        assert [(one.kind, one.size) for one in found] == [
            ("launch", 1), ("triad", 64 << 10), ("triad", 32 << 20), ("matmul", 512),
        ]  # fmt: skip
        assert len({len(one.round_ns) for one in found}) == 1
        turn = ["launch"] * 4 + ["triad 65536", "triad 33554432", "matmul 512"]
        assert trail[-3 * len(turn) :] == turn * 3
        assert found[0].work == 4
        assert set(found[3].round_ns) == {1_500_000}

    def test_spend_little_more_than_a_second(self) -> None:
        clock, trail = FakeClock(), list[str]()
        list(probing.measure(cast(Framework, FakeFramework(clock)), offered(clock, trail), "cpu", clock))
        assert 1.2e9 <= clock.now_ns <= 1.3e9


def sentinels(*figures: Sequence[int], **changes: Any) -> list[Record]:
    """One sentinel before each block: medians of its launch (and of its product) in ns."""
    made = []
    for block, (launch, *product) in enumerate(figures, start=1):
        limits = [Limit(kind="launch", precision="", size=1, work=10, round_ns=(launch - 9, launch, 90 * launch))]
        limits += [Limit(kind="matmul", precision="float32", size=512, work=10, round_ns=(one,) * 3) for one in product]
        turn = cell(framework="numpy", **EMPTY)
        made.append(record(turn, block=block, timing=None, limits=tuple(limits), **changes))
    return made


class TestDrift:
    def test_is_the_change_of_the_median_round_from_before_a_block_to_after_it(self) -> None:
        found = drift.drifts(sentinels((100, 500), (103, 450), (103, 450)), OFFERS)
        assert list(found) == [1, 2]
        assert dict(found[1].changes) == {LAUNCH: pytest.approx(0.03), PRODUCT: pytest.approx(-0.1)}
        assert found[1].largest[0] == PRODUCT
        assert dict(found[2].changes) == {LAUNCH: 0.0, PRODUCT: 0.0}

    def test_is_unknown_where_a_sentinel_is_lost(self) -> None:
        first, lost, *rest = sentinels((100,), (100,), (100,), (110,))
        lost = record(lost.cell, block=2, status="failed", reason="it broke")
        assert list(drift.drifts([first, lost, *rest], OFFERS)) == [3]

    def test_is_of_one_library_on_one_device(self) -> None:
        """The same operation of another library, or on another device, says nothing of the machine."""
        numpy, jax = sentinels((100, 500), (200, 900))
        jax = dataclasses.replace(jax, cell=dataclasses.replace(jax.cell, framework="jax"))
        assert drift.drifts([numpy, jax], OFFERS) == {}
        elsewhere = dataclasses.replace(numpy, block=2, cell=dataclasses.replace(numpy.cell, device="cuda"))
        assert drift.drifts([numpy, elsewhere], OFFERS) == {}

    def test_a_framework_without_probes_has_numpys(self) -> None:
        numpy, alone = sentinels((100, 500), (103, 500))
        alone = dataclasses.replace(alone, cell=dataclasses.replace(alone.cell, framework="mine"))
        found = drift.drifts([numpy, alone], (*OFFERS, framework("mine")))
        assert found[1].largest[0] == LAUNCH
        assert found[1].largest[1] == pytest.approx(0.03)

    def test_its_rounds_are_no_limits_of_the_machine(self) -> None:
        assert MachineLimits(sentinels((100, 500)), OFFERS).best == ()

    def test_of_no_sentinels_is_nothing(self) -> None:
        assert drift.drifts([record()], OFFERS) == {}

    @pytest.mark.parametrize(
        ("probe", "change", "device", "isolated", "said"),
        [
            (PRODUCT, 0.019, "cuda", False, ""),
            (PRODUCT, 0.021, "cuda", False, "invalid"),
            (PRODUCT, -0.021, "cuda", False, "invalid"),
            (LAUNCH, 0.5, "cuda", False, "warn"),
            (PRODUCT, 0.021, "cpu", False, "warn"),
            (LAUNCH, 0.021, "cpu", True, "invalid"),
        ],
    )
    def test_makes_a_block_invalid_where_the_machine_is_the_run_s_alone(
        self, probe: DriftProbe, change: float, device: str, isolated: bool, said: str
    ) -> None:
        assert drift.severity_of(Drift(((probe, change),)), device, isolated=isolated) == said


@pytest.mark.parametrize(
    ("listed", "cpus", "expected"),
    [("1-3,6\n", (2, 6), True), ("1-3\n", (0, 2), False), ("\n", (1,), False), ("5\n", (5,), True)],
)
def test_isolated_processors_are_those_that_the_kernel_lists(
    tmp_path: Path, listed: str, cpus: tuple[int, ...], expected: bool
) -> None:
    (tmp_path / "isolated").write_text(listed)
    assert processors.isolated(cpus, tmp_path / "isolated") is expected
    assert processors.isolated(cpus, tmp_path / "none") is False
