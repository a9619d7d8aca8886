"""A replicate of several ranks as a launcher starts it: a process, its record, and what is left when a rank dies."""

import dataclasses
import os
import time
from pathlib import Path

import pytest

from bench.records.record import Record
from bench.turns.kept import Kept
from bench.turns.parking import Parked
from bench.turns.supervise import supervise
from bench.turns.turn import Outcome, Turn, to_record
from tests.bench.parallel.conftest import with_star
from tests.bench.turns.test_supervise import is_gone

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Return the code that the processes run."""
    return with_star(tmp_path / "code")


def supervised(turn: Turn, code: Path, folder: Path, *named: str) -> Record:
    folder.mkdir()
    turn = dataclasses.replace(turn, code=str(code), named=named)
    return to_record(turn, supervise(turn, folder))


def test_a_turn_gives_the_record_of_its_ranks_and_leaves_none_of_them(turn: Turn, code: Path, tmp_path: Path) -> None:
    processor = min(os.sched_getaffinity(0))
    record = supervised(dataclasses.replace(turn, cpus=(processor,)), code, tmp_path / "turn")
    assert record.status == "ok", record.reason
    assert record.parallel
    assert [rank.cpus for rank in record.parallel.placed] == [(processor,)] * 2
    assert all(rank.pid and is_gone(rank.pid) for rank in record.parallel.placed)
    assert record.environment
    assert record.environment.cpus == (processor,)


def test_a_leader_that_waits_for_a_dead_rank_is_ended_with_the_sentence(turn: Turn, code: Path, tmp_path: Path) -> None:
    """Another process has the connections of the rank, so nothing tells the leader that it is gone."""
    record = supervised(turn, code, tmp_path / "turn", "PLANTED=parted")
    assert record.status == "failed"
    assert "rank 1 of 2, told to run, was ended by SIGKILL" in record.reason
    assert record.wall_ns < 45e9


def test_the_ranks_are_parked_with_their_leader(turn: Turn, code: Path, tmp_path: Path) -> None:
    folder = tmp_path / "turn"
    folder.mkdir()
    kept = Kept(dataclasses.replace(turn, code=str(code), alternates=True), folder, set())
    pids: list[int] = []
    parked = kept.start(lambda pid, _: pids.append(pid))
    assert isinstance(parked, Parked), parked
    group = (*pids, *children(pids[0]))
    assert len(group) == 2
    until = time.monotonic() + 10
    while {state(pid) for pid in group} != {"T"} and time.monotonic() < until:
        time.sleep(0.01)  # one that waits for a processor stops when it gets it
    assert {state(pid) for pid in group} == {"T"}, "the leader, and its follower"
    for _ in range(3):
        assert kept.run_slice() is None
    ended = kept.finish()
    assert isinstance(ended, Outcome)
    record = to_record(turn, ended)
    assert record.status == "ok", record.reason
    assert record.timing
    assert len(record.timing.slice_rounds) == 3


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def children(pid: int) -> list[int]:
    found = [int(pid) for pid in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    assert found
    return found
