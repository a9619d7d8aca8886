"""Signals in the middle of a run: it ends in order and goes on later, or goes on at once; nothing is lost."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import psutil

from tests.faults.outcome import OTHER, TRACEBACK, Wrong
from tests.faults.room import TWO, Room, whole, works
from tests.faults.surroundings.case import Case, case

CASES: Final[list[Case]] = []
PAUSE_S: Final = 0.3  # between two signals


def _sent(
    name: str, numbers: Sequence[signal.Signals], *, ended: Sequence[int], group: bool = False, short: bool = False
) -> None:
    """Add a case in which a run gets signals and ends with one of the codes `ended`; it is resumed afterwards."""

    def plant(room: Room) -> Iterator[Wrong]:
        process = room.start_run(*TWO)
        room.wait_for_records(1)
        before = room.folder().records_path.read_bytes()
        for number in numbers:
            if process.poll() is None:
                (os.killpg if group else os.kill)(process.pid, number)
            time.sleep(PAUSE_S)
        done = room.end(process)
        if done.crash:
            yield Wrong(of=TRACEBACK, what=done.crash)
        elif done.code not in ended:
            yield Wrong(of=OTHER, what=f"it ended with {done.code}, not {' or '.join(map(str, ended))}")
        yield from room.nothing_left()
        yield from works(room.resume())
        yield from whole(room.folder(), before=before)

    CASES.append(Case(name=name, plant=plant, short=short))


_sent("Ctrl-C", [signal.SIGINT], ended=[130], group=True, short=True)
_sent("Ctrl-C twice", [signal.SIGINT] * 2, ended=[130, -2], group=True)
_sent("Ctrl-C five times", [signal.SIGINT] * 5, ended=[130, -2], group=True)
_sent("SIGTERM", [signal.SIGTERM], ended=[130, 143, -15])
_sent("SIGTERM twice", [signal.SIGTERM] * 2, ended=[130, 143, -15])
_sent("SIGTERM, then Ctrl-C", [signal.SIGTERM, signal.SIGINT], ended=[130, 143, -2, -15])
_sent("SIGHUP", [signal.SIGHUP], ended=[130, 129, -1])
_sent("SIGQUIT", [signal.SIGQUIT], ended=[130, 131, -3])
_sent("SIGUSR1, which nobody handles", [signal.SIGUSR1], ended=[130, -10])
_sent("SIGALRM, which nobody handles", [signal.SIGALRM], ended=[130, 0, -14])
_sent("SIGPIPE", [signal.SIGPIPE], ended=[0])
_sent("SIGWINCH", [signal.SIGWINCH] * 10, ended=[0])


def _inherited(name: str, before: Callable[[], object], *, short: bool = False) -> None:
    """Add a case in which a run begins with other dispositions of signals than usual: it works."""

    def plant(room: Room) -> Iterator[Wrong]:
        yield from works(room.run(before=before))
        yield from whole(room.folder())

    CASES.append(Case(name=name, plant=plant, short=short))


_inherited("SIGPIPE is ignored", lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN))
_inherited("SIGCHLD is ignored", lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
_inherited("SIGHUP is ignored, as nohup does", lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
_inherited("SIGINT is ignored, as in a background job", lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
_inherited("SIGTERM is blocked", lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT]))
_inherited(
    "SIGCHLD and SIGCONT are blocked",
    lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGCONT]),
)
_inherited("a niceness of 19", lambda: os.nice(19))


@case("samestep is stopped for two seconds (SIGTSTP, SIGCONT)", into=CASES)
def _stopped(room: Room) -> Iterator[Wrong]:
    process = room.start_run(*TWO)
    room.wait_for_records(1)
    for _ in range(2):
        os.kill(
            process.pid, signal.SIGSTOP
        )  # what SIGTSTP does where nobody handles it; an orphaned group ignores that
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.5)
    yield from works(room.end(process))
    yield from whole(room.folder())


@case("a replicate is stopped for a second", into=CASES)
def _stopped_replicate(room: Room) -> Iterator[Wrong]:
    """What was measured meanwhile must not be a number: it is invalid, measured again, or not affected."""
    process = room.start_run(*TWO)
    room.wait_for(lambda: bool(_replicates(room)) or process.poll() is not None, "a replicate")
    for each in _replicates(room):
        each.suspend()
        time.sleep(1.0)
        each.resume()
    yield from works(room.end(process))
    yield from whole(room.folder())


@case("a replicate gets SIGTERM", into=CASES)
def _ended_replicate(room: Room) -> Iterator[Wrong]:
    process = room.start_run(*TWO)
    room.wait_for(lambda: bool(_replicates(room)) or process.poll() is not None, "a replicate")
    for each in _replicates(room)[:1]:
        each.terminate()
    ended = room.end(process)
    if ended.crash or ended.code not in (0, 3):
        yield Wrong(of=OTHER, what=ended.crash or f"it ended with {ended.code}")
    yield from whole(room.folder())


def _replicates(room: Room) -> list[psutil.Process]:
    return [each for each in room.running() if "turn" in each.cmdline()]
