"""The folder of a fleet's run, which all hosts see. What is in it is the truth; nothing else has to be kept.

    fleet.json            Fleet: what was asked for, its tasks, the code that they must run
    task.sh               what the scheduler starts on a host
    submissions/0001.json Submission: an array that was handed over, written before it was
    attempts/             Begun and Ended: a task began on a host, and how it ended there
    tasks/00001/          the result of a task: an ordinary run's folder, and task.json, which says where it ran
    doubles/, partial/    second results of a task, and what an interrupted one had measured
    logs/                 what the tasks printed
    cancelled             it was cancelled: nothing is submitted any more

A result is written beside and then renamed, so it is complete or not there. The first one stays.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from bench.records.codec import RecordError
from harness import strict
from harness.errors import StoreError
from harness.fleet.request import HostType
from harness.fleet.split import Task
from harness.store.files import complete_file
from harness.terminal.failures import explained

FLEET_FILE: Final = "fleet.json"
TASK_FILE: Final = "task.json"
SCRIPT: Final = "task.sh"
CANCELLED: Final = "cancelled"
FOLDERS: Final = ("submissions", "attempts", "tasks", "doubles", "partial", "logs")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet's run as it was submitted."""

    id: str
    created_unix_ns: int
    seed: int
    blocks: int  # of each cell, on each type of hosts
    options: tuple[tuple[str, str], ...]  # of `samestep run`, as typed
    host_types: tuple[HostType, ...]
    time_limit_min: int
    requeue: bool
    scratch: str
    code: tuple[tuple[str, str], ...]  # (file, SHA-256) of what the tasks run, and of the locks; empty: not known
    tasks: tuple[Task, ...]
    runner: str = ""  # words of a command that runs a task's words; empty: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """An array of tasks."""

    number: int  # from 1
    name: str  # of the array, as the scheduler knows it
    host_type: str
    tasks: tuple[int, ...]  # their numbers, by their index in the array
    submitted_unix_ns: int
    excluded: tuple[str, ...] = ()  # hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A task that began on a host."""

    task: int
    submission: int
    restart: int  # how often the scheduler had begun it again
    host: str
    unix_ns: int

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.task:05}-{self.submission:04}-{self.restart}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it ended there; there is none when the host was lost."""

    code: int  # exit code
    reason: str  # one sentence; empty: it left a result
    unix_ns: int
    counts: bool = True  # it is one of the attempts that a task has


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A task on a host: how it began, and how it ended; None: it has not, or the host was lost."""

    begun: Begun
    ended: Ended | None


class FleetFolder:
    """The folder of a fleet's run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: dict[str, Any] = {}  # files that never change, by name: a watcher reads them once

    @cached_property
    def fleet(self) -> Fleet:
        """What was submitted; raises StoreError."""
        try:
            return _read(self.path / FLEET_FILE, Fleet)
        except FileNotFoundError as error:
            raise StoreError(f"{self.path} is not the folder of a fleet's run: it has no {FLEET_FILE}.") from error

    @property
    def is_cancelled(self) -> bool:
        """Whether `samestep fleet cancel` was typed."""
        return (self.path / CANCELLED).exists()

    def create(self, fleet: Fleet, script: str) -> None:
        """Make the folder; raises StoreError where it cannot be written."""
        try:
            self.path.mkdir(parents=True)
            for name in FOLDERS:
                (self.path / name).mkdir()
            (self.path / SCRIPT).write_text(script, encoding="utf-8")
            (self.path / SCRIPT).chmod(0o755)
            _write(self.path / FLEET_FILE, fleet)
        except OSError as error:
            raise StoreError(f"The shared folder cannot be written: {explained(error)}.") from error

    def write_submission(self, submission: Submission) -> None:
        """Note an array before it is handed over; raises StoreError."""
        self.write(f"submissions/{submission.number:04}.json", submission)

    def forget(self, submission: Submission) -> None:
        """Take back the note of an array that was refused."""
        (self.path / "submissions" / f"{submission.number:04}.json").unlink(missing_ok=True)

    def submissions(self) -> tuple[Submission, ...]:
        """Return all arrays, in their order; raises StoreError."""
        return tuple(_read(path, Submission) for path in sorted((self.path / "submissions").glob("[0-9]*.json")))

    def submission(self, number: int) -> Submission:
        """Return one array; raises StoreError."""
        return _read(self.path / "submissions" / f"{number:04}.json", Submission)

    def write(self, name: str, value: Any) -> None:
        """Write a dataclass to a file of the folder; raises StoreError."""
        try:
            _write(self.path / name, value)
        except OSError as error:
            raise StoreError(f"{self.path / name} cannot be written: {explained(error)}.") from error

    def begin(self, begun: Begun) -> None:
        """Note that a task began on a host; raises StoreError."""
        self.write(f"attempts/{begun.name}.begun.json", begun)

    def end(self, begun: Begun, ended: Ended) -> None:
        """Note how it ended there; raises StoreError."""
        self.write(f"attempts/{begun.name}.ended.json", ended)

    def attempts(self) -> Mapping[int, tuple[Attempt, ...]]:
        """Return the attempts of each task, in their order; raises StoreError."""
        found: dict[int, list[Attempt]] = {}
        names = {entry.name for entry in os.scandir(self.path / "attempts")}
        for name in sorted(names):
            stem, kind, _ = name.rpartition(".begun.json")
            if not kind:
                continue
            begun = self._once(f"attempts/{name}", Begun)
            end = f"{stem}.ended.json"
            ended = self._once(f"attempts/{end}", Ended) if end in names else None
            found.setdefault(begun.task, []).append(Attempt(begun=begun, ended=ended))
        return {task: tuple(several) for task, several in found.items()}

    def result(self, task: int) -> Path:
        """Return where the result of a task is or would be."""
        return self.path / "tasks" / f"{task:05}"

    def done(self) -> Mapping[int, Begun]:
        """Return where each result was measured, by the number of its task; raises StoreError."""
        names = sorted(entry.name for entry in os.scandir(self.path / "tasks") if entry.name.isdigit())
        return {int(name): self._once(f"tasks/{name}/{TASK_FILE}", Begun) for name in names}

    def doubles(self) -> tuple[str, ...]:
        """Return the names of second results."""
        return tuple(sorted(entry.name for entry in os.scandir(self.path / "doubles") if entry.name[0] != "."))

    def keep(self, run: Path, begun: Begun) -> bool:
        """Copy a finished run here as the result of its task; return False where another one was first.

        Raises:
            OSError: it cannot be written.
        """
        beside = self._copied(run, self.path / "tasks", begun)
        _write(beside / TASK_FILE, begun)
        try:
            beside.rename(self.result(begun.task))
        except OSError:
            if not self.result(begun.task).is_dir():
                raise
            beside.rename(self.path / "doubles" / begun.name)
            return False
        return True

    def keep_partial(self, run: Path, begun: Begun) -> None:
        """Copy what an interrupted run has measured; raises OSError."""
        self._copied(run, self.path / "partial", begun).rename(self.path / "partial" / begun.name)

    def _once(self, name: str, kind: type[T]) -> T:
        if name not in self._kept:
            self._kept[name] = _read(self.path / name, kind)
        kept: T = self._kept[name]
        return kept

    def _copied(self, run: Path, into: Path, begun: Begun) -> Path:
        beside = into / f".{begun.name}"
        shutil.rmtree(beside, ignore_errors=True)
        try:
            shutil.copytree(run, beside, ignore=shutil.ignore_patterns(".lock"))
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return beside


def _write(path: Path, value: Any) -> None:
    with complete_file(path) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(value)) + "\n", encoding="utf-8")


def _read(path: Path, kind: type[T]) -> T:
    try:
        return strict.value(kind, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, UnicodeError) as error:
        raise StoreError(f"{path} cannot be read: {explained(error)}.") from error
    except RecordError as error:
        raise StoreError(f"{path} is damaged: {error}.") from error
