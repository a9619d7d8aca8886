"""The ranks beside the leader: started, ordered, watched and ended by it.

    start ─→ tell an order to all ─→ the leader does the same ─→ hear an answer of each ─→ … ─→ end

All are in the leader's process group: who stops, continues or kills that reaches them. A thread of the leader watches
them, since a leader that waits in a collective for a rank that is gone may wait for ever. It gives the leader some
seconds to notice by itself, and then ends the process with the sentence that the leader would have told.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from bench.parallel.member import LOOK_S, NOTICE_S, FollowerError, Member
from bench.parallel.silence import Silence
from bench.turns.turn import Turn

GRACE_S: Final = 4.0  # until the leader has noticed by itself that a rank is gone
SILENT_S: Final = 30.0  # in which nobody of the group uses the processor, and a rank owes an answer
FAILED: Final = 1  # exit code of a leader that its own watching thread ended


class Group:
    """All followers of a leader. Not for two threads at once."""

    def __init__(
        self,
        turn: Turn,
        *,
        silent_s: float = SILENT_S,
        grace_s: float = GRACE_S,
        give_up: Callable[[str], object] | None = None,
    ) -> None:
        """Start them.

        Args:
            turn: the replicate.
            silent_s: how long nobody may use the processor while an answer is owed.
            grace_s: how long the leader may take to notice by itself that a rank is gone.
            give_up: called with the sentence by the watching thread; None: it ends this process.
        """
        self._silent_s, self._grace_s = silent_s, grace_s
        self._give_up = give_up or self._end_process
        self._over = threading.Event()  # told, or ended
        self.begin_ns = time.perf_counter_ns()
        self.members: list[Member] = []
        self._watcher: threading.Thread | None = None
        try:
            for rank in range(1, turn.cell.ranks):
                self.members.append(Member(turn, rank))
                self.members[-1].begin(turn)
        except BaseException:
            self.end()
            raise
        _alive.append(self)
        self._watcher = threading.Thread(target=self._watch, name="followers", daemon=True)
        self._watcher.start()

    def tell(self, word: str, body: Any = None, answer: str = "") -> None:
        """Give an order to all, once they have answered what was asked before; `answer`: the word, mostly the same."""
        self.settle()
        for member in self.members:
            member.tell(word, body, answer or word)

    def hear(self) -> list[Any]:
        """Return the body of the answer of each, in the order of their ranks; raises FollowerError."""
        with self.noticing():
            return [member.hear() for member in self.members]

    def settle(self) -> None:
        """Wait for the answers that are owed, such as to the last round; raises FollowerError."""
        if any(member.owes for member in self.members):
            self.hear()

    @contextlib.contextmanager
    def noticing(self) -> Iterator[None]:
        """Raise FollowerError in the place of what is raised in this block, where a rank is the reason."""
        try:
            yield
        except FollowerError:
            self._over.set()
            raise
        except Exception as error:
            until = time.monotonic() + NOTICE_S
            while time.monotonic() < until:  # a rank's sockets close a moment before it has ended
                if gone := self._gone():
                    self._over.set()
                    raise gone.ended() from error
                time.sleep(0.02)
            raise

    def end(self) -> None:
        """End all ranks, and copy what they printed into this process's log; safe to call twice."""
        self._over.set()
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join()
        for member in self.members:
            member.end()
            if printed := member.printed():
                self._print("".join(f"[rank {member.rank}] {line}\n" for line in printed.splitlines()))
        self.members.clear()
        with contextlib.suppress(ValueError):
            _alive.remove(self)

    def _gone(self) -> Member | None:
        return next((member for member in self.members if member.process.poll() is not None), None)

    def _watch(self) -> None:
        members = list(self.members)
        silence = Silence(members, self._silent_s)
        while not self._over.wait(LOOK_S):
            if gone := self._gone():
                if not self._over.wait(self._grace_s):
                    self._give_up(str(gone.ended()))
                return
            if sentence := silence.look(LOOK_S):
                self._give_up(sentence)
                return

    def _end_process(self, sentence: str) -> NoReturn:
        """Tell the sentence and end this process: its main thread waits for a rank that does not come."""
        self.end()
        self._print(f"{sentence}\n")
        os._exit(FAILED)

    @staticmethod
    def _print(text: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a library may have replaced it
            sys.stderr.write(text)
            sys.stderr.flush()


def end_all() -> None:
    """End the followers of this process, before it ends or becomes another program."""
    while _alive:
        _alive[-1].end()


_alive: Final[list[Group]] = []
