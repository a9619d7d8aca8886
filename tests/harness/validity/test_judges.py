"""The machine's findings: what makes a replicate invalid, what earns a letter, whom they concern."""

from typing import Any

import pytest

from bench.records.observation import Observation
from bench.records.record import Cell, Record
from harness.stats.flags import DRIFT, WARNINGS
from harness.validity import drift, machine
from harness.validity.finding import key_of
from harness.validity.validity import judged
from tests import factories
from tests.factories import cell, record
from tests.harness.compare.test_sessions import sentinel

CUDA = cell(device="cuda")


def seen(of: Cell | None = None, block: int = 1, **changes: Any) -> Record:
    """A replicate with what the harness saw of it."""
    of = of or CUDA
    proof = factories.proof(mode=of.mode, device="cuda:0")
    return record(of, block=block, proof=proof, observation=Observation(**changes))


class TestMachine:
    @pytest.mark.parametrize(
        ("observed", "reason"),
        [
            ({"foreign": ("python (pid 7)",)}, "machine: python (pid 7) used the GPU as well"),
            ({"throttled_periods": 3}, "machine: a CPU quota stopped it in 3 periods (nr_throttled)"),
            ({"clock_events": ("hw thermal slowdown",)}, "machine: the GPU was slowed down: hw thermal slowdown"),
        ],
    )
    def test_what_spoils_the_figure_makes_its_replicate_invalid(self, observed: dict[str, Any], reason: str) -> None:
        spoilt, fine = seen(block=1, **observed), seen(block=2)
        found = judged([spoilt, fine], factories.run_facts())
        assert [(one.status, one.reason) for one in found.records] == [("invalid", reason), ("ok", "")]

    def test_a_clock_is_held_to_its_own_block_s(self) -> None:
        def at(block: int, mhz: int, mode: str) -> Record:
            return seen(cell(device="cuda", mode=mode), block, sm_clock_median_mhz=mhz, gpu="GPU-1")

        slow_block = [at(2, 1300, mode) for mode in "abc"]
        records = [at(1, 1500, "a"), at(1, 1500, "b"), at(1, 1400, "c"), *slow_block]
        found = judged(records, factories.run_facts()).records
        assert [one.status for one in found] == ["ok", "ok", "invalid", "ok", "ok", "ok"]
        assert "1400 MHz, 93% of its block's median" in found[2].reason

    def test_what_leaves_the_figure_standing_is_a_letter(self) -> None:
        found = judged([seen(clock_events=("sw power cap",))], factories.run_facts())
        assert found.records[0].status == "ok"
        assert found.warnings == {CUDA: (WARNINGS["power cap"],)}

    def test_a_replicate_that_nobody_looked_at_has_no_finding(self) -> None:
        assert list(machine.disturbed([record()], factories.run_facts())) == []


class TestDrift:
    def session(self, device: str, changed: int) -> list[Record]:
        """Two blocks; the probe of memory takes 100 ns before the first, `changed` after it, and stays there."""
        of = [cell(device=device), cell(device=device, mode="hello", track="idiomatic")]
        turns = [sentinel(1), sentinel(2, triad=changed), sentinel(3, triad=changed)]
        proof = factories.proof(device=device)
        return [*turns, *(record(one, block=block, proof=proof) for block in (1, 2) for one in of)]

    def test_on_a_gpu_what_was_timed_in_that_block_is_invalid(self) -> None:
        records = self.session("cuda", 103)
        (found,) = drift.drifted(records, factories.run_facts())
        assert found.key == key_of(records[3])
        assert (found.reason, found.flag) == ("machine: it changed by +3.0% within the block (triad)", None)

    def test_on_a_processor_it_is_a_letter(self) -> None:
        found = judged(self.session("cpu", 97), factories.run_facts())
        assert found.warnings == {cell(): (DRIFT,)}
        assert {one.status for one in found.records} == {"ok"}

    def test_on_a_processor_of_the_run_s_own_it_is_invalid(self) -> None:
        found = judged(self.session("cpu", 97), factories.run_facts(isolated=True))
        assert [one.status for one in found.records if one.cell == cell()] == ["invalid", "ok"]

    def test_less_than_2_percent_is_none(self) -> None:
        assert list(drift.drifted(self.session("cuda", 101), factories.run_facts())) == []
