"""How ranks that need an address each find them: every rank has a free port, and rank 0 tells all of them to all."""

import json
import socket
import time
from typing import Final

from bench.parallel import World

MEETING_S: Final = 120.0  # for all ranks to have imported their framework
RETRY_S: Final = 0.05


def of_ranks(world: World) -> list[str]:
    """Return a free address for the server of each rank: each rank finds its own, rank 0 collects and sends them all.

    Raises:
        OSError: not all ranks come within `MEETING_S`.
    """
    host, _, port = world.address.rpartition(":")
    with socket.socket() as own:
        own.bind((host, 0))
        mine = f"{host}:{own.getsockname()[1]}"
        if world.rank:
            with _reach(host, int(port)) as leader:
                leader.sendall(json.dumps([world.rank, mine]).encode() + b"\n")
                told: list[str] = json.loads(leader.makefile("rb").readline())
                return told
        with socket.create_server((host, int(port)), backlog=world.size) as server:
            server.settimeout(MEETING_S)
            followers = [server.accept()[0] for _ in range(1, world.size)]
            by_rank = {0: mine} | dict(json.loads(follower.makefile("rb").readline()) for follower in followers)
            everyone = [by_rank[rank] for rank in range(world.size)]
            for follower in followers:
                with follower:
                    follower.sendall(json.dumps(everyone).encode() + b"\n")
            return everyone


def _reach(host: str, port: int) -> socket.socket:
    """Connect to rank 0, which may not be there yet."""
    deadline = time.monotonic() + MEETING_S
    while True:
        try:
            return socket.create_connection((host, port), timeout=MEETING_S)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
