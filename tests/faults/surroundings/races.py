"""Several samesteps at once, on one run or in one folder of results."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from typing import Final

from tests.faults.outcome import OTHER, Wrong
from tests.faults.room import TWO, Room, refuses, stands, whole, works
from tests.faults.surroundings.case import Case, case

CASES: Final[list[Case]] = []


@case("four reports of one run at once", short=True, into=CASES)
def _reports(room: Room) -> Iterator[Wrong]:
    yield from works(room.run())
    started = [room.start("report", "--results", room.results) for _ in range(4)]
    ended = [room.end(process) for process in started]
    for each in ended:
        yield from works(each)
    printed = [each.out.decode(errors="replace").splitlines() for each in ended if each.code == 0]
    for lines in zip(*printed, strict=False):
        if len(set(lines)) > 1:
            yield Wrong(of=OTHER, what=f"reports of one run differ: {' | '.join(sorted(set(lines)))[:300]}")
            break
    if left := [path.name for path in room.folder().path.rglob("*.new")]:
        yield Wrong(of=OTHER, what=f"a temporary file is left: {left[0]}")


@case("reports all the time during a run", into=CASES)
def _reports_during_a_run(room: Room) -> Iterator[Wrong]:
    process = room.start_run(*TWO)
    room.wait_for(lambda: bool(room.folders()), "a run's folder")
    while process.poll() is None:
        yield from stands(room.samestep("report", "--results", room.results))
        yield from stands(room.samestep("compare", "latest", "latest", "--results", room.results))
    yield from works(room.end(process))
    yield from whole(room.folder())


@case("two runs begin in one folder at once", into=CASES)
def _two_runs(room: Room) -> Iterator[Wrong]:
    started = [room.start_run() for _ in range(2)]
    for process in started:
        yield from works(room.end(process))
    if len(room.folders()) != 2:
        yield Wrong(of=OTHER, what=f"{len(room.folders())} folders for two runs")
    for folder in room.folders():
        yield from whole(folder)


@case("two go on with one run at once", short=True, into=CASES)
def _two_resumes(room: Room) -> Iterator[Wrong]:
    """One does; the other one is told, or finds nothing left."""
    before = room.stopped()
    started = [room.start("run", "--resume", "latest", "--results", room.results) for _ in range(2)]
    ended = [room.end(process) for process in started]
    for each in ended:
        yield from stands(each)
    if not any(each.code == 0 for each in ended):
        yield Wrong(of=OTHER, what="neither went on")
    yield from whole(room.folder(), before=before)


@case("somebody goes on with a run that still runs", into=CASES)
def _resume_during_a_run(room: Room) -> Iterator[Wrong]:
    process = room.start_run(*TWO)
    room.wait_for_records(1)
    yield from refuses(room.resume(), "running")
    yield from works(room.end(process))
    yield from whole(room.folder())


@case("five times: a run is killed and gone on with at the same moment", into=CASES)
def _kill_and_resume(room: Room) -> Iterator[Wrong]:
    before = room.stopped()
    for number in range(5):
        first = room.start("run", "--resume", "latest", "--results", room.results)
        time.sleep(0.8 + 0.2 * number)
        os.kill(first.pid, signal.SIGKILL)
        second = room.start("run", "--resume", "latest", "--results", room.results)
        room.end(first)
        time.sleep(0.8 + 0.2 * number)
        os.kill(second.pid, signal.SIGKILL)
        room.end(second)
    yield from works(room.resume())
    yield from whole(room.folder(), before=before)


@case("a stale lock of a run that was killed", into=CASES)
def _stale_lock(room: Room) -> Iterator[Wrong]:
    before = room.stopped()
    (room.folder().path / ".lock").write_text(f"{os.getpid()}\n", encoding="utf-8")
    yield from works(room.resume())
    yield from whole(room.folder(), before=before)


@case("the report's folder is removed again and again while a report is made", into=CASES)
def _removed_reports(room: Room) -> Iterator[Wrong]:
    yield from works(room.run())
    process = room.start("report", "--results", room.results)
    while process.poll() is None:
        shutil.rmtree(room.folder().report_path, ignore_errors=True)
        time.sleep(0.01)
    yield from stands(room.end(process))
