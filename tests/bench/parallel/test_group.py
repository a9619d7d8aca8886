"""The ranks beside the leader, watched: one that dies or hangs while the leader waits; processors, rows, addresses."""

import dataclasses
import os
import queue
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.guests import usage
from bench.parallel import World, lead, silence
from bench.parallel.group import Group
from bench.parallel.member import FollowerError
from bench.parallel.silence import Silence
from bench.parallel.strategies import cpus_of, variables_of
from bench.turns.turn import Turn

Told = queue.Queue[str]


@pytest.fixture
def told() -> Told:
    """Return what the watching thread said."""
    return queue.Queue()


@pytest.fixture
def group(turn: Turn, star: None, told: Told) -> Iterator[Group]:
    """Start a group whose watching thread tells instead of ending this process."""
    made = Group(turn, silent_s=1.0, grace_s=0.5, give_up=told.put)
    made.settle()
    yield made
    made.end()


@pytest.mark.timeout(60)
def test_a_rank_that_dies_while_the_leader_waits_is_told_with_its_signal(group: Group, told: Told) -> None:
    os.kill(group.members[0].pid, signal.SIGKILL)
    assert told.get(timeout=10) == "rank 1 of 2, told to begin, was ended by SIGKILL"


@pytest.mark.timeout(60)
def test_a_leader_that_notices_by_itself_tells_the_same_once(group: Group, told: Told) -> None:
    def waits() -> None:
        with group.noticing():
            os.kill(group.members[0].pid, signal.SIGKILL)
            raise RuntimeError("Connection closed by peer")

    with pytest.raises(FollowerError, match=r"^rank 1 of 2, told to begin, was ended by SIGKILL$"):
        waits()
    time.sleep(1)
    assert told.empty()


@pytest.mark.timeout(60)
def test_an_error_of_the_leader_itself_stays_what_it_is(group: Group) -> None:
    with pytest.raises(ValueError, match="my own"), group.noticing():
        raise ValueError("my own")


@pytest.mark.timeout(60)
def test_a_rank_that_is_alive_and_silent_is_told(group: Group, told: Told) -> None:
    os.kill(group.members[0].pid, signal.SIGSTOP)
    group.tell("reset")
    sentence = told.get(timeout=30)
    assert sentence.startswith("rank 1 of 2, told to reset, is alive and has not answered for")
    assert sentence.endswith("in which it did not use the processor")


@pytest.mark.timeout(60)
def test_a_rank_that_owes_nothing_may_be_silent(group: Group, told: Told) -> None:
    time.sleep(3)
    assert told.empty()


class Quiet:
    """A member that owes an answer."""

    rank, pid, name, order = 1, 4711, "rank 1 of 2", "run"

    def is_silent(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("group_ns", "own_ns", "looks"),
    [
        (0, 0, 4),  # nobody uses the processor
        (1_000_000_000, 0, 40),  # the leader compiles, or spins
        (1_000_000_000, 1_000_000_000, None),  # the rank itself does
    ],
)
def test_time_is_counted_by_looks_and_who_uses_the_processor_does_not_hang(
    group_ns: int, own_ns: int, looks: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = {"group": 0, "own": 0}
    monkeypatch.setattr(silence, "family", lambda: SimpleNamespace(cpu_ns=used["group"]))
    monkeypatch.setattr(usage, "cpu_ns_of", lambda pid: used["own"])
    watch = Silence([Quiet()], silent_s=1.0)  # type: ignore[list-item]
    found = None
    for number in range(1, 100):
        used["group"] += group_ns
        used["own"] += own_ns
        if watch.look(0.25):
            found = number
            break
    assert found == looks


def test_the_ranks_share_processors_evenly_and_all_where_there_are_too_few() -> None:
    assert [cpus_of((1, 2, 3, 4, 5), rank, 2) for rank in (0, 1)] == [(1, 2), (3, 4)]
    assert [cpus_of((1,), rank, 2) for rank in (0, 1)] == [(1,), (1,)]
    assert cpus_of((), 1, 2) == ()


@pytest.mark.usefixtures("star")
def test_a_follower_has_caches_of_its_own_and_its_own_gpu(turn: Turn) -> None:
    inherited = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "4,5", "TMPDIR": "/x", "HOME": "/x"}
    found = variables_of(turn, 1, Path("/x/rank-1"), inherited)
    assert found == {**inherited, "STAR": "2", "HOME": "/x/rank-1", "TMPDIR": "/x/rank-1"} | {
        name: found[name] for name in found if name.endswith("NUM_THREADS")
    }
    on_gpu = dataclasses.replace(turn, cell=dataclasses.replace(turn.cell, device="cuda"))
    assert variables_of(on_gpu, 1, Path("/x"), inherited)["CUDA_VISIBLE_DEVICES"] == "5"
    assert variables_of(on_gpu, 1, Path("/x"), {})["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_shard_is_the_ranks_equal_part_in_order() -> None:
    rows = np.arange(12).reshape(6, 2)
    parts = [World(rank=rank, size=3).shard(rows) for rank in range(3)]
    assert [part[:, 0].tolist() for part in parts] == [[0, 2], [4, 6], [8, 10]]


def test_a_free_address_is_one_at_which_nobody_listens() -> None:
    host, _, port = lead.free_address().partition(":")
    with socket.create_server((host, int(port))) as server:
        assert server.getsockname() == ("127.0.0.1", int(port))


@pytest.mark.parametrize(
    ("error", "is_taken"),
    [
        (OSError(98, "Address already in use"), True),
        (RuntimeError("The server socket has failed to listen: EADDRINUSE"), True),
        (RuntimeError("Connection refused"), False),
    ],
)
def test_an_address_that_is_taken_is_known_by_the_words_of_the_libraries(error: Exception, is_taken: bool) -> None:
    assert lead.is_taken(error) == is_taken
