"""What each command of a fleet does, with Slurm as the scheduler."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import INTERRUPTED, OK, SOME_FAILED, SelectionError
from harness.fleet import collect as collecting
from harness.fleet import request
from harness.fleet import submit as submitting
from harness.fleet import watch as watching
from harness.fleet.folder import CANCELLED, FleetFolder
from harness.fleet.slurm import Slurm
from harness.fleet.status import hints, standing
from harness.terminal import shell

TAIL: int = 20_000  # characters of a log that are printed


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def submit(file: Path | None, typed: Mapping[str, Any], *, detach: bool) -> int:
    """Submit what a file asks for, and what was typed beside it, and watch it; return the exit code."""
    folder = submitting.submit(request.read(file, typed), Slurm, say)
    if detach:
        say(_onward(folder, "status", "--watch"))
        return OK
    return watch(folder.path)


def watch(path: Path) -> int:
    """Watch a run until it is over, then say how its results are collected; return the exit code."""
    folder = _folder(path)
    try:
        code = watching.watch(folder, Slurm(folder.path), say)
    except KeyboardInterrupt:
        say(f"Detached; the run goes on. Watch it again: {_onward(folder, 'status', '--watch')}")
        return INTERRUPTED
    say(f"Collect the results: {_onward(folder, 'collect')}")
    return code


def status(path: Path) -> int:
    """Print where each task stands; return 3 where some ended without a result."""
    folder = _folder(path)
    now = standing(folder, Slurm(folder.path))
    for state in now.tasks:
        print(state)
    print(now)
    for double in now.doubles:
        print(f"A second result, in doubles/{double}, does not count.")
    submitted = {task: each.submitted_unix_ns / 1e9 for each in folder.submissions() for task in each.tasks}
    for hint in hints(now, submitted, time.time()):
        print(hint)
    if now.lost:
        print(f"LOST tasks are submitted again by: {_onward(folder, 'status', '--watch')}")
    return SOME_FAILED if any(state.word in ("ERROR", "CANCELLED") for state in now.tasks) else OK


def logs(path: Path, task: int | None) -> int:
    """Print the logs of a task, or of all that have no result; return the exit code."""
    folder = _folder(path)
    if task is not None and task > len(folder.fleet.tasks):
        raise SelectionError(f"There is no task {task}: {folder.fleet.id} has {len(folder.fleet.tasks)}.")
    done = folder.done()
    for submission in folder.submissions():
        for index, number in enumerate(submission.tasks):
            if number != task and (task is not None or number in done):
                continue
            log = folder.path / "logs" / f"{submission.name}-{index}.log"
            text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
            print(f"== task {number}, {log}")
            print(text[-TAIL:] if text else "(nothing printed yet)")
    return OK


def cancel(path: Path) -> int:
    """End all tasks; return the exit code."""
    folder = _folder(path)
    (folder.path / CANCELLED).touch()
    done = folder.done()
    names = [each.name for each in folder.submissions() if not set(each.tasks) <= set(done)]
    Slurm(folder.path).cancel(names)
    say(f"{folder.fleet.id}: cancelled; {len(done)} of {len(folder.fleet.tasks)} tasks have a result.")
    return OK


def collect(path: Path, results: Path) -> int:
    """Make ordinary runs of the results; return 3 where some tasks have none."""
    folder = _folder(path)
    collected = collecting.collect(folder, results, say)
    for line in collected.missing:
        print(f"samestep: no result: {line}", file=sys.stderr)
    return SOME_FAILED if collected.missing else OK


def _folder(path: Path) -> FleetFolder:
    folder = FleetFolder(path.absolute())
    _ = folder.fleet  # that it is one is said first
    return folder


def _onward(folder: FleetFolder, *words: str) -> str:
    command, *options = words
    return shell.samestep("fleet", command, shell.path(folder.path), *options)
