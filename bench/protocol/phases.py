"""The phases of a replicate: how long each took, and in which one an error was raised."""

import contextlib
import dataclasses
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Final

from bench.protocol.family import killed_child
from bench.protocol.required import InvalidResultError
from bench.protocol.rounds import Clock
from bench.records.record import Failure, Phases, Status
from bench.turns import reason as reasons
from bench.turns.turn import TAIL_LINES

OF_HANDLERS: Final = 3  # errors that handlers of signals may raise while another is described


class PhaseClock:
    """Adds up the wall time of each phase and announces the current phase."""

    def __init__(self, clock: Clock, announce: Callable[[str], None], startup_ns: int) -> None:
        self.clock = clock
        self.announce = announce
        self.current = "startup"
        self.spent = {field.name: 0 for field in dataclasses.fields(Phases)}
        self.spent["startup_ns"] = startup_ns
        self.last_end = clock()

    @contextlib.contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Count the time from the end of the previous phase to the end of this one."""
        self.current = phase
        self.announce(phase)
        try:
            yield
        finally:
            end = self.clock()
            self.spent[f"{phase}_ns"] += end - self.last_end
            self.last_end = end

    def exclude(self, phase: str, parked_ns: int) -> None:
        """Count `parked_ns` of a phase as time in which the process was parked."""
        self.spent[f"{phase}_ns"] -= parked_ns
        self.spent["parked_ns"] += parked_ns

    def phases(self) -> Phases:
        """Return what was counted so far."""
        return Phases(**self.spent)


def ending(phase: PhaseClock, run: Callable[[], object]) -> tuple[Status, str, Failure | None]:
    """Run `run` and return how it ended: skipped where it returns a reason; failed, invalid or oom where it raises.

    The handler of a signal may raise wherever the main thread is, so also while the error is described: PyTorch's does
    for each worker that dies. It is taken away with the first error, and the first is what is told.
    """
    errors: list[Exception] = []
    try:
        for _ in range(OF_HANDLERS):
            try:
                return _described(phase, errors[0]) if errors else _ended(run)
            except Exception as error:  # noqa: BLE001 - a framework may raise anything, and that is a result
                with contextlib.suppress(ValueError):  # this is not the main thread
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                errors.append(error)
    except Exception as error:  # noqa: BLE001 - raised by a handler outside of the inner block
        errors.append(error)
    return _described(phase, errors[0])


def _ended(run: Callable[[], object]) -> tuple[Status, str, Failure | None]:
    reason = run()
    return ("skipped", reason, None) if isinstance(reason, str) else ("ok", "", None)


def _described(phase: PhaseClock, error: Exception) -> tuple[Status, str, Failure | None]:
    if isinstance(error, InvalidResultError):
        return "invalid", str(error), Failure(phase=phase.current)
    return _raised(phase, error)


def _raised(phase: PhaseClock, error: Exception) -> tuple[Status, str, Failure]:
    told = reasons.of_exception(error)
    whole = "".join(traceback.format_exception(error))
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a framework may have closed or replaced it
        sys.stderr.write(whole)  # for the log, which keeps more of it
    failure = Failure(phase=phase.current, tail=tuple(whole.splitlines()[-TAIL_LINES:]))
    text = told.text
    if isinstance(error, ConnectionError | EOFError) and (killed := killed_child()):
        text = f"a worker process was ended by {killed}: {text}"
    return "oom" if told.out_of_memory else "failed", f"{phase.current}: {text}", failure
