"""The host's end of a guest: start it, order, read its answers, tell how it ended. Standard library only.

One pipe has the answers, another what the guest prints, its last words among it. The host reads both while it waits for
an answer, and for as long as the guest takes: what hangs ends with the replicate, at its time limit.
"""

import atexit
import contextlib
import ctypes
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.guests import usage

PIECE_BYTES: Final = 1 << 16
LONGEST_BYTES: Final = 16 << 20  # of an answer: results go through files
LONGEST_QUOTED: Final = 80  # bytes of it in a sentence
LAST_LINES: Final = 20
TIMES: Final = frozenset({"begin_ns", "end_ns", "cpu_ns"})  # of a round
PATIENCE_S: Final = 5.0  # until a guest that ended its answers has ended, and one whose orders ended
# What node and V8 print after the words that tell something.
TRACE: Final = re.compile(r"\d+: |at |Node\.js v|-+ (?:Native|JavaScript) stack trace|\^+$")
PR_SET_PDEATHSIG: Final = 1  # prctl(2)


class GuestError(RuntimeError):
    """A guest did not start, ended, said what is no answer, or could not do what it was told; one sentence."""


class Guest:
    """A running guest. Not for two threads at once."""

    def __init__(self, command: Sequence[str], name: str, variables: Mapping[str, str] | None = None) -> None:
        """Start `command`, to which the number of the descriptor for the answers is added, and wait for "started".

        Args:
            command: the interpreter, the program and its arguments, but for the last.
            name: what the guest is called in the sentences.
            variables: its environment variables; None: those of this process.

        Raises:
            GuestError: it does not start, or says something else.
        """
        self.name = name
        self._order = "start"
        self._is_closed = False
        self._unread = b""
        self._printed = b""
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._answers, answers = os.pipe()
        self._prints, prints = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*command, str(answers)],
                stdin=subprocess.PIPE,
                stdout=prints,
                stderr=prints,
                pass_fds=(answers,),
                env=variables,
                preexec_fn=_end_with_host,
            )
        except OSError as error:
            os.close(self._answers)
            os.close(self._prints)
            raise GuestError(f"{name} does not start: {command[0]}: {error.strerror}") from error
        finally:
            os.close(answers)
            os.close(prints)
        usage.began(self.pid)
        atexit.register(self.end)
        try:
            self.started = self._answer("started")
        except GuestError:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def ask(self, order: str, body: Any, answer: str) -> Any:
        """Give an order and return the body of the answer, which has to be of that word.

        Raises:
            GuestError: it has ended or ends, answers something else, or cannot do it.
        """
        self._order = order
        line = json.dumps({order: body}, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended, which its answers tell
            self._process.stdin.write(line)
            self._process.stdin.flush()
        return self._answer(answer)

    def run(self, calls: int, rounds: int = 1) -> Sequence[Mapping[str, int]]:
        """Let it make rounds of `calls` calls; return when each began and ended, and its processor time, in ns.

        Raises:
            GuestError: as for `ask`, or it does not say these three numbers of each.
        """
        ran = self.ask("run", [calls, rounds], "ran")
        if not isinstance(ran, list) or len(ran) != rounds:
            raise self._fault(f"says {str(ran)[:LONGEST_QUOTED]} of {rounds} rounds")
        for each in ran:
            if (
                not isinstance(each, dict)
                or each.keys() != TIMES
                or {type(number) for number in each.values()} != {int}
            ):
                raise self._fault(f"says {str(each)[:LONGEST_QUOTED]} instead of {', '.join(sorted(TIMES))}")
        return ran

    def end(self) -> None:
        """End its orders, and kill it if it stays; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._reap()
        os.close(self._answers)
        os.close(self._prints)
        atexit.unregister(self.end)

    def _answer(self, word: str) -> Any:
        line = self._line()
        try:
            ((said, body),) = json.loads(line).items()
        except (ValueError, AttributeError) as error:
            said = line[:LONGEST_QUOTED].decode(errors="replace")
            raise self._fault(f"answered {said!r}, which is no word with its body") from error
        if said == "failed":
            raise self._fault(f"says: {body}", by_itself=True)
        if said != word:
            raise self._fault(f"answered {said!r} instead of {word!r}")
        return body

    def _line(self) -> bytes:
        """Return the next line of the answers, however long it takes; meanwhile what it prints goes to the log."""
        while b"\n" not in self._unread:
            readable, _, _ = select.select([self._answers, self._prints], [], [])
            if self._prints in readable and not self._log():
                readable = [self._answers]  # nobody has the other end: the answers tell the rest
            if self._answers in readable:
                piece = os.read(self._answers, PIECE_BYTES)
                self._unread += piece
                if not piece or len(self._unread) > LONGEST_BYTES:
                    raise self._ended()
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _log(self) -> bool:
        """Hand on what the guest has printed, and keep its last lines; return whether there was something."""
        piece = os.read(self._prints, PIECE_BYTES)
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a library may have replaced it
            sys.stderr.write(piece.decode(errors="replace"))
            sys.stderr.flush()
        *lines, self._printed = (self._printed + piece).split(b"\n")
        told = [line.decode(errors="replace").strip() for line in lines]
        self._last_lines += [line for line in told if line and not TRACE.match(line)]
        return bool(piece)

    def _ended(self) -> GuestError:
        """Return how the guest ended, or was ended: its answers are over, or do not end."""
        over = len(self._unread) <= LONGEST_BYTES
        killed = self._reap()
        while select.select([self._prints], [], [], 0)[0] and self._log():
            pass
        if not over:
            return self._fault("answered a line that does not end")
        if killed:
            return self._fault("closed its answers and went on")
        code = self._process.returncode
        by = f"was ended by {_signal_name(-code)}, " if code < 0 else "ended with "
        return self._fault(f"{by}exit code {code}")

    def _reap(self) -> bool:
        """Wait until the guest has ended, and kill it if it does not; return whether it was killed."""
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return True
        finally:
            usage.ended(self.pid)
        return False

    def _fault(self, what: str, *, by_itself: bool = False) -> GuestError:
        told = [*self._last_lines, self._printed.decode(errors="replace").strip()]
        last = "" if by_itself else next((line for line in reversed(told) if line), "")
        return GuestError(f"{self.name}, told to {self._order}, {what}{f' (its last words: {last})' if last else ''}")


def _end_with_host() -> None:
    """Ask the kernel to end the guest with the thread that started it (PR_SET_PDEATHSIG, prctl(2))."""
    _LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_LIBRARY: Final = ctypes.CDLL(None)
