"""The replicates that take turns in a worker, at the harness's word (`bench.turns.channel`). Standard library only."""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bench.records import codec
from bench.turns.channel import Channel, LostError
from bench.turns.kept import Kept
from bench.turns.parking import Parked
from bench.turns.turn import Outcome, Turn
from bench.turns.watch import PHASE_EVERY_S, PhaseWatch

PREFIX: Final = "turn-"  # of the folder of a turn
KERNELS_FOLDER: Final = "kernels"


@dataclass(slots=True)
class Member:
    """A member that has been started and has not ended."""

    kept: Kept
    folder: Path
    pid: int = 0


class Members:
    """Those of one connection; when it ends, for whatever reason, all of them are killed."""

    def __init__(
        self,
        channel: Channel,
        phase_every_s: float = PHASE_EVERY_S,
        made_ready: Callable[[Turn], Turn] = lambda turn: turn,
    ) -> None:
        """Answer on `channel`; `made_ready` returns a turn with what this container adds to it."""
        self._made_ready = made_ready
        self.alive: set[int] = set()  # their first processes
        self._channel = channel
        self._phase_every_s = phase_every_s
        self._members: dict[int, Member] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self._members.values():
            member.kept.kill()

    def answer(self, kind: str, body: Any) -> tuple[str, Any]:
        """Do what the harness says, and return the answer as (kind, body).

        Raises:
            LostError: the harness is gone, or said something unknown.
        """
        match kind, body:
            case "start", {"member": int(number), "turn": dict(turn)} if number not in self._members:
                return self._start(number, self._made_ready(decoded(turn)))
            case "slice", int(number) if number in self._members:
                return self._run(number, lambda member: member.kept.run_slice() or ("ran", None))
            case "finish", int(number) if number in self._members:
                return self._run(number, lambda member: member.kept.finish())
            case "kill", int(number):
                if number in self._members:
                    self._members.pop(number).kept.kill()
                return "killed", None
        raise LostError(f"unknown message {kind!r}")

    def _start(self, number: int, turn: Turn) -> tuple[str, Any]:
        begin = time.time_ns()
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        except OSError as error:
            return "outcome", dataclasses.asdict(not_begun(begin, error))
        self._members[number] = Member(Kept(turn, folder, self.alive), folder)

        def start(member: Member, watch: PhaseWatch) -> Outcome | tuple[str, Any]:
            def started(pid: int, _: Path) -> None:
                member.pid = pid
                watch.started(pid)

            answer = member.kept.start(started)
            return ("parked", dataclasses.asdict(answer)) if isinstance(answer, Parked) else answer

        return self._watched(number, start)

    def _run(self, number: int, run: Callable[[Member], Outcome | tuple[str, Any]]) -> tuple[str, Any]:
        return self._watched(number, lambda member, _: run(member))

    def _watched(self, number: int, run: Callable[[Member, PhaseWatch], Outcome | tuple[str, Any]]) -> tuple[str, Any]:
        """Run a member until it parks or ends; when the connection drops meanwhile, it is killed."""
        member = self._members[number]
        with PhaseWatch(self._channel, member.folder, self._phase_every_s, pid=member.pid) as watch:
            answer = run(member, watch)
        if watch.lost:
            raise LostError("its members were ended")
        if not isinstance(answer, Outcome):
            return answer
        del self._members[number]
        return "outcome", dataclasses.asdict(answer)


def decoded(body: Any) -> Turn:
    """Return the turn that the harness sent; raises LostError."""
    try:
        return codec.decode(Turn, body)
    except codec.RecordError as error:
        raise LostError(f"a turn that cannot be read: {error}") from error


def with_kernels(turn: Turn) -> Turn:
    """Return the turn with a folder for what CUDA's driver compiles, which lasts as long as this container."""
    if turn.cell.device != "cuda":
        return turn
    folder = Path(tempfile.gettempdir()) / KERNELS_FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return turn
    return dataclasses.replace(turn, kernels=str(folder))


def not_begun(begin_unix_ns: int, error: OSError) -> Outcome:
    """Return the outcome of a turn that the file system does not let begin, such as a full /tmp."""
    wall_ns = time.time_ns() - begin_unix_ns
    return Outcome(started_unix_ns=begin_unix_ns, wall_ns=wall_ns, exit_code=None, tail=(str(error),))
