"""A strategy without a framework: NumPy's step in each rank, gradients averaged by rank 0 over sockets.

Followers load it as `bench.parallel.numpy` (see `conftest.py`). PLANTED plants a fault.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.frameworks import numpy as plain
from bench.interface import Skip
from bench.parallel import Collectives, ParallelStep, World
from bench.records.record import ModeProof
from bench.reference.workload import Adam, Array32, Workload

STRATEGIES = {"star": "rank 0 averages the gradients of all"}
PROCESSES = ("star",)
COMPARED = {"star": "eager"}
ENVIRONMENT = {"STAR": "{ranks}"}
ADAM, FORWARD = plain.ADAM, plain.FORWARD
start, wait, to_numpy, memory = plain.start, plain.wait, plain.to_numpy, plain.memory
empty_cache, versions = plain.empty_cache, plain.versions
PLANTED = os.environ.get("PLANTED", "")
OPEN: list[socket.socket] = []
FATAL_CALL = 25  # the gate's first run is over


class Star:
    """The connections of a rank."""

    def __init__(self, world: World) -> None:
        self.size = world.size
        host, _, port = world.address.partition(":")
        self.is_centre = world.rank == 0
        if self.is_centre:
            with socket.create_server((host, int(port))) as server:
                self.peers = [server.accept()[0] for _ in range(world.size - 1)]
        else:
            self.peers = [connected(host, int(port))]
        OPEN.extend(self.peers)
        for peer in self.peers:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def mean(self, own: Array32) -> Array32:
        if self.is_centre:
            total = own + sum(received(peer, own) for peer in self.peers)
            mean = np.asarray(total if PLANTED == "sum" else total / np.float32(self.size), np.float32)
            for peer in self.peers:
                peer.sendall(mean.tobytes())
            return mean
        self.peers[0].sendall(own.tobytes())
        mean = received(self.peers[0], own)
        return own if PLANTED == "alone" else mean


def connected(host: str, port: int) -> socket.socket:
    until = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection((host, port))
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def received(peer: socket.socket, like: Array32) -> Array32:
    data = b""
    while len(data) < like.nbytes:
        if not (piece := peer.recv(like.nbytes - len(data))):
            raise ConnectionError("Connection closed by peer")
        data += piece
    return np.frombuffer(data, np.float32).reshape(like.shape)


def once(what: str) -> bool:
    """Whether this is the first time, of all processes of a test."""
    try:
        (Path(os.environ["ONCE"]) / what).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    if PLANTED == "skip":
        return Skip("there is no star here")
    if PLANTED == "taken" and world.rank == 0 and once("taken"):
        raise RuntimeError(f"The server socket on {world.address} failed: EADDRINUSE, Address already in use")
    if PLANTED == "build" and world.rank == 1:
        raise ValueError("a fault of the build")
    star = Star(world)
    rank = 0 if PLANTED == "shard" else world.rank
    x, y = World(rank=rank, size=world.size).share(workload).batch
    return Rank(workload, world, star, FORWARD[workload.name](x, y)).step()


class Rank:
    """The state of one rank."""

    def __init__(
        self,
        workload: Workload,
        world: World,
        star: Star,
        loss_and_gradient: Callable[[Mapping[str, Array32]], tuple[Array32, Mapping[str, Array32]]],
    ) -> None:
        self.workload, self.world, self.star = workload, world, star
        self.loss_and_gradient = loss_and_gradient
        self.p = {name: array.copy() for name, array in workload.parameters.items()}
        assert isinstance(workload.optimizer, Adam)
        self.update = plain.AdamState(workload.optimizer, self.p)
        self.calls = 0
        self.exchanged = 0

    def call(self, *, exchanges: bool = True) -> Array32:
        self.calls += 1
        if self.world.rank == 1 and self.calls == FATAL_CALL:
            fail()
        loss, gradient = self.loss_and_gradient(self.p)
        self.update.apply(self.averaged(gradient) if exchanges else gradient)
        return loss

    def averaged(self, gradient: Mapping[str, Array32]) -> Mapping[str, Array32]:
        self.exchanged += len(gradient)
        return {name: self.star.mean(np.ascontiguousarray(slope)) for name, slope in gradient.items()}

    def reset(self) -> None:
        for name, array in self.workload.parameters.items():
            self.p[name][...] = array
        self.update.reset()

    def collectives(self) -> Collectives:
        before = self.exchanged
        self.call()
        return Collectives(
            backend="sockets",
            ranks=self.world.size - 1 if PLANTED == "fewer" else self.world.size,
            operations=("all-reduce",),
            count=self.exchanged - before,
            bytes=sum(array.nbytes for array in self.p.values()),
            evidence="counted in a step",
        )

    def proof(self) -> ModeProof:
        mode = "other" if PLANTED == "mode" and self.world.rank == 1 else "star"
        return ModeProof(mode=mode, device="cpu", threads=None, precision="float32", compilations=None, evidence="told")

    def step(self) -> ParallelStep:
        def gradient() -> Any:
            return self.averaged(self.loss_and_gradient(self.p)[1])

        return ParallelStep(
            call=self.call,
            reset=self.reset,
            parameters=lambda: {name: array.copy() for name, array in self.p.items()},
            gradient=gradient,
            proof=self.proof,
            collectives=self.collectives,
            unsynchronised=lambda: self.call(exchanges=False),
        )


def fail() -> None:
    if PLANTED == "killed":
        print("in the midst of a star", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if PLANTED == "parted":
        if os.fork() == 0:
            time.sleep(60)  # with the connections open: rank 0 waits for them
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
    if PLANTED == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if PLANTED == "exits":
        os._exit(7)
    if PLANTED == "raises":
        raise ValueError("a fault of rank 1")
