"""Ranks that need an address each find one, and all learn the same."""

import errno
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.parallel import World, _addresses


def free() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_every_rank_learns_the_addresses_of_all_in_the_order_of_the_ranks() -> None:
    address = free()
    worlds = [World(rank=rank, size=3, address=address) for rank in (2, 1, 0)]  # rank 0 listens last
    with ThreadPoolExecutor(3) as threads:
        told = list(threads.map(_addresses.of_ranks, worlds))

    assert told[0] == told[1] == told[2]
    assert len(set(told[0])) == 3
    assert address not in told[0]
    assert all(each.startswith("127.0.0.1:") for each in told[0])


def test_a_single_rank_waits_for_nobody() -> None:
    assert len(_addresses.of_ranks(World(size=1, address=free()))) == 1


def test_an_address_that_is_taken_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        world = World(size=2, address=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(OSError, match="in use") as raised:
            _addresses.of_ranks(world)

    assert raised.value.errno == errno.EADDRINUSE


def test_ranks_that_do_not_come_are_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_addresses, "MEETING_S", 0.2)

    with pytest.raises(TimeoutError):
        _addresses.of_ranks(World(size=2, address=free()))
    with pytest.raises(ConnectionRefusedError):
        _addresses.of_ranks(World(rank=1, size=2, address=free()))
