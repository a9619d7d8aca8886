"""One rank beside the leader, seen by the leader: its process, what it was told, what it answers and prints."""

import contextlib
import ctypes
import dataclasses
import os
import select
import signal
import subprocess
import sys
from collections import deque
from typing import Any, Final

from bench.guests import usage
from bench.parallel import messages
from bench.parallel.strategies import cpus_of, variables_of
from bench.records import text
from bench.turns.parking import PARENT
from bench.turns.prepare import PR_SET_PDEATHSIG, scratch
from bench.turns.supervise import signal_name
from bench.turns.turn import Turn

LOOK_S: Final = 0.25  # between two looks whether it has ended: another process may have the other end of its answers
NOTICE_S: Final = 1.0  # until a rank whose connections broke has ended
LOG_BYTES: Final = 1 << 16  # of the end of what a rank printed
LAST_WORDS: Final = 200  # characters
PIECE_BYTES: Final = 1 << 16


class FollowerError(RuntimeError):
    """A rank beside the leader ended, hangs, or could not do what it was told; one sentence that names it."""


class Member:
    """One follower."""

    def __init__(self, turn: Turn, rank: int) -> None:
        """Start the process of `rank`, on its processors and with its variables.

        Raises:
            OSError: it cannot be started.
        """
        self.rank = rank
        self.name = f"rank {rank} of {turn.cell.ranks}"
        self.order = "begin"
        self.owes: deque[str] = deque()  # words of the answers that it has been asked for
        self.unread = b""
        folder = scratch() / f"rank-{rank}"
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "printed.log"
        self._answers, answers = os.pipe()
        cpus = cpus_of(turn.cpus, rank, turn.cell.ranks)

        def begin() -> None:
            _LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if cpus:
                os.sched_setaffinity(0, cpus)

        try:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "bench.parallel.follower", str(answers)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env={**variables_of(turn, rank, folder), PARENT: str(os.getpid())},
                    pass_fds=(answers,),
                    preexec_fn=begin,
                )
        except BaseException:
            os.close(self._answers)
            raise
        finally:
            os.close(answers)
        usage.began(self.process.pid)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self.process.pid

    def begin(self, turn: Turn) -> None:
        """Give the first order."""
        self.tell("begin", {"turn": dataclasses.asdict(turn), "rank": self.rank}, "started")

    def tell(self, word: str, body: Any, answer: str) -> None:
        """Give an order, whose answer is `answer`."""
        self.order = word
        self.owes.append(answer)
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended, which its answers tell
            self.process.stdin.write(messages.line(word, body))
            self.process.stdin.flush()

    def hear(self) -> Any:
        """Return the body of the next answer that it owes, however long it takes.

        Raises:
            FollowerError: it ended, could not do it, or said something else.
        """
        while b"\n" not in self.unread:
            if not select.select([self._answers], [], [], LOOK_S)[0]:
                if self.process.poll() is None:
                    continue
                if not select.select([self._answers], [], [], 0)[0]:  # another process has the other end
                    raise self.ended()
            piece = os.read(self._answers, PIECE_BYTES)
            if not piece:
                raise self.ended()
            self.unread += piece
        line, _, self.unread = self.unread.partition(b"\n")
        try:
            word, body = messages.read(line)
        except ValueError as error:
            raise FollowerError(f"{self.name}, told to {self.order}, gave an answer that cannot be read") from error
        if word == "failed":
            raise FollowerError(f"{self.name}, told to {self.order}, says: {body}")
        wanted = self.owes.popleft()
        if word == "skipped":
            raise FollowerError(f"{self.name}, told to {self.order}, skips what rank 0 does not: {body}")
        if word != wanted:
            raise FollowerError(f"{self.name}, told to {self.order}, answered {word!r} instead of {wanted!r}")
        return body

    def is_silent(self) -> bool:
        """Return whether it owes an answer and has said nothing."""
        return bool(self.owes) and not select.select([self._answers], [], [], 0)[0]

    def ended(self) -> FollowerError:
        """Return how it ended: by its own account, else by a signal or an exit code, with its last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(NOTICE_S)
        said = self._failed()
        if said:
            return FollowerError(f"{self.name}, told to {self.order}, says: {said}")
        code = self.process.poll()
        if code is None:
            how = "closed its answers and went on"
        else:
            how = f"was ended by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        words = self.last_words()
        return FollowerError(
            f"{self.name}, told to {self.order}, {how}{f' (its last words: {words})' if words else ''}"
        )

    def _failed(self) -> str:
        """Return the sentence of an answer "failed" that nobody has heard yet; empty: there is none."""
        while select.select([self._answers], [], [], 0)[0] and (piece := os.read(self._answers, PIECE_BYTES)):
            self.unread += piece
        for line in self.unread.splitlines():
            with contextlib.suppress(ValueError):
                word, body = messages.read(line)
                if word == "failed":
                    return str(body)
        return ""

    def last_words(self) -> str:
        """Return the last line that it printed; empty: none."""
        lines = text.log(self.printed()).splitlines()
        return next((line.strip()[:LAST_WORDS] for line in reversed(lines) if line.strip()), "")

    def printed(self) -> str:
        """Return the end of what it printed."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
            return file.read().decode(errors="replace")
        return ""

    def end(self) -> None:
        """Kill it, whatever it does: a library may have caught SIGTERM. Safe to call twice."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        usage.ended(self.pid)
        assert self.process.stdin
        with contextlib.suppress(OSError):  # what it was told last and did not read
            self.process.stdin.close()
        if self._answers >= 0:
            os.close(self._answers)
            self._answers = -1


_LIBRARY: Final = ctypes.CDLL(None)
