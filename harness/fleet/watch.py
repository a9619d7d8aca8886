"""Watch a fleet's run until it is over, and submit again what was lost. Nothing is kept but in the run's folder.

Several may watch one run; one of them, who has its lock, submits. Whoever comes later goes on from the folder alone.
"""

import time
from collections.abc import Callable
from typing import Final

from harness.errors import OK, SOME_FAILED, SetupError
from harness.fleet import code
from harness.fleet.folder import FleetFolder
from harness.fleet.scheduler import Scheduler
from harness.fleet.status import Standing, standing
from harness.fleet.submit import hand_over
from harness.store.lock import Lock

EVERY_S: Final = 5.0
PATIENCE: Final = 12  # questions in a row that the scheduler may leave unanswered

Say = Callable[[str], None]


def watch(
    folder: FleetFolder,
    scheduler: Scheduler,
    say: Say,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> int:
    """Watch until every task is over; return 0, or 3 where some have no result.

    Raises:
        SetupError: the scheduler has not answered for a minute.
        StoreError: the folder cannot be read.
    """
    lock = Lock(folder.path)
    said: dict[int, str] = {}
    refused: dict[int, str] = {}
    unanswered = 0
    try:
        is_first = lock.take()
        while True:
            try:
                now = standing(folder, scheduler, clock())
                unanswered = 0
            except SetupError:
                unanswered += 1
                if unanswered > PATIENCE:
                    raise
                sleep(EVERY_S)
                continue
            _tell(now, said, say)
            is_first = is_first or lock.take()
            if is_first:
                _again(folder, scheduler, now, refused, say, clock)
            if all(state.word != "LOST" or state.task.number in refused for state in now.tasks) and _is_over(now):
                return _ended(now, refused, say)
            sleep(EVERY_S)
    finally:
        lock.free()


def _is_over(now: Standing) -> bool:
    return all(state.word in ("DONE", "ERROR", "CANCELLED", "LOST") for state in now.tasks)


def _tell(now: Standing, said: dict[int, str], say: Say) -> None:
    """Say what has changed."""
    for state in now.tasks:
        line = str(state)
        if said.get(state.task.number) != line:
            said[state.task.number] = line
            say(line)


def _again(
    folder: FleetFolder,
    scheduler: Scheduler,
    now: Standing,
    refused: dict[int, str],
    say: Say,
    clock: Callable[[], float],
) -> None:
    """Submit the tasks that were lost, not to the hosts that failed twice."""
    by_type: dict[str, list[int]] = {}
    for state in now.lost:
        if state.task.number not in refused:
            by_type.setdefault(state.task.host_type, []).append(state.task.number)
    for kind, tasks in by_type.items():
        without = f", without {', '.join(now.excluded)}" if now.excluded else ""
        try:
            if folder.fleet.code:
                code.require_same(folder.fleet.code)
            say(f"{kind}: submitting {len(tasks)} again{without}")
            hand_over(folder, scheduler, tasks, now.excluded, clock)
        except (SetupError, code.OtherCodeError) as error:
            say(str(error))
            refused.update(dict.fromkeys(tasks, str(error)))


def _ended(now: Standing, refused: dict[int, str], say: Say) -> int:
    say(str(now))
    for double in now.doubles:
        say(f"A second result, in doubles/{double}, does not count.")
    return OK if all(state.word == "DONE" for state in now.tasks) else SOME_FAILED
