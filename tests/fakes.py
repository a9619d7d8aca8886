"""Stand-ins at the boundaries: a clock that only moves when told, a framework on it, a launcher without processes."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interface import GuestRound, Skip, Step
from bench.protocol.rounds import EnoughRounds
from bench.records.record import Allocator, ModeProof
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA, Workload
from bench.turns.parking import Parked
from bench.turns.turn import Outcome, Turn
from harness.launchers.base import OnStart, Say


class FakeClock:
    """Nanoseconds that pass only by `spend`."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def spend(self, ns: int) -> None:
        self.now_ns += ns

    def rounds(self, run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
        """What pedantic does, on this clock."""
        durations: list[int] = []
        with contextlib.suppress(EnoughRounds):
            for _ in range(count):
                before()
                begin = self.now_ns
                run()
                durations.append(self.now_ns - begin)
        return durations


@dataclass
class FakeFramework:
    """Gives the float64 reference's own losses; every call and every wait costs a fixed time and leaves a trace."""

    clock: FakeClock
    first_ns: int = 500_000_000
    step_ns: int = 100_000
    wait_ns: int = 0
    mode: str = "eager"
    device: str = "cpu"
    threads: int | None = 1
    slower_by_ns: int = 0  # what every call adds to the cost of the next: a machine that never settles
    compile_every: int = 0  # calls between two compilations; 0: only the first compiles
    captures: Mapping[int, int] = field(default_factory=dict)  # what further calls take, by number from 1: they compile
    counts: bool = True  # whether the proof counts compilations
    wrong_by: float = 0.0  # added to every loss
    wrong_start: float = 0.0  # added to the initial weight
    found: Mapping[str, Any] = field(default_factory=dict)  # what else the proof says
    inference_off: float | None = None  # not None: a trained model that predicts, wrong by so much
    allocations: int | None = None  # device allocations at the start; None: no such statistic
    allocations_per_call: int = 0
    policy: str = ""  # of the allocator, as found
    has_cache: bool = False  # whether it can be emptied
    fit: bool = False  # a trainer that owns its loop
    fit_ns: int = 0  # what a fit costs beside its steps
    pipe_ns: int | None = None  # not None: a guest, whose orders and answers take so long each
    untimed_ns: int = 0  # of work that the guest does in a round beside what it times
    guest_clock_ns: int = 0  # by how much the guest's clock is ahead
    build_error: Exception | None = None
    skip: str = ""
    calls: list[str] = field(default_factory=list)
    made: int = 0
    compilations: int = 0
    MODES: Mapping[str, str] = field(default_factory=dict)
    BASELINE: str = "eager"
    ENVIRONMENT: Mapping[str, str] = field(default_factory=dict)
    FORWARD: Mapping[str, Any] = field(default_factory=lambda: {"regression": None})
    ADAM: str = KINGMA_BA

    def start(self, device: str, threads: int) -> None:
        self.calls.append(f"start {device} {threads}")

    def build(self, workload: Workload, mode: str, precision: str) -> Step | Skip:
        self.calls.append(f"build {workload.name} {mode} {precision}")
        if self.build_error:
            raise self.build_error
        if self.skip:
            return Skip(self.skip)
        expected = reference(workload, workload.formula(self.ADAM))
        at = 0

        def call() -> float:
            nonlocal at
            self.calls.append("call")
            self.clock.spend(self.captures.get(self.made + 1, self.step_ns) if self.made else self.first_ns)
            self.step_ns += self.slower_by_ns
            is_due = self.compile_every and self.made % self.compile_every == 0
            if self.made == 0 or self.made + 1 in self.captures or is_due:
                self.compilations += 1
            self.made += 1
            at += 1
            return expected.losses[min(at, workload.steps) - 1] + self.wrong_by

        def fit(steps: int) -> list[float]:
            self.clock.spend(self.fit_ns)
            return [call() for _ in range(steps)]

        def reset() -> None:
            nonlocal at
            at = 0
            self.calls.append("reset")

        def parameters() -> Mapping[str, NDArray[np.float32]]:
            now = reference(workload, workload.formula(self.ADAM), min(at, workload.steps)).parameters
            found = {name: array.astype(np.float32) for name, array in now.items()}
            found["weight"] = found["weight"] + np.float32(self.wrong_start)
            return found

        def proof() -> ModeProof:
            return ModeProof(
                mode=self.mode,
                device=self.device,
                threads=self.threads,
                precision="float32",
                compilations=self.compilations if self.counts else None,
                **self.found,
            )

        if self.inference_off is not None:
            return self.trained(workload, call, proof)
        loop: dict[str, Any] = {"fit": fit} if self.fit else self.called(call)
        return Step(**loop, reset=reset, parameters=parameters, proof=proof)

    def called(self, call: Callable[[], float]) -> dict[str, Any]:
        """The calls of a step: made here, or by a guest."""
        pipe_ns = self.pipe_ns
        if pipe_ns is None:
            return {"call": call}

        def made(calls: int) -> GuestRound:
            begin = self.clock()
            outputs = [call() for _ in range(calls)]
            end = self.clock()
            self.clock.spend(self.untimed_ns)
            ahead = self.guest_clock_ns
            return GuestRound(outputs=outputs, begin_ns=begin + ahead, end_ns=end + ahead, cpu_ns=end - begin)

        def guest(calls: int, rounds: int) -> list[GuestRound]:
            self.calls.append(f"order {rounds}")
            self.clock.spend(pipe_ns)
            ran = [made(calls) for _ in range(rounds)]
            self.clock.spend(pipe_ns)
            return ran

        return {"guest": guest}

    def trained(self, workload: Workload, call: Callable[[], object], proof: Callable[[], ModeProof]) -> Step:
        """A step that predicts with the reference's own trained parameters."""
        expected = reference(workload, workload.formula(self.ADAM))
        trained = {name: array.astype(np.float32) for name, array in expected.parameters.items()}
        trained["weight"] = trained["weight"] + np.float32(self.wrong_start)

        def predict() -> NDArray[np.float32]:
            call()
            line = workload.batch.x @ trained["weight"] + trained["bias"]
            return np.asarray(line + np.float32(self.inference_off))

        return Step(call=predict, reset=lambda: None, parameters=lambda: trained, proof=proof, inference=True)

    def wait(self, outputs: Sequence[Any]) -> None:
        self.calls.append("wait")
        self.clock.spend(self.wait_ns)

    def to_numpy(self, outputs: Sequence[Any]) -> NDArray[np.float64]:
        return np.asarray(outputs, dtype=np.float64).ravel()

    def memory(self) -> Allocator:
        if self.pipe_ns is not None:  # a guest is asked to collect its garbage
            self.calls.append("memory")
        if self.allocations is None:
            return Allocator(policy=self.policy)
        return Allocator(
            policy=self.policy, device_allocations=self.allocations + self.made * self.allocations_per_call
        )

    def empty_cache(self) -> bool:
        self.calls.append("empty cache")
        return self.has_cache

    def versions(self) -> Sequence[str]:
        return ("fake==1",)


class FakeLauncher:
    """Answers every turn by `answer`; remembers the turns."""

    name = "fake"
    in_container = False

    def __init__(self, answer: Callable[[Turn], Outcome], unprepared: Mapping[str, str] | None = None) -> None:
        self.answer = answer
        self.unprepared = unprepared or {}
        self.turns: list[Turn] = []
        self.closed = 0
        self.inventories: dict[str, str] = {}  # by framework
        self.cannot = ""
        self.events: list[tuple[str, int]] = []  # what its members did, by the position of their turn
        self.resident_bytes = 100 << 20
        self.slice_ns = 50_000_000
        self.dies: dict[int, str] = {}  # position of a turn: the call in which its process dies

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        return {name: reason for name, reason in self.unprepared.items() if name in frameworks}

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        self.turns.append(turn)
        return self.answer(turn)

    def why_not_alternate(self) -> str:
        return self.cannot

    def member(self, turn: Turn) -> "FakeMember":
        return FakeMember(self, turn)

    def again(self, run: Path) -> str:
        return f"samestep run --resume {run}"

    def damage(self, framework: str) -> str:
        return ""

    def inventory(self, framework: str) -> str:
        return self.inventories.get(framework, "")

    def close(self) -> None:
        self.closed += 1


class FakeMember:
    """A member of a group: it parks unless its answer is no good record; the answer comes at its end."""

    def __init__(self, launcher: FakeLauncher, turn: Turn) -> None:
        self.launcher = launcher
        self.turn = turn
        self.is_over = False

    def start(self, on_start: OnStart) -> Parked | Outcome:
        self.launcher.turns.append(self.turn)
        return self._does("start") or Parked(
            slice_ns=self.launcher.slice_ns, resident_bytes=self.launcher.resident_bytes
        )

    def run_slice(self) -> Outcome | None:
        return self._does("slice")

    def finish(self) -> Outcome:
        died = self._does("finish")
        self.is_over = True
        return died or self.launcher.answer(self.turn)

    def kill(self) -> None:
        if not self.is_over:
            self.launcher.events.append(("kill", self.turn.position))
        self.is_over = True

    def _does(self, what: str) -> Outcome | None:
        assert not self.is_over
        self.launcher.events.append((what, self.turn.position))
        if self.launcher.dies.get(self.turn.position) != what:
            return None
        self.is_over = True
        return Outcome(started_unix_ns=1, wall_ns=2, exit_code=None, signal="SIGKILL", phase="rounds")
