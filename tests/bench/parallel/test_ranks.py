"""A data-parallel step over two processes, and every planted fault: what a replicate's record says of it."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.interface import Skip
from bench.parallel import lead
from bench.parallel.group import end_all
from bench.protocol import replicate
from bench.records.record import Record
from bench.reference.inputs import Resident
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA, Workload, frozen
from bench.turns import prepare
from bench.turns.turn import Turn, to_json
from tests.bench.parallel import star as strategy
from tests.bench.turns.test_supervise import is_gone

pytestmark = [pytest.mark.usefixtures("star"), pytest.mark.timeout(120)]


def timed(run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
    durations = []
    for _ in range(count):
        before()
        begin = time.perf_counter_ns()
        run()
        durations.append(time.perf_counter_ns() - begin)
    return durations


def measured(turn: Turn, monkeypatch: pytest.MonkeyPatch, planted: str = "") -> Record:
    monkeypatch.setenv("PLANTED", planted)
    monkeypatch.setattr(strategy, "PLANTED", planted)
    return replicate.measure(turn, lambda: lead.framework_of(turn), lambda: prepare.workload_of(turn), timed)


def test_two_ranks_train_as_the_reference_does_and_the_record_says_where_they_ran(
    turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = measured(turn, monkeypatch)
    assert (record.status, record.reason) == ("ok", "")
    workload = prepare.workload_of(turn)
    assert record.accuracy
    assert record.accuracy.max_parameter_deviation is not None
    assert record.accuracy.max_parameter_deviation < 1e-5
    np.testing.assert_allclose(record.accuracy.losses, reference(workload, KINGMA_BA).losses, rtol=1e-4)
    found = record.parallel
    assert found
    assert (found.ranks, found.processes, found.scaling, found.rows) == (2, 2, "strong", len(workload.batch.x))
    assert (found.backend, found.operations, found.collectives) == (
        "sockets",
        ("all-reduce",),
        len(workload.parameters),
    )
    assert len(found.synchronised_round_ns) == len(found.unsynchronised_round_ns) == turn.settings.rounds
    assert found.start_ns
    leader, follower = found.placed
    assert (leader.rank, leader.pid, follower.rank) == (0, os.getpid(), 1)
    assert follower.pid not in (None, leader.pid)
    assert leader.parameters_sha256 == follower.parameters_sha256 != ""
    assert leader.cpus == follower.cpus == tuple(sorted(os.sched_getaffinity(0)))
    assert record.memory
    assert record.memory.host_peak_rss_bytes is not None
    assert follower.peak_rss_bytes is not None
    assert record.memory.host_peak_rss_bytes > follower.peak_rss_bytes, "that of all ranks"


def test_by_weak_scaling_each_rank_has_as_many_rows(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    own = len(prepare.workload_of(turn).batch.x)

    def twice(workload: Workload, rows: int) -> Resident:
        assert rows == 2 * own
        x, y = workload.batch
        return Resident(x=frozen(np.concatenate([x, x])), y=frozen(np.concatenate([y, y])))

    cell = dataclasses.replace(turn.cell, scaling="weak")
    assert cell.enlarged == 2
    monkeypatch.setattr(prepare, "workload_of", lambda turn: enlarged(turn, twice))
    monkeypatch.setenv("TWICE", "1")
    assert len(prepare.workload_of(dataclasses.replace(turn, cell=cell)).batch.x) == 2 * own


def enlarged(turn: Turn, rows: Callable[[Workload, int], Resident]) -> Workload:
    from bench.reference import inference
    from bench.workloads import make

    made = make(turn.cell.workload, size=turn.cell.size, optimizer=turn.cell.optimizer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "rows", rows)
        return inference.enlarged(made, turn.cell.ranks)


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ("shard", "before timing: "),
        ("sum", "before timing: the gradient"),
        ("alone", "rank 1 has other parameters than rank 0: the ranks are not kept the same"),
        ("mode", "rank 1: mode: star was asked for, the framework ran other (told)"),
        ("fewer", "2 ranks were asked for, the framework exchanges among 1 (counted in a step)"),
    ],
)
def test_a_planted_fault_makes_the_replicate_invalid(
    planted: str, said: str, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = measured(turn, monkeypatch, planted)
    assert (record.status, record.timing) == ("invalid", None)
    assert record.reason.startswith(said), record.reason


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ("killed", "rank 1 of 2, told to run, was ended by SIGKILL (its last words: in the midst of a star)"),
        ("exits", "rank 1 of 2, told to run, ended with exit code 7"),
        ("raises", "rank 1 of 2, told to run, says: ValueError: a fault of rank 1"),
        ("build", "rank 1 of 2, told to build, says: ValueError: a fault of the build"),
    ],
)
def test_a_rank_that_ends_fails_the_replicate_with_its_words(
    planted: str, said: str, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    if planted == "build":  # rank 0 would wait for it: the watching thread would end this process
        monkeypatch.setattr(strategy, "build", lambda *_: never())
    record = measured(turn, monkeypatch, planted)
    assert record.status == "failed", record.reason
    assert said in record.reason
    assert record.environment
    assert record.environment.cpus == (), "of ranks that are gone it is not known"


def never() -> None:
    time.sleep(1.5)
    raise ConnectionError("nobody came")


def test_a_skip_is_a_skip(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    record = measured(turn, monkeypatch, "skip")
    assert (record.status, record.reason) == ("skipped", "there is no star here")


def test_rows_that_cannot_be_shared_are_a_skip_with_the_numbers(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead, "Group", lambda turn: None)
    led = lead.Led(dataclasses.replace(turn, cell=dataclasses.replace(turn.cell, ranks=7)))
    skipped = led.build(prepare.workload_of(turn), "star", "float32")
    assert isinstance(skipped, Skip)
    assert skipped.reason.endswith("rows, which 7 ranks cannot share")


def test_where_another_program_listens_another_address_is_taken(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: list[str] = []
    free = lead.free_address

    def noted() -> str:
        addresses.append(free())
        return addresses[-1]

    monkeypatch.setattr(lead, "free_address", noted)
    record = measured(turn, monkeypatch, "taken")
    assert record.status == "ok", record.reason
    assert len(set(addresses)) == 2


def test_followers_end_with_a_leader_that_is_gone(turn: Turn) -> None:
    code = (
        "import sys, os; from bench.parallel import strategies;"
        "strategies.of_framework = lambda cell: ();"
        "from bench.parallel.group import Group; from bench.turns.turn import turn_from_json;"
        "group = Group(turn_from_json(sys.argv[1])); group.settle();"
        "print(group.members[0].pid, flush=True); os._exit(0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, to_json(turn)], capture_output=True, text=True, timeout=60, check=True
    )
    until = time.monotonic() + 10
    while not is_gone(int(ended.stdout)) and time.monotonic() < until:
        time.sleep(0.02)
    assert is_gone(int(ended.stdout))


def test_after_a_replicate_all_followers_can_be_ended(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    record = measured(turn, monkeypatch)
    assert record.parallel
    pid = record.parallel.placed[1].pid
    assert pid
    assert not is_gone(pid)
    end_all()
    end_all()
    assert is_gone(pid)


def test_a_repeat_has_its_ranks_too(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "")
    again = replicate.repeat(turn, "warm", lambda: lead.framework_of(turn), lambda: prepare.workload_of(turn))
    assert (again.status, again.reason) == ("ok", "")
    assert again.fingerprint
