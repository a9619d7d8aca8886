"""ONNX Runtime in JavaScript: what its packages for node share. Each has a guest of its own (decision 46).

The guest loads the model, makes the calls of a round and times them; here it is ordered, and what it says is compared.
A call is `await session.run(feeds)`, as an application would write it: a turn of node's event loop is in it.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.exports.onnx import mode_of
from bench.exports.onnx.header import producer
from bench.guests import node
from bench.guests.host import Guest, GuestError
from bench.interface import GuestRound, Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import Array64, Workload


@dataclass(slots=True)
class Engine:
    """One of the packages, and the guest that runs it."""

    program: str  # of the guest
    title: str
    most_threads: int | None = None  # that it computes on here; None: any number
    threads: int = 1
    _guests: list[Guest] = field(default_factory=list)  # the one that runs

    def start(self, device: str, threads: int) -> None:
        """Remember the threads: they are an option of the session, which `build` makes."""
        if device != "cpu":
            raise RuntimeError(f"{self.title} is measured on the CPU only, not on {device}")
        self.threads = threads

    def guest(self) -> Guest:
        """Return node with the package loaded, which is started when it is first needed; raises GuestError."""
        if not self._guests:
            self._guests.append(node.start(self.program, node.PROGRAM))
        return self._guests[0]

    def build(self, workload: Workload, mode: str, precision: str) -> Step | Skip:
        """Return inference of the model at SAMESTEP_MODEL; the guest optimises the graph here, as it makes the session.

        Raises:
            GuestError: the guest has ended, cannot load the model, or loaded other bytes.
        """
        if precision != "float32":
            return Skip(f"{self.title} is measured in float32 only, not {precision}")
        if self.most_threads is not None and self.threads > self.most_threads:
            return Skip(f"{self.title} computes on one thread, {self.threads} are asked for")
        model = Path(os.environ["SAMESTEP_MODEL"])
        batch, made = model.with_name("batch.f32"), model.with_name("output.f32")
        x = workload.batch.x  # (n, …)
        batch.write_bytes(x.astype("<f4").tobytes())
        asked = {"model": str(model), "batch": str(batch), "shape": list(x.shape), "threads": self.threads}
        guest = self.guest()
        built = guest.ask("build", asked, "built")
        content = model.read_bytes()
        if built["sha256"] != (digest := hashlib.sha256(content).hexdigest()):
            raise GuestError(
                f"{guest.name} loaded other bytes than the model's: {built['sha256'][:12]}…, not {digest[:12]}…"
            )

        def run(calls: int, rounds: int) -> Sequence[GuestRound]:
            last = (lambda: _output(guest, made),)
            return [GuestRound(outputs=last, **ran) for ran in guest.run(calls, rounds)]

        return Step(
            guest=run,
            reset=lambda: None,  # a trained model has no state
            parameters=lambda: dict(workload.parameters),  # an engine shows none: digest and predictions prove them
            proof=lambda: self._proof(guest.ask("proof", None, "proof"), producer(content)),
            inference=True,
            release=lambda: guest.ask("release", None, "released"),
        )

    def _proof(self, told: Mapping[str, Any], writer: str) -> ModeProof:
        """Return what the session says of itself, and how many threads it began."""
        providers = ", ".join(told["executionProviders"])
        return ModeProof(
            mode=mode_of(writer),
            device=str(told["location"]),
            threads=int(told["threads"]),
            precision=str(told["input"]),
            compilations=None,
            output_device=str(told["location"]),
            output_precision=str(told["output"]),
            evidence=f"the model's producer is {writer!r}, the SHA-256 of the bytes that {', '.join(self._versions())}"
            f" loaded {told['sha256']}; provider {providers}; the session began {told['threads'] - 1} threads beside"
            f" node's own; {told['executionMode']}, graph optimisation {told['graphOptimizationLevel']}; the dtypes are"
            " those of input and result",
        )

    def memory(self) -> Allocator:
        """No statistics: the packages show none of ONNX Runtime's arenas. The guest collects its garbage first."""
        for guest in self._guests:
            guest.ask("rest", None, "rested")
        return Allocator(why=f"{self.title} shows nothing of its arenas")

    def _versions(self) -> Sequence[str]:
        return tuple(map(str, self.guest().started["versions"]))

    def versions(self) -> Sequence[str]:
        """Return those of the package and of node, of the guest, and of NumPy for the inputs."""
        return (*self._versions(), f"numpy=={np.__version__}")


def _output(guest: Guest, path: Path) -> Array64:
    """Return the result of the guest's last call, flat; raises GuestError."""
    told = guest.ask("output", str(path), "output")
    found = np.fromfile(path, "<f4")
    if told["dtype"] != "float32" or found.size != np.prod(told["shape"], dtype=int):
        raise GuestError(f"{guest.name} wrote {found.size} numbers for {told['dtype']} of shape {told['shape']}")
    return found.astype(np.float64)


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: the guest waits for its last call."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the predictions of the last inference, flat."""
    found: Array64 = outputs[-1]()
    return found


def empty_cache() -> bool:
    """There is no such call."""
    return False
