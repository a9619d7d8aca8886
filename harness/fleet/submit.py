"""Submit: everything is checked first, then one array for each type of hosts; and what was lost is submitted again."""

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from harness.environments import checkout
from harness.errors import SetupError, StoreError
from harness.fleet import code, split
from harness.fleet.attempts import BAD_HOST
from harness.fleet.folder import SCRIPT, Fleet, FleetFolder, Submission
from harness.fleet.request import FleetRequest, HostType, run_of
from harness.fleet.scheduler import Array, Scheduler
from harness.plan.planner import planned_run
from harness.report.words import count
from harness.store.folder import require_space
from harness.terminal import shell
from harness.terminal.failures import explained

MOST_IN_ARRAY: Final = 1000  # Slurm's MaxArraySize is 1001 where nobody has changed it

Say = Callable[[str], None]


def submit(asked: FleetRequest, scheduler_for: Callable[[Path], Scheduler], say: Say) -> FleetFolder:
    """Plan a fleet's run, make its folder and submit its tasks; return the folder.

    Args:
        asked: what RUN.toml says.
        scheduler_for: the scheduler, for the folder of a run.
        say: called with a line of progress.

    Raises:
        SelectionError: an unknown name, or no host of a type; nothing was submitted.
        SetupError: there is no scheduler, or it refuses, or a host has another samestep; nothing stays submitted.
        StoreError: the shared folder cannot be written; nothing was submitted.
    """
    scheduler_for(asked.shared).require(asked.host_types)
    _require_folder(asked.shared)
    fleet = planned(asked, say)
    _require_same_code(fleet, scheduler_for(asked.shared))
    folder = FleetFolder(asked.shared / fleet.id)
    folder.create(fleet, script(folder.path, asked.runner))
    scheduler = scheduler_for(folder.path)
    say(f"{fleet.id}: {count(len(fleet.tasks), 'task')} on {count(len(fleet.host_types), 'type')} of hosts")
    try:
        for kind in fleet.host_types:
            hand_over(folder, scheduler, [task.number for task in fleet.tasks if task.host_type == kind.name])
    except SetupError:
        with contextlib.suppress(SetupError):
            scheduler.cancel([submission.name for submission in folder.submissions()])
        (folder.path / "cancelled").touch()
        raise
    return folder


def planned(asked: FleetRequest, say: Say) -> Fleet:
    """Return the whole run with its tasks; raises SelectionError."""
    requested, setting = run_of(asked.options)
    whole = planned_run(requested, launchers=setting.launcher, blocks=setting.blocks, say=say, elsewhere=True)
    if whole.left_out:
        say(whole.left_out)
    blocks = setting.blocks or whole.plan.blocks
    return Fleet(
        id=time.strftime("fleet-%Y%m%d-%H%M%S-", time.gmtime()) + f"{random.SystemRandom().randrange(16**4):04x}",
        created_unix_ns=time.time_ns(),
        seed=whole.plan.seed,
        blocks=blocks,
        options=asked.options,
        host_types=asked.host_types,
        time_limit_min=asked.time_limit_min,
        requeue=asked.requeue,
        scratch=asked.scratch,
        code=code.of_checkout(),
        tasks=tuple(split.tasks(whole, requested, asked.host_types, blocks)),
        runner=asked.runner,
    )


def hand_over(
    folder: FleetFolder,
    scheduler: Scheduler,
    tasks: Sequence[int],
    excluded: Iterable[str] = (),
    clock: Callable[[], float] = time.time,
) -> None:
    """Submit tasks of one type, in as many arrays as they need; raises SetupError, StoreError."""
    fleet = folder.fleet
    kind = _host_type(fleet, tasks[0])
    for first in range(0, len(tasks), MOST_IN_ARRAY):
        part = tuple(tasks[first : first + MOST_IN_ARRAY])
        number = max((submission.number for submission in folder.submissions()), default=0) + 1
        submission = Submission(
            number=number,
            name=f"{fleet.id}-{number}",
            host_type=kind.name,
            tasks=part,
            submitted_unix_ns=round(clock() * 1e9),
            excluded=tuple(excluded),
        )
        array = Array(
            name=submission.name,
            script=folder.path / SCRIPT,
            arguments=(str(number),),
            count=len(part),
            host_type=kind,
            excluded=submission.excluded,
            time_limit_min=fleet.time_limit_min,
            requeue=fleet.requeue,
            logs=folder.path / "logs",
        )
        folder.write_submission(submission)
        try:
            scheduler.submit(array)
        except SetupError:
            folder.forget(submission)
            raise


def script(folder: Path, runner: str = "") -> str:
    """Return the batch script of a task: the samestep of the same checkout, which takes its place and its signals.

    A runner comes before it; where that is a container, only what is in there sees the checkout and its interpreter.
    """
    python, root = shell.quoted(sys.executable), shell.quoted(checkout.ROOT)
    task = f'{python} -m harness.cli fleet task {shell.quoted(folder)} "$1" "$SLURM_ARRAY_TASK_ID"'
    lines = ["#!/bin/bash", code.UNSET]
    if runner:
        lines.append(f'exec {runner} sh -c \'cd "$1" && shift && exec "$@"\' sh {root} {task}')
    else:
        lines += [
            f"cd {root} && [ -x {python} ] || {{",
            '  echo "samestep: this host does not see the checkout or its interpreter" >&2',
            f"  exit {BAD_HOST}",
            "}",
            f"exec {task}",
        ]
    return "\n".join([*lines, ""])


def _require_same_code(fleet: Fleet, scheduler: Scheduler) -> None:
    """Raise SetupError where an idle host has another samestep; with a runner only the task can see it."""
    for kind in () if fleet.runner else fleet.host_types:
        answer = scheduler.ask(kind, code.question())
        if answer is not None:
            code.require_same_there(kind.name, answer, fleet.code)


def _host_type(fleet: Fleet, task: int) -> HostType:
    name = fleet.tasks[task - 1].host_type
    return next(kind for kind in fleet.host_types if kind.name == name)


def _require_folder(shared: Path) -> None:
    """Raise StoreError unless the shared folder is there and can be written."""
    if not shared.is_dir():
        raise StoreError(f"There is no shared folder {shared}: make it on a file system that all hosts mount.")
    if not os.access(shared, os.W_OK):
        raise StoreError(f"The shared folder {shared} cannot be written: choose another, or change its permissions.")
    try:
        require_space(shared)
    except OSError as error:
        raise StoreError(f"The shared folder {shared} cannot be read: {explained(error)}.") from error
