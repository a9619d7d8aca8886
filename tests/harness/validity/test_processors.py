"""A replicate had its processors: seen on them, and not held up by a quota."""

import dataclasses
from typing import Any

import pytest

from bench.records.record import Record, Timing
from harness.host.machine import HostFacts
from harness.stats.flags import STOLEN, flags
from harness.validity.validity import judged
from tests import factories
from tests.factories import cell, environment, record, timing

MS = 1_000_000


def facts(quota: float | None = None, **changes: Any) -> Any:
    host = HostFacts(cpu="A processor", cores=4, memory_bytes=1, os="Linux", python="3.11.7", quota=quota)
    return factories.run_facts(host=host, **changes)


def reason(of: Record, *, quota: float | None = None, **changes: Any) -> str:
    return judged([of], facts(quota, **changes)).records[0].reason


def at(*cpus: int, allowed: tuple[int, ...] = (1,)) -> Record:
    return record(environment=environment(ran_on=cpus, cpus=allowed))


def test_where_it_was_seen_is_in_its_cpu_set() -> None:
    assert reason(at(1)) == ""
    assert reason(at()) == ""  # nobody looked
    assert reason(at(0, 1)) == "machine: it ran on CPU 0, outside its CPU set 1"
    assert reason(at(1, allowed=(1, 2)), cpus=(1,)) == "machine: it could run on CPU 1,2, its CPU set is 1"
    assert reason(at(3, allowed=(3,)), cpus=()) == ""


def test_a_worker_has_the_cpu_set_of_its_container() -> None:
    assert reason(at(2, allowed=(2,)), cpus=(1, 2, 3), launcher="workers") == ""
    assert "outside its CPU set 2" in reason(at(3, allowed=(2,)), cpus=(1, 2, 3), launcher="workers")


def test_with_ranks_a_cell_has_its_part_of_the_cpu_set() -> None:
    of_run: dict[str, Any] = {"cpus": (1, 2, 3, 4), "ranks": 2}

    def ranked(ranks: int, *cpus: int) -> Record:
        of = cell(mode="ddp", ranks=ranks, scaling="strong") if ranks else cell()
        record = at(*cpus, allowed=cpus)
        assert record.proof
        return dataclasses.replace(record, cell=of, proof=dataclasses.replace(record.proof, mode=of.mode))

    assert [
        reason(ranked(count, *cpus), **of_run) for count, cpus in ((0, (1, 2)), (1, (1, 2)), (2, (1, 2, 3, 4)))
    ] == [""] * 3
    assert "outside its CPU set 1,2" in reason(ranked(1, 1, 2, 3, 4), **of_run)
    assert "its CPU set is 1,2,3,4" in reason(ranked(2, 1, 2), **of_run)


def rounds(*shares: float, share: float | None = None, threads: int = 1, **changes: Any) -> Timing:
    """Rounds of 2 ms of processor time each, which took so much of their wall time."""
    walls = tuple(round(2 * MS * threads / each) for each in shares)
    total = sum(walls)
    used = round(total * share) if share is not None else 2 * MS * threads * len(walls)
    return timing(
        round_ns=walls,
        round_cpu_ns=tuple(2 * MS * threads for _ in walls),
        process_cpu_ns=used,
        process_wall_ns=total,
        **changes,
    )


THROTTLED = rounds(*(1.0, 0.44) * 10)
EVENLY = rounds(*(0.6,) * 20)  # long rounds: each has whole periods in it
COMPUTES = rounds(*(1.0,) * 20)
WAITS = rounds(*(0.3,) * 20)  # sleeps by itself


@pytest.mark.parametrize("slowed", [THROTTLED, EVENLY, rounds(*(1.0,) * 5, *(0.44,) * 15)])
def test_a_quota_that_holds_a_step_up_makes_it_invalid(slowed: Timing) -> None:
    found = reason(record(timing=slowed), quota=0.6)
    assert found.startswith("machine: a CPU quota of 0.6 processors held it up: its timed rounds used 0.")


@pytest.mark.parametrize(
    ("step", "quota"),
    [
        (COMPUTES, None),
        (THROTTLED, None),  # another process: a flag, as before
        (WAITS, 0.6),
        (COMPUTES, 1.0),  # not smaller than the CPU set
        (timing(), 0.6),  # an older record, without processor times
    ],
)
def test_a_step_that_waits_or_has_its_processors_is_not_accused(step: Timing, quota: float | None) -> None:
    assert reason(record(timing=step), quota=quota) == ""


def test_a_quota_larger_than_what_a_step_uses_does_not_bind() -> None:
    two = {"cpus": (1, 2), "threads": 2}
    there = environment(cpus=(1, 2))
    assert reason(record(timing=COMPUTES, environment=there), quota=1.5, **two) == ""
    assert "held it up" in reason(
        record(
            timing=rounds(*(0.75,) * 20, threads=2, share=1.5),
            environment=dataclasses.replace(there, threads=2),
            proof=factories.proof(threads=2),
        ),
        quota=1.5,
        **two,
    )


def test_a_quota_of_the_harness_is_not_that_of_a_container_or_a_gpu() -> None:
    assert reason(record(timing=EVENLY), quota=0.6, launcher="docker") == ""
    gpu = record(cell(device="cuda"), timing=EVENLY, proof=factories.proof(device="cuda:0"))
    assert reason(gpu, quota=0.6) == ""


def test_a_step_of_several_threads_that_was_robbed_is_flagged() -> None:
    """Its processor time is above one processor's all the same."""
    robbed = rounds(*(3.0,) * 5, *(1.5,) * 15, threads=3)
    assert STOLEN in flags([robbed], "cpu")
    assert STOLEN not in flags([rounds(*(3.0,) * 20, threads=3)], "cpu")
