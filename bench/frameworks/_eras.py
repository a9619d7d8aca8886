"""Frameworks of the past, in interpreters of their time: what their files share. Each has a guest of its own.

The guest builds the regression, makes the steps and times its rounds; here it is ordered, and what it says is compared.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.guests import interpreter
from bench.guests.host import Guest, GuestError
from bench.interface import GuestRound, Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.precision import FLOAT32
from bench.reference.workload import Adam, Array32, Array64, Workload
from bench.turns.prepare import scratch

PROVED = {each.name for each in dataclasses.fields(ModeProof)}


@dataclass(slots=True)
class Era:
    """A framework of the past, and the guest that runs it."""

    program: str  # of the guest: a file under bench/guests/eras, without .py
    title: str
    begin: Callable[[str, str], Guest] | None = None  # starts the program; None: in a Python of its time
    threads: int = 1
    _guests: list[Guest] = field(default_factory=list)  # the one that runs

    def start(self, device: str, threads: int) -> None:
        """Remember the threads: the guest is told them as it builds."""
        if device != "cpu":
            raise RuntimeError(f"{self.title} is measured on the CPU only, not on {device}")
        self.threads = threads

    def guest(self) -> Guest:
        """Return the guest with its framework loaded, which is started when it is first needed; raises GuestError."""
        if not self._guests:
            self._guests.append((self.begin or interpreter.start)(self.program, self.title))
        return self._guests[0]

    def build(self, workload: Workload, mode: str, precision: str) -> Step | Skip:
        """Return the regression in `mode`, trained by the guest; raises GuestError."""
        if precision != FLOAT32:
            return Skip(f"{self.title} is measured in float32 only, not {precision}")
        if not workload.trains:
            return Skip(f"{self.title} has no forward pass alone here")
        guest, made = self.guest(), str(scratch() / "guest-output.f32")
        guest.ask("build", {"mode": mode, "threads": self.threads, **_order(workload)}, "built")

        def run(calls: int, rounds: int) -> Sequence[GuestRound]:
            last = (lambda: _losses(guest, made),)
            return [GuestRound(outputs=last, **ran) for ran in guest.run(calls, rounds)]

        return Step(
            guest=run,
            reset=lambda: guest.ask("reset", None, "reset"),
            parameters=lambda: _parameters(guest, made),
            proof=lambda: _proof(guest.ask("proof", None, "proof")),
            release=lambda: guest.ask("release", None, "released"),
        )

    def memory(self) -> Allocator:
        """No statistics. The guest collects its garbage first."""
        for guest in self._guests:
            guest.ask("rest", None, "rested")
        return Allocator(why=f"{self.title} is not asked for its allocator")

    def versions(self) -> Sequence[str]:
        """Return those of the framework and of its interpreter, of the guest, and of NumPy for the reference."""
        return (*map(str, self.guest().started["versions"]), f"numpy=={np.__version__}")


def _order(workload: Workload) -> Mapping[str, Any]:
    """Write the arrays into files; return what the guest is told."""

    def written(name: str, array: Array32) -> list[Any]:
        path = scratch() / f"guest-{name}.f32"
        path.write_bytes(array.astype("<f4").tobytes())
        return [str(path), list(array.shape)]

    batch, update = workload.batch, workload.optimizer
    adam = {"beta1": update.beta1, "beta2": update.beta2, "epsilon": update.epsilon} if isinstance(update, Adam) else {}
    return {
        "x": written("x", batch.x),
        "y": written("y", batch.y),
        "parameters": {name: written(name, array) for name, array in workload.parameters.items()},
        "optimizer": {"name": "adam" if adam else "sgd", "rate": update.learning_rate, **adam},
    }


def _losses(guest: Guest, path: str) -> Array64:
    """Return the losses of the guest's last round; raises GuestError."""
    told = guest.ask("output", path, "output")
    found = np.fromfile(path, "<f4")
    if told["dtype"] != "float32" or list(found.shape) != told["shape"]:
        raise GuestError(f"{guest.name} wrote {found.size} numbers for {told['dtype']} of shape {told['shape']}")
    return found.astype(np.float64)


def _parameters(guest: Guest, path: str) -> Mapping[str, Array32]:
    """Return the guest's parameters as they are now; raises GuestError."""
    told = guest.ask("parameters", path, "parameters")
    found, parameters, begin = np.fromfile(path, "<f4"), {}, 0
    for name, shape, dtype in told:
        if dtype != FLOAT32:
            raise GuestError(f"{guest.name} has {name} in {dtype}, not in {FLOAT32}")
        end = begin + int(np.prod(shape, dtype=int))
        parameters[name] = found[begin:end].reshape(shape)
        begin = end
    return parameters


def _proof(told: Mapping[str, Any]) -> ModeProof:
    return ModeProof(**{"threads": None, "compilations": None, **{name: told[name] for name in told if name in PROVED}})


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: the guest waits for its last call."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses of the last round, flat."""
    losses: Array64 = outputs[-1]()
    return losses


def empty_cache() -> bool:
    """Nothing is kept here."""
    return False
