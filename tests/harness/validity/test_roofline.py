"""Limits: measured in short rounds, held against cells of the right size and precision, and never exceeded."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bench.catalogue import FrameworkOffer, ModeOffer, SizeOffer, WorkloadOffer
from bench.interface import Probes, Task
from bench.records.codec import from_json, to_json
from bench.records.record import Cell, Limit, LimitKind, Record
from bench.tracks import limits as measuring
from harness.plan.companions import with_limits
from harness.plan.plan import make_plan
from harness.store.facts import RunFacts
from harness.validity import roofline
from harness.validity.roofline import MachineLimits, work_of
from harness.validity.validity import judged
from tests import factories
from tests.factories import cell, framework, record
from tests.fakes import FakeClock, FakeFramework

KIB, MIB = 1 << 10, 1 << 20
FRAMEWORKS = (
    framework("torch", limits="torch"),
    framework("lightning", ("fit",), limits="torch"),
    framework("jax", ("jit",), limits="jax"),
    framework("toy", ("loop",)),
)
TURN = {"mode": "limits", "workload": "", "optimizer": "", "size": "", "precision": "", "track": "limits"}


def limit(kind: LimitKind, per_ns: float, *, size: int = 1, precision: str = "", rounds: int = 1) -> Limit:
    """A limit whose best round did `per_ns` in a nanosecond, the others half of it."""
    work = 10**9
    slower = (round(2 * work / per_ns),) * (rounds - 1)
    return Limit(kind=kind, precision=precision, size=size, work=work, round_ns=(*slower, round(work / per_ns)))


def measured(*found: Limit, by: str = "torch", block: int = 1) -> Record:
    return Record(cell=cell(framework=by, **TURN), block=block, position=1, status="ok", limits=found)


def work(**changes: Any) -> SizeOffer:
    plain = SizeOffer(
        name="S", samples=1, flops=10**9, bytes=10**7, footprint=64 * MIB, forward_flops=10**8, forward_bytes=10**6
    )
    return dataclasses.replace(plain, **changes)


def facts(of: SizeOffer, frameworks: tuple[FrameworkOffer, ...] = FRAMEWORKS) -> RunFacts:
    mlp = WorkloadOffer(name="mlp", sentence="", sizes=("S",), optimizers=("adam",), sizes_on_cpu=("S",), works=(of,))
    return factories.run_facts(frameworks=frameworks, workloads=(mlp,))


def timed(step_ns: int, block: int = 1, **changes: str) -> Record:
    return record(cell(workload="mlp", size="S", **changes), block=block, round_ns=(step_ns,) * 3)


class TestMeasuring:
    def limits(self, clock: FakeClock, offered: Probes) -> list[Limit]:
        return list(measuring.measure(FakeFramework(clock, wait_ns=1000), offered, "cpu", clock))

    def probes(self, clock: FakeClock, *, triad_ns: Callable[[int], int] = lambda size: 10_000) -> Probes:
        return Probes(
            matmul=lambda n, precision: Task(lambda: clock.spend(n**2), 2 * n**3) if precision == "float32" else None,
            triad=lambda size: Task(lambda: clock.spend(triad_ns(size)), size * 3 // 2),
            launch=Task(lambda: clock.spend(500), 1),
        )

    def test_rounds_last_long_enough_for_the_clock_and_hold_the_wait(self) -> None:
        clock = FakeClock()
        launch = self.limits(clock, self.probes(clock))[0]
        assert (launch.kind, launch.work) == ("launch", 2048)  # 1024 × 500 ns + 1000 ns is less than a millisecond
        assert set(launch.round_ns) == {2048 * 500 + 1000}
        assert len(launch.round_ns) == measuring.MOST_ROUNDS

    def test_a_slow_call_has_fewer_rounds_and_never_less_than_five(self) -> None:
        clock = FakeClock()
        found = self.limits(clock, self.probes(clock, triad_ns=lambda size: 100 * size))
        rounds = {one.size: len(one.round_ns) for one in found if one.kind == "triad"}
        assert rounds == {64 * KIB: 23, 512 * KIB: 5, 4 * MIB: 5, 32 * MIB: 5, 256 * MIB: 5}

    def test_work_is_that_of_a_whole_round(self) -> None:
        clock = FakeClock()
        found = {(one.kind, one.size): one for one in self.limits(clock, self.probes(clock))}
        assert found["triad", 64 * KIB].work == 128 * 64 * KIB * 3 // 2  # 64 calls last 0.64 ms
        assert found["matmul", 1024].work == 2 * 1024**3

    def test_what_the_library_does_not_have_is_left_out(self) -> None:
        clock = FakeClock()
        found = self.limits(clock, self.probes(clock))
        assert Counter(one.kind for one in found) == {"launch": 1, "triad": 5, "matmul": 2}
        assert {one.precision for one in found if one.kind == "matmul"} == {"float32"}

    def test_a_record_keeps_them(self) -> None:
        kept = measured(limit("triad", 40.0, size=MIB, rounds=3))
        assert from_json(to_json(kept)) == kept


class TestWhatAStepAmountsTo:
    def test_sgd_has_no_moments_to_read_and_to_write(self) -> None:
        of = work(parameters=10**6)
        assert work_of(cell(optimizer="adam"), of) == of
        plain = work_of(cell(optimizer="sgd"), of)
        assert of.bytes - plain.bytes == 4 * 4 * 10**6  # two moments, read and written
        assert of.footprint - plain.footprint == 2 * 4 * 10**6

    def test_far_from_every_limit_launches_bind_however_long_the_step(self) -> None:
        limits = MachineLimits(
            [measured(limit("matmul", 100.0, precision="float32"), limit("launch", 1e-3))], FRAMEWORKS
        )
        near, far = (limits.bound(cell(), work(flops=flops), 1e6) for flops in (10**8 // 50, 10**8 // 200))
        assert (near.kind, far.kind) == ("matmul", "launch")
        assert far.launches == pytest.approx(1e6 / 1e3)


class TestWhichLimit:
    def test_the_best_round_of_all_blocks_counts(self) -> None:
        blocks = [measured(limit("launch", 1e-3 * at, rounds=4), block=at) for at in (1, 3, 2)]
        found = MachineLimits(blocks, FRAMEWORKS)
        (best,) = found.best
        assert best.per_ns == pytest.approx(3e-3)
        assert best.rounds == 12
        assert found.launch_ns("lightning") == pytest.approx(1e3 / 3)
        assert found.launch_ns("jax") is found.launch_ns("toy") is None

    def test_traffic_is_held_to_the_largest_working_set_that_is_no_larger_and_to_all_above_it(self) -> None:
        sets = ((512 * KIB, 150.0), (4 * MIB, 200.0), (32 * MIB, 80.0), (256 * MIB, 30.0))
        found = MachineLimits([measured(*(limit("triad", rate, size=size) for size, rate in sets))], FRAMEWORKS)

        def held_to(footprint: int) -> float | None:
            best = found.bandwidth(footprint)
            return best.per_ns if best else None

        assert held_to(511 * KIB) is None  # what is smaller may be faster than anything that was measured
        assert held_to(512 * KIB) == pytest.approx(200)  # a larger set was faster: its small one told of launches
        assert held_to(4 * MIB) == pytest.approx(200)
        assert held_to(255 * MIB) == pytest.approx(80)
        assert held_to(10_000 * MIB) == pytest.approx(30)

    def test_a_working_set_that_lasts_a_few_launches_tells_nothing_of_memory(self) -> None:
        launch = limit("launch", 1e-3)  # 1 µs
        small, large = limit("triad", 50.0, size=512 * KIB), limit("triad", 50.0, size=4 * MIB)  # 10 µs and 84 µs
        found = MachineLimits([measured(launch, small, large)], FRAMEWORKS)
        assert found.bandwidth(MIB) is None
        assert found.bandwidth(4 * MIB) is not None

    def test_any_library_sets_the_limit_of_products_in_the_precision_or_in_float32(self) -> None:
        by_torch = measured(
            limit("matmul", 100.0, size=512, precision="float32"), limit("matmul", 90.0, size=512, precision="bfloat16")
        )
        by_jax = measured(limit("matmul", 200.0, size=512, precision="float32"), by="jax")
        found = MachineLimits([by_torch, by_jax], FRAMEWORKS)
        shares = [found.shares(precision, work(), 10**7)[0] for precision in ("float32", "bfloat16", "tf32")]
        assert [share.limit.library for share in shares] == ["jax"] * 3
        assert shares[0].value == pytest.approx(100 / 200)

    def test_what_is_faster_than_products_is_held_to_convolutions(self) -> None:
        product = limit("matmul", 100.0, size=512, precision="float32")
        convolution = limit("convolution", 200.0, size=64, precision="float32")
        found = MachineLimits([measured(product, convolution)], FRAMEWORKS)
        kinds = [found.shares("float32", work(), step_ns)[0].limit.kind for step_ns in (2 * 10**7, 7 * 10**6, 10**6)]
        assert kinds == ["matmul", "convolution", "convolution"]

    def test_traffic_in_half_precision_is_half_as_much(self) -> None:
        found = MachineLimits(
            [measured(limit("triad", 10.0, size=MIB), limit("triad", 1.0, size=48 * MIB))], FRAMEWORKS
        )
        (full,), (half,) = (found.shares(precision, work(), 10**7) for precision in ("float32", "bfloat16"))
        assert (full.limit.size, half.limit.size) == (48 * MIB, MIB)  # 32 MiB are less than 48
        assert [full.value, half.value] == pytest.approx([1.0, 0.05])


class TestBound:
    LIMITS = MachineLimits(
        [
            measured(
                limit("launch", 1e-3),
                limit("triad", 10.0, size=MIB),
                limit("matmul", 100.0, size=512, precision="float32"),
            )
        ],
        FRAMEWORKS,
    )

    @pytest.mark.parametrize(
        ("flops", "bytes_", "kind", "share"),
        [(5 * 10**8, 10**7, "matmul", 0.5), (10**8, 8 * 10**7, "bandwidth", 0.8)],
    )
    def test_the_limit_that_a_cell_comes_nearest_to_binds(
        self, flops: int, bytes_: int, kind: str, share: float
    ) -> None:
        found = self.LIMITS.bound(cell(), work(flops=flops, bytes=bytes_), 10**7)
        assert (found.kind, found.launches) == (kind, None)
        assert found.share is not None
        assert found.share.value == pytest.approx(share)

    def test_below_100_us_launches_bind(self) -> None:
        assert self.LIMITS.bound(cell(), work(), 99_999).kind == "launch"
        assert self.LIMITS.bound(cell(), work(), 50_000).launches == pytest.approx(50)
        assert self.LIMITS.bound(cell(), work(), 100_000).kind != "launch"

    def test_what_was_not_measured_says_so(self) -> None:
        assert self.LIMITS.bound(cell(framework="jax"), work(), 50_000).why == (
            "no launch was measured of the library that jax computes with"
        )
        assert MachineLimits([], FRAMEWORKS).bound(cell(), work(), 10**7).why == "no limit was measured in this run"


class TestJudged:
    PEAK = measured(limit("matmul", 100.0, size=512, precision="float32"), limit("triad", 10.0, size=MIB))

    def judged(self, *records: Record, of: SizeOffer | None = None) -> tuple[Record, ...]:
        return judged((self.PEAK, *records), facts(of or work()), stages=((roofline.above_limits,),)).records[1:]

    def test_at_the_limit_a_cell_stays_as_it_is(self) -> None:
        fast = timed(10**7)  # 100 Gflop/s
        assert self.judged(fast) == (fast,)

    def test_above_it_all_its_replicates_are_invalid_with_the_limit_its_size_and_both_figures(self) -> None:
        found = self.judged(timed(8 * 10**6), timed(8 * 10**6, block=2), timed(2 * 10**7, mode="compile"))
        assert [one.status for one in found] == ["invalid", "invalid", "ok"]
        assert found[0].reason == (
            "above what the machine can do: 125 Gflop/s, 1.25 of the 100 Gflop/s of torch's best float32 matrix"
            " product, n = 512"
        )

    def test_several_ranks_may_be_faster_than_one_can_be(self) -> None:
        one, two = (
            record(cell(mode="ddp", workload="mlp", size="S", ranks=ranks, scaling="strong"), round_ns=(ns,) * 3)
            for ranks, ns in ((1, 8 * 10**6), (2, 6 * 10**6))
        )
        assert [found.status for found in self.judged(one, two)] == ["invalid", "ok"]

    def test_the_cells_estimate_counts_not_its_fastest_replicate(self) -> None:
        assert [one.status for one in self.judged(timed(8 * 10**6), timed(2 * 10**7, block=2))] == ["ok", "ok"]

    def test_traffic_above_its_limit_is_invalid_too(self) -> None:
        (found,) = self.judged(timed(10**7), of=work(flops=1, bytes=2 * 10**8))
        assert found.reason.endswith("20 GB/s, 2 of the 10 GB/s of torch's best a += s·b over 1 MiB")

    def test_inference_is_not_held_to_the_work_of_a_training_step(self) -> None:
        infers = FrameworkOffer(
            name="onnxruntime", title="", modes=(ModeOffer(name="run", sentence="", source="torch"),), baseline=""
        )
        fast = timed(10**3, framework="onnxruntime", mode="run")
        assert judged((self.PEAK, fast), facts(work(), (*FRAMEWORKS, infers))).records[1] == fast

    def test_a_forward_pass_is_held_to_what_it_amounts_to_alone(self) -> None:
        fast = timed(2 * 10**6, optimizer="none")  # 50 Gflop/s of 10⁸ operations; as a training step it would be 500
        assert self.judged(fast) == (fast,)
        assert self.judged(timed(2 * 10**6))[0].status == "invalid"

    def test_without_limits_nobody_is_judged(self) -> None:
        assert judged((timed(1),), facts(work())).records == (timed(1),)


class TestPlan:
    def test_each_library_is_measured_by_its_first_framework_that_was_selected(self) -> None:
        cells = tuple(cell(framework=name, mode="fit") for name in ("lightning", "torch", "jax", "toy"))
        assert with_limits(cells[:1], FRAMEWORKS) == (*cells[:1], cell(framework="lightning", **TURN))
        modes = (cell(framework="lightning", mode="fit"), cell(), cell(framework="jax", mode="jit"))
        assert [one.framework for one in with_limits(modes, FRAMEWORKS)[3:]] == ["lightning", "jax"]

    def test_hello_worlds_and_libraries_without_probes_need_none(self) -> None:
        cells: tuple[Cell, ...] = (cell(mode="hello", track="idiomatic"), cell(framework="toy", mode="loop"))
        assert with_limits(cells, FRAMEWORKS) == cells

    def test_they_stand_in_the_blocks_that_the_profile_names(self) -> None:
        cells = with_limits((cell(), cell(framework="jax", mode="jit")), FRAMEWORKS)
        plan = make_plan(cells, blocks=3, seed=42, limits_blocks=1)
        assert [place.block for place in plan.in_order() if place.cell.track == "limits"] == [1, 1]
        assert str(plan) == "2 cells × 3 blocks + 2 turns for limits = 8 replicates, seed 42"
        assert (
            str(make_plan(cells, blocks=2, seed=42))
            == "2 cells × 2 blocks + 4 turns for limits = 8 replicates, seed 42"
        )
