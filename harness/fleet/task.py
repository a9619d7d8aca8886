"""What the scheduler starts on a host: the harness of a single host over one task's share of the plan.

    exit code 0    the task has left its result, also where cells of it failed: a failure is a result
             75    the host is at fault (EX_TEMPFAIL of sysexits.h): no engine, no image, a disk that is full, a program
                   on the GPU, a replicate that never ran; another host can do it. A site may have Slurm begin such a
                   task again by itself (RequeueExit)
             76    the same, but it is not to begin again by itself: the host has failed before, or it was the last try
              1    every host would fail alike: another samestep, a selection that cannot run
            130    it was told to end: the time limit, scancel, preemption

A cancelled job's processes are killed, but a container is no child of the job. So TERM ends the run as Ctrl-C does,
which removes its containers; what a killed run has left is removed when the next one starts (`harness.launchers`).
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.catalogue import FrameworkError
from bench.workloads import WorkloadError
from harness import session
from harness.errors import INTERRUPTED, OK, USAGE, MachineError, SelectionError, SetupError, StoreError
from harness.fleet import attempts, code
from harness.fleet.attempts import BAD_HOST, INFRASTRUCTURE, MOST_ATTEMPTS, MOST_FAILURES
from harness.fleet.folder import Begun, Ended, FleetFolder
from harness.fleet.request import run_of
from harness.fleet.split import Task
from harness.plan.label import name
from harness.store.folder import RunFolder, latest
from harness.store.lock import Lock
from harness.store.replicates import never_ran
from harness.terminal import failures

PREFIX: Final = "samestep-fleet-"  # of the folder on the host


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Where a task finds itself, as the scheduler says it."""

    host: str
    restart: int


def here(environ: Mapping[str, str] = os.environ) -> Here:
    """Return where this process runs."""
    restart = environ.get("SLURM_RESTART_COUNT", "0")
    return Here(
        host=environ.get("SLURMD_NODENAME") or os.uname().nodename, restart=int(restart) if restart.isdigit() else 0
    )


def run(path: Path, submission: int, index: int, where: Here) -> int:
    """Run one task of a fleet; return the exit code.

    Raises:
        StoreError: the folder cannot be read or written from this host.
    """
    folder = FleetFolder(path)
    fleet = folder.fleet
    number = folder.submission(submission).tasks[index]
    task = fleet.tasks[number - 1]
    begun = Begun(task=number, submission=submission, restart=where.restart, host=where.host, unix_ns=time.time_ns())
    if folder.result(number).is_dir():
        print(f"{task}: another attempt has left a result already.")
        return OK
    known = folder.attempts()
    is_last = attempts.count(known.get(number, ())) + 1 >= MOST_ATTEMPTS
    failures_here = attempts.failures(known).get(where.host, 0)
    folder.begin(begun)
    print(f"{task}, on {where.host}", flush=True)
    if failures_here >= MOST_FAILURES:
        reason = f"{where.host} has failed {failures_here} tasks of this run"
        _ended(folder, begun, INFRASTRUCTURE, reason, counts=False)
        return BAD_HOST
    try:
        exit_code, reason = _measured(folder, task, begun, is_last=is_last)
    except KeyboardInterrupt:
        exit_code, reason = INTERRUPTED, "it was told to end: time limit, scancel or preemption"
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _ended(folder, begun, exit_code, reason)
    return BAD_HOST if exit_code == INFRASTRUCTURE and is_last else exit_code


def _ended(folder: FleetFolder, begun: Begun, exit_code: int, reason: str, *, counts: bool = True) -> None:
    folder.end(begun, Ended(code=exit_code, reason=reason, unix_ns=time.time_ns(), counts=counts))
    if reason:
        print(f"samestep: {reason}", file=sys.stderr, flush=True)


def _measured(folder: FleetFolder, task: Task, begun: Begun, *, is_last: bool) -> tuple[int, str]:
    """Measure a task and keep its result; return the exit code and, where there is no result, why."""
    try:
        code.require_same(folder.fleet.code)
        with _Scratch(folder.fleet.id, folder.fleet.scratch) as scratch:
            return _in(scratch, folder, task, begun, is_last=is_last)
    except (SelectionError, FrameworkError, WorkloadError, code.OtherCodeError) as error:
        return USAGE, str(error)
    except (SetupError, MachineError, StoreError) as error:
        return INFRASTRUCTURE, str(error)
    except OSError as error:
        return INFRASTRUCTURE, failures.sentence(error)
    except Exception as error:  # noqa: BLE001  (whatever it is, the folder says it)
        return USAGE, failures.sentence(error)


def _in(scratch: Path, folder: FleetFolder, task: Task, begun: Begun, *, is_last: bool) -> tuple[int, str]:
    requested, setting = run_of(folder.fleet.options)
    if gpu := os.environ.get("SLURM_JOB_GPUS"):  # a container sees all GPUs of the host: it gets the one that is ours
        os.environ.setdefault("SAMESTEP_GPU", gpu.split(",")[0])
    requested = replace(requested, selection=replace(requested.selection, workload=(task.workload,)), seed=task.seed)
    try:
        ended = session.run(requested, replace(setting, results=scratch / "results", blocks=task.blocks))
    except BaseException:
        _keep_partial(scratch, folder, begun)
        raise
    found = latest(scratch / "results")[0]
    if ended == INTERRUPTED:
        _keep_partial(scratch, folder, begun)
        raise KeyboardInterrupt
    reason = _never_ran(found)
    if reason and not is_last:
        return INFRASTRUCTURE, reason
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is measured: copying takes seconds
    if not folder.keep(found.path, begun):
        print("Another attempt was first: this result is kept in doubles/.")
    else:
        print(f"Kept: {folder.result(begun.task)}")
    return OK, ""


def _keep_partial(scratch: Path, folder: FleetFolder, begun: Begun) -> None:
    """Keep what was measured before it ended early, where there is something and it can be kept."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for found in latest(scratch / "results"):
        if found.has_records:
            try:
                folder.keep_partial(found.path, begun)
            except OSError as error:
                print(f"samestep: {failures.sentence(error)}", file=sys.stderr)


def _never_ran(found: RunFolder) -> str:
    """Return which replicate the host could not even begin, and why; empty: it began all of them."""
    record = next(filter(never_ran, found.replicates()), None)
    return f"{name(record.cell)} never ran: {record.reason}" if record else ""


class _Scratch:
    """A folder on this host for one task; those of tasks that were killed are removed first.

    A lock says whether its task lives: a PID would say nothing to a host whose processes are counted apart.
    """

    def __init__(self, fleet_id: str, parent: str) -> None:
        self._parent = Path(parent or tempfile.gettempdir())
        self._prefix = f"{PREFIX}{fleet_id}-"

    def __enter__(self) -> Path:
        self._parent.mkdir(parents=True, exist_ok=True)
        for left in self._parent.glob(f"{PREFIX}*"):  # of any run of ours
            lock = Lock(left)
            if lock.take():
                shutil.rmtree(left, ignore_errors=True)
                lock.free()
        self._path = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._parent))
        self._lock = Lock(self._path)
        self._lock.take()
        os.environ["TMPDIR"] = str(self._path)  # whatever the run writes on this host is removed with it
        tempfile.tempdir = None
        return self._path

    def __exit__(self, *reason: object) -> None:
        self._lock.free()
        shutil.rmtree(self._path, ignore_errors=True)
