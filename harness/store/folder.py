"""The folder of a run: append-only, flushed after every replicate, readable after any crash.

    run.json         RunFacts: what was run, on what, with what
    plan.json        Plan: every cell, the seed, the order
    records.jsonl    one Record a line, appended and synchronised to disk when the replicate has ended
    samples/         t_ns, source, subject, metric, value: a Parquet file for each replicate (`harness.store.samples`)
    samples.parquet  the same in one file, written with the report
    logs/            the output of each replicate, cut at the beginning where it is long
    report/          made from the files above; it can be made again at any time

A line is written by one system call and ends with a newline. A line that does not fit on the disk is removed again. A
damaged line therefore means that another program wrote it or the machine lost power: it is reported, never repaired
silently.
"""

import dataclasses
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from bench.records.codec import RecordError, decode, from_json, to_json
from bench.records.record import Record
from harness import shell
from harness.errors import StoreError
from harness.plan.plan import Plan
from harness.store.facts import RunFacts
from harness.store.samples import Sample, Samples

RUN_FILE: Final = "run.json"
PLAN_FILE: Final = "plan.json"
RECORDS_FILE: Final = "records.jsonl"
LOGS_FOLDER: Final = "logs"
LEAST_FREE_BYTES: Final = 64 << 20

T = TypeVar("T")


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = Samples(path)
        self._lock: IO[str] | None = None

    @property
    def id(self) -> str:
        """Id of the run: the name of its folder."""
        return self.path.name

    @property
    def records_path(self) -> Path:
        """Path of records.jsonl."""
        return self.path / RECORDS_FILE

    @property
    def report_path(self) -> Path:
        """Folder of the report."""
        return self.path / "report"

    def lock(self) -> None:
        """Lock the folder for this process until it ends.

        Raises:
            StoreError: another samestep has locked it.
        """
        handle = _attempt(self.path, lambda: (self.path / ".lock").open("w", encoding="utf-8"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            raise StoreError(f"{self.path}: another samestep is running it; wait for it or stop it.") from error
        self._lock = handle

    def unlock(self) -> None:
        """Release the lock; safe to call twice."""
        if self._lock:
            self._lock.close()
            (self.path / ".lock").unlink(missing_ok=True)
            self._lock = None

    def discard(self) -> None:
        """Remove the folder of a run without records; a run with records is not removed."""
        if not self.records_path.exists():
            shutil.rmtree(self.path, ignore_errors=True)

    def write_facts(self, facts: RunFacts) -> None:
        """Write run.json, in place of an older one."""
        self._replace(RUN_FILE, _pretty(facts))

    def write_plan(self, plan: Plan) -> None:
        """Write plan.json, in place of an older one."""
        self._replace(PLAN_FILE, _pretty(plan))

    def facts(self) -> RunFacts:
        """Read run.json; raises StoreError."""
        return self._read(RUN_FILE, RunFacts)

    def plan(self) -> Plan:
        """Read plan.json; raises StoreError."""
        return self._read(PLAN_FILE, Plan)

    def append(self, record: Record) -> None:
        """Add a record and wait until it is on the disk; raises StoreError, and then the file is as before."""
        self._append(RECORDS_FILE, to_json(record) + "\n")

    def append_samples(self, samples: Sequence[Sample]) -> None:
        """Add the samples of one replicate and wait until they are on the disk; raises StoreError."""
        _attempt(self.path, lambda: self.samples.append(samples))

    def write_log(self, record: Record, text: str) -> None:
        """Write the output of a replicate to logs/<position>-<framework>-<mode>[-2].log; raises StoreError."""
        if not text:
            return
        folder = self.path / LOGS_FOLDER
        again = f"-{record.attempt}" if record.attempt > 1 else ""
        name = f"{record.position:04}-{record.cell.framework}-{record.cell.mode}{again}.log"
        _attempt(folder, lambda: folder.mkdir(exist_ok=True))
        _attempt(folder / name, lambda: (folder / name).write_text(text, encoding="utf-8", errors="replace"))

    def records(self) -> tuple[Record, ...]:
        """Return every record; those of older schemas are upgraded.

        Raises:
            StoreError: a line is damaged or of a newer schema; the message has file, line and remedy.
        """
        try:
            lines = self.records_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreError(f"{self.records_path}: {error.strerror}.") from error
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(from_json(line))
            except RecordError as error:
                delete = shell.command("sed", "-i", f"{number}d", shell.path(self.records_path))
                remedy = "" if "newer" in str(error) else f" Delete the line ({delete}); --resume measures it again."
                raise StoreError(f"{self.records_path}, line {number}: {error}.{remedy}") from error
        return tuple(records)

    def merge_samples(self) -> None:
        """Write samples.parquet from the samples; do nothing where there are none.

        Raises:
            StoreError: a file is damaged, or the disk is full.
        """
        _attempt(self.samples.merged, self.samples.merge)

    def _read(self, name: str, kind: type[T]) -> T:
        path = self.path / name
        try:
            return decode(kind, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise StoreError(f"{self.path} is not a run: it has no {name}.") from error
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}.") from error

    def _replace(self, name: str, text: str) -> None:
        path = self.path / name
        temporary = path.with_name(f".{name}.new")

        def write() -> None:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)

        _attempt(path, write)

    def _append(self, name: str, text: str) -> None:
        path = self.path / name

        def write() -> None:
            with path.open("ab", buffering=0) as file:
                length = file.seek(0, os.SEEK_END)
                try:
                    _write_whole(file, text.encode())
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(length)
                    raise

        _attempt(path, write)


def create(results: Path, run_id: str) -> RunFolder:
    """Make a folder under `results` for the run `run_id`, with a number added where the name exists already.

    Raises:
        StoreError: the folder cannot be made, or the disk is nearly full.
    """
    _attempt(results, lambda: results.mkdir(parents=True, exist_ok=True))
    require_space(results)
    for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
        path = results / f"{run_id}{suffix}"
        if not path.exists():
            _attempt(path, path.mkdir)
            return RunFolder(path)
    raise StoreError(f"{results}: a thousand runs are called {run_id} already.")


def require_space(results: Path) -> None:
    """Raise StoreError when the disk of `results` is nearly full."""
    free = shutil.disk_usage(results).free
    if free < LEAST_FREE_BYTES:
        raise StoreError(
            f"{results}: only {free >> 20} MiB are free there, a run needs {LEAST_FREE_BYTES >> 20} MiB:"
            " free some space, or choose another folder with --results."
        )


def latest(results: Path) -> list[RunFolder]:
    """Return the runs under `results`, the one that changed last first."""
    runs = sorted((path.parent for path in results.glob(f"*/{RUN_FILE}")), key=lambda path: path.stat().st_mtime)
    return [RunFolder(path) for path in reversed(runs)]


def find(results: Path, name: str) -> RunFolder:
    """Return the run called `name`: its id under `results`, the path of its folder, or "latest".

    Raises:
        StoreError: there is no such run.
    """
    runs = latest(results)
    if name == "latest" and runs:
        return runs[0]
    for path in (results / name, Path(name)):
        if (path / RUN_FILE).is_file():
            return RunFolder(path)
    known = ", ".join(run.id for run in reversed(runs[:3])) or "none yet"
    raise StoreError(f"There is no run {name!r} in {results}. The last ones: {known}.")


def _write_whole(file: IO[bytes], data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _attempt(path: Path, action: Any) -> Any:
    try:
        return action()
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free some space, then go on with --resume",
            errno.EDQUOT: "free some space, then go on with --resume",
            errno.EACCES: "choose another folder with --results, or change its owner",
            errno.EROFS: "choose another folder with --results",
        }.get(error.errno or 0, "choose another folder with --results")
        raise StoreError(f"{path} cannot be written ({error.strerror}): {remedy}.") from error


def _pretty(value: Any) -> str:
    data: Mapping[str, Any] = dataclasses.asdict(value)
    return json.dumps(data, indent=1) + "\n"
