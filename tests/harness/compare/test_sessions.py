"""Two sessions: what the sentinels say, and comparing what shares no block."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.records.record import Limit, LimitKind, Record
from harness.compare.sessions import moved, probed, same_session
from harness.stats.welch import unpaired
from harness.validity.noise_floor import floor_of, least_floor_of
from harness.validity.results import Run
from tests import factories
from tests.factories import cell, record


def sentinel(block: int, framework: str = "torch", **ns: int) -> Record:
    """A turn of the sentinels whose probes took these times, by kind."""
    of = cell(framework=framework, mode="sentinel", track="sentinel")
    kinds: dict[LimitKind, int] = {"matmul": ns.get("matmul", 100), "triad": ns.get("triad", 100)}
    probes = [
        Limit(kind=kind, precision="float32", size=64, work=10, round_ns=(each, 100_000, each))  # one was disturbed
        for kind, each in kinds.items()
    ]
    return record(of, block=block, timing=None, limits=tuple(probes))


def run(records: Sequence[Record], **changes: Any) -> Run:
    return factories.run(records, **changes)


class TestMoved:
    def test_it_is_the_probe_that_moved_farthest_by_the_medians_of_rounds_and_turns(self) -> None:
        a = run([sentinel(1), sentinel(2, triad=90), sentinel(3)])
        b = run([sentinel(1, matmul=101), sentinel(2, matmul=150, triad=97), sentinel(3, matmul=101, triad=97)])
        found = moved(a, b)
        assert found is not None
        assert found.probe == "triad"
        back = moved(b, a)
        assert back is not None
        assert (found.value, back.value) == pytest.approx((100 / 97 - 1,) * 2)

    def test_probes_of_different_libraries_are_not_compared(self) -> None:
        """NumPy's product is slower than PyTorch's on the same machine: that is no movement."""
        frameworks = [factories.framework(name, limits=name) for name in ("torch", "numpy")]
        a, b, c = (
            run([sentinel(1, name, matmul=ns)], frameworks=frameworks)
            for name, ns in (("torch", 100), ("numpy", 300), ("numpy", 303))
        )
        assert moved(a, b) is None
        assert (probed(a), probed(b)) == (("torch",), ("numpy",))
        found = moved(b, c)
        assert found is not None
        assert found.value == pytest.approx(0.01)

    def test_two_frameworks_on_one_library_have_the_same_probes(self) -> None:
        frameworks = [factories.framework("torch", limits="torch"), factories.framework("lightning", limits="torch")]
        a, b = (run([sentinel(1, name)], frameworks=frameworks) for name in ("torch", "lightning"))
        found = moved(a, b)
        assert found is not None
        assert found.value == 0

    def test_without_a_probe_in_both_nobody_knows(self) -> None:
        assert moved(run([sentinel(1)]), run([record()])) is None
        failed = dataclasses.replace(sentinel(1), status="failed")
        assert moved(run([failed]), run([sentinel(1)])) is None


class TestFloor:
    def twins(self, one: Sequence[int], other: Sequence[int]) -> Run:
        label = cell(track="twin")
        records = [record(cell(), block=block, round_ns=(ns,)) for block, ns in enumerate(one, start=1)]
        records += [record(label, block=block, round_ns=(ns,)) for block, ns in enumerate(other, start=1)]
        return run(records)

    def test_it_is_what_one_cell_differs_from_itself_by(self) -> None:
        assert floor_of(self.twins([1000] * 6, [1050] * 6)) == pytest.approx(0.05)
        assert floor_of(self.twins([1000, 1000, 1000], [900, 1000, 1100])) > 0.05

    def test_what_it_surely_shows_is_the_nearer_end_of_its_interval(self) -> None:
        assert least_floor_of(self.twins([1000] * 6, [1050] * 6)) == pytest.approx(0.05)
        assert least_floor_of(self.twins([1050] * 6, [1000] * 6)) == pytest.approx(0.05)
        assert least_floor_of(self.twins([1000, 1000, 1000], [900, 1000, 1100])) == 0.01
        assert least_floor_of(run([record()])) == 0.01

    def test_it_is_1_percent_where_they_agree_or_there_are_none(self) -> None:
        assert floor_of(self.twins([1000] * 6, [1001] * 6)) == 0.01
        assert floor_of(run([record()])) == 0.01


class TestSameSession:
    def at(self, seconds: Sequence[int], seed: int = 42, run_id: str = "a") -> Run:
        records = [
            record(block=block, started_unix_ns=start * 10**9, wall_ns=10 * 10**9)
            for block, start in enumerate(seconds, start=1)
        ]
        return run(records, seed=seed, id=run_id)

    def test_runs_whose_blocks_overlap_were_made_side_by_side(self) -> None:
        assert same_session(self.at([0, 20]), self.at([5, 25], run_id="b"))

    def test_others_were_not(self) -> None:
        assert not same_session(self.at([0, 20]), self.at([5, 31], run_id="b"))
        assert not same_session(self.at([0, 20]), self.at([5, 25], seed=43, run_id="b"))

    def test_a_run_is_in_one_session_with_itself(self) -> None:
        run = self.at([])
        assert same_session(run, run)


class TestUnpaired:
    A, B = (103.0, 101.0, 106.0, 102.0, 104.0, 105.0), (99.0, 100.0, 104.0, 96.0, 98.0)

    def test_p_and_interval_are_those_of_scipys_welch_test_on_logarithms(self) -> None:
        found = unpaired(self.A, self.B)
        expected = scipy_stats.ttest_ind(np.log(self.A), np.log(self.B), equal_var=False)
        assert found.p == pytest.approx(expected.pvalue)
        low, high = expected.confidence_interval(0.965)
        assert found.ratio.interval is not None
        assert (found.ratio.interval.low, found.ratio.interval.high) == pytest.approx((np.exp(low), np.exp(high)))
        assert found.ratio.count == 5

    def test_one_replicate_gives_a_ratio_and_nothing_to_judge_it_by(self) -> None:
        found = unpaired([2.0], [1.0, 1.0])
        assert (found.ratio.value, found.ratio.interval, found.p) == (2.0, None, 1.0)

    def test_equal_values_leave_no_doubt(self) -> None:
        assert unpaired([2.0, 2.0], [1.0, 1.0]).p == 0
        assert unpaired([1.0, 1.0], [1.0, 1.0]).p == 1
