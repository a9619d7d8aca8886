"""A member of a group that a worker keeps: the harness's end of `bench.turns.members`."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bench.records.codec import RecordError
from bench.turns.channel import Channel, Hello, LostError
from bench.turns.parking import Parked
from bench.turns.turn import Outcome, Turn
from harness import strict
from harness.launchers.base import OnStart

PARKED_PHASE: Final = "rounds"  # in which a member parks
KILL_S: Final = 5.0  # for a worker to end a member
SILENT: Final = "its worker did not answer and was disconnected"


@dataclass(slots=True)
class Worker:
    """A worker that has said hello."""

    hello: Hello
    channel: Channel
    lost: str = ""  # why it is gone; empty: it is there
    pid: int | None = None  # as this process sees it; None: it does not, or nobody asked

    def drop(self, reason: str) -> None:
        """Disconnect, whereupon the worker ends all that it keeps; safe to call twice."""
        self.lost = self.lost or reason
        self.channel.close()

    def is_idle(self) -> bool:
        """Return whether a worker that was asked nothing is still there: it says nothing by itself."""
        return not self.lost and not self.channel.wait_readable(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is known of a member whose worker is gone."""

    started_unix_ns: int
    ran_ns: int  # time within the calls
    phase: str
    reason: str
    timed_out: bool

    def outcome(self) -> Outcome:
        """Return it as the outcome of the member."""
        return Outcome(
            started_unix_ns=self.started_unix_ns,
            wall_ns=self.ran_ns,
            exit_code=None,
            timed_out=self.timed_out,
            phase=self.phase,
            tail=(self.reason,),
        )


class Link(Protocol):
    """How a member comes by its worker."""

    def connect(self, on_start: OnStart) -> Worker | Outcome:
        """Return the worker that is to keep the member, or the outcome where there is none."""
        ...

    def note(self, phase: str) -> None:
        """Take note of the phase that the member is in."""
        ...

    def lost(self, worker: Worker, loss: Loss) -> Outcome:
        """Return the outcome of the member after its worker was lost."""
        ...

    def close(self) -> None:
        """Release what the member alone used; safe to call twice."""
        ...


class RemoteMember:
    """A member whose process a worker keeps (`harness.launchers.base.Member`).

    The worker ends what runs longer than the turn's time limit. One that says nothing for `grace_s` longer is
    disconnected, and all of its members are lost.
    """

    def __init__(self, turn: Turn, number: int, link: Link, *, grace_s: float) -> None:
        self._turn = turn
        self._number = number
        self._link = link
        self._grace_s = grace_s
        self._worker: Worker | None = None  # None: not started, or over
        self._started_unix_ns = 0
        self._ran_ns = 0
        self._phase = "launch"

    def start(self, on_start: OnStart) -> Parked | Outcome:
        """Have a worker start it and wait until it parks, or ends."""
        self._started_unix_ns = time.time_ns()
        try:
            found = self._link.connect(on_start)
        except BaseException:  # Ctrl-C, or an engine that stopped
            self.kill()
            raise
        if isinstance(found, Outcome):
            return self._ended(found)
        self._worker = found
        turn = dataclasses.replace(self._turn, image=self._turn.image or found.hello.image)
        answer = self._ask("start", {"member": self._number, "turn": dataclasses.asdict(turn)}, answer="parked")
        if isinstance(answer, Outcome):
            return answer
        self._note(PARKED_PHASE)
        try:
            return strict.decoded(Parked, answer)
        except RecordError as error:
            return self._lost(f"its worker said something that cannot be read: {error}")

    def run_slice(self) -> Outcome | None:
        """Have it run one time slice; None: it has, and is stopped again."""
        answer = self._ask("slice", self._number, answer="ran")
        return answer if isinstance(answer, Outcome) else None

    def finish(self) -> Outcome:
        """Have it end by itself."""
        answer = self._ask("finish", self._number, answer="outcome")
        assert isinstance(answer, Outcome)
        return answer

    def kill(self) -> None:
        """Have it killed; safe to call at any time, also twice."""
        worker, self._worker = self._worker, None
        if worker and not worker.lost:
            try:
                worker.channel.send("kill", self._number)
                killed, _ = worker.channel.receive(KILL_S)
            except (LostError, TimeoutError) as error:
                worker.drop(str(error) or SILENT)
            else:
                if killed != "killed":
                    worker.drop(f"{killed!r} instead of 'killed'")
        self._link.close()

    def _ask(self, request: str, body: Any, *, answer: str) -> Any | Outcome:
        """Return what the worker answers of kind `answer`, or the outcome of a member that has ended."""
        worker = self._worker
        assert worker, "it is not started, or over"
        if worker.lost:
            return self._lost(worker.lost)
        begin = time.perf_counter_ns()
        try:
            worker.channel.send(request, body)
            said = self._received(worker, answer)
        except TimeoutError:
            return self._lost(SILENT, timed_out=True)
        except (LostError, RecordError) as error:
            return self._lost(f"its worker disconnected during the turn: {error}")
        except BaseException:  # Ctrl-C
            worker.drop("the run was interrupted")
            raise
        finally:
            self._ran_ns += time.perf_counter_ns() - begin
        return self._ended(said) if isinstance(said, Outcome) else said

    def _received(self, worker: Worker, answer: str) -> Any | Outcome:
        """Return the body of the answer, or the outcome; raises as `Channel.receive`, or RecordError."""
        deadline = time.monotonic() + max(0.0, self._turn.timeout_s - self._ran_ns / 1e9) + self._grace_s
        while True:
            kind, body = worker.channel.receive(max(0.0, deadline - time.monotonic()))
            if kind == "outcome":
                return strict.decoded(Outcome, body)
            if kind == answer:
                return body
            if kind != "phase":
                raise LostError(f"{kind!r} instead of {answer!r}")
            self._note(str(body))

    def _note(self, phase: str) -> None:
        self._phase = phase
        self._link.note(phase)

    def _lost(self, reason: str, *, timed_out: bool = False) -> Outcome:
        assert self._worker
        self._worker.drop(reason)
        loss = Loss(
            started_unix_ns=self._started_unix_ns,
            ran_ns=self._ran_ns,
            phase=self._phase,
            reason=reason,
            timed_out=timed_out,
        )
        try:
            return self._link.lost(self._worker, loss)
        finally:
            self._worker = None
            self._link.close()

    def _ended(self, outcome: Outcome) -> Outcome:
        self._worker = None
        self._link.close()
        return outcome
