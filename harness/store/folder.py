"""The folder of a run: append-only, flushed after every replicate, readable after any crash.

    run.json         RunFacts: what was run, on what, with what
    plan.json        Plan: every cell, the seed, the order
    records.jsonl    one Record a line, appended and synchronised to disk when the replicate has ended
    samples/         t_ns, source, subject, metric, value: a Parquet file for each replicate (`harness.store.samples`)
    samples.parquet  the same in one file, made when the run ends
    models/          trained parameters and exported models, each called by its SHA-256 (`harness.store.models`)
    logs/            the output of each replicate, cut at the beginning where it is long
    loop.json        what `samestep loop` found, where it was told to write it here (`harness.store.loops`)
    report/          made from the files above; it can be made again at any time
    .lock            while a samestep runs or resumes it (`harness.store.lock`)

A line is written by one system call and ends with a newline. A line that does not fit on the disk is removed again. A
damaged line therefore means that another program wrote it or the machine lost power: it is reported, never repaired
silently (`harness.store.reading`). Where an editor or a copy has dropped the last newline, the next line begins with
one.
"""

import contextlib
import dataclasses
import errno
import functools
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from bench.records import text as texts
from bench.records.codec import to_json
from bench.records.record import Record
from harness.errors import StoreError
from harness.format import shortened_name
from harness.plan.plan import Plan
from harness.store import reading, replicates
from harness.store.facts import RunFacts
from harness.store.files import complete_file
from harness.store.lock import Lock
from harness.store.models import Models
from harness.store.samples import Sample, Samples
from harness.terminal.failures import explained, remedy

RUN_FILE: Final = "run.json"
PLAN_FILE: Final = "plan.json"
RECORDS_FILE: Final = "records.jsonl"
LOGS_FOLDER: Final = "logs"
LEAST_FREE_BYTES: Final = 64 << 20
LONGEST_NAME: Final = 50  # characters of a framework or mode in the name of a file, which has at most 255 bytes
ELSEWHERE: Final = "choose another folder with --results"
RESUMES: Final = ", then go on with --resume"

T = TypeVar("T")


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = Samples(path)
        self.models = Models(path)
        self._lock = Lock(path)

    @property
    def id(self) -> str:
        """Id of the run: the name of its folder."""
        return self.path.name

    @property
    def records_path(self) -> Path:
        """Path of records.jsonl."""
        return self.path / RECORDS_FILE

    @property
    def has_records(self) -> bool:
        """Whether anything was measured."""
        try:
            return self.records_path.stat().st_size > 0
        except OSError:
            return False

    @property
    def report_path(self) -> Path:
        """Folder of the report."""
        return self.path / "report"

    def lock(self) -> None:
        """Lock the folder for this process until it ends.

        Raises:
            StoreError: another samestep has locked it.
        """
        if not _attempt(self.path, self._lock.take):
            raise StoreError(f"{self.path}: another samestep is running it; wait for it or stop it.")

    def unlock(self) -> None:
        """Release the lock; safe to call twice."""
        self._lock.free()

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
        return reading.facts(self.path / RUN_FILE)

    def plan(self) -> Plan:
        """Read plan.json; raises StoreError."""
        return reading.plan(self.path / PLAN_FILE)

    def append(self, record: Record) -> None:
        """Add a record and wait until it is on the disk; raises StoreError, and then the file is as before."""
        self._append(RECORDS_FILE, to_json(record) + "\n")

    def with_model_kept(self, record: Record) -> Record:
        """Return `record` without the bytes of its export, which are in the folder; raises StoreError."""
        return _attempt(self.models.folder, lambda: self.models.kept(record))

    def append_samples(self, samples: Sequence[Sample]) -> None:
        """Add the samples of one replicate and wait until they are on the disk; raises StoreError."""
        _attempt(self.path, lambda: self.samples.append(samples))

    def write_log(self, record: Record, text: str) -> None:
        """Write the output of a replicate to its log (`log_path`); raises StoreError."""
        if not text:
            return
        path = self.path / log_path(record)
        _attempt(path.parent, lambda: path.parent.mkdir(exist_ok=True))
        _attempt(path, lambda: path.write_text(texts.log(text), encoding="utf-8"))

    def logs(self) -> frozenset[str]:
        """Return the paths of the logs that are there, as `log_path` has them."""
        try:
            return frozenset(f"{LOGS_FOLDER}/{path.name}" for path in (self.path / LOGS_FOLDER).iterdir())
        except OSError:  # there are none, or they may not be read
            return frozenset()

    def records(self) -> tuple[Record, ...]:
        """Return every record; those of older schemas are upgraded.

        Raises:
            StoreError: a line is damaged or of a newer schema; the message has file, line and remedy.
        """
        return reading.records(self.records_path)

    def replicates(self) -> tuple[Record, ...]:
        """Return one record for each process (`harness.store.replicates`).

        Raises:
            StoreError: as `records`; or two lines say different things of one replicate.
        """
        return replicates.standing(self.records_path, self.records())

    def merge_samples(self) -> None:
        """Write samples.parquet from the samples; do nothing where there are none.

        Raises:
            StoreError: a file is damaged, or the disk is full.
        """
        _attempt(self.samples.merged, self.samples.merge)

    def _replace(self, name: str, text: str) -> None:
        path = self.path / name

        def write() -> None:
            with complete_file(path) as temporary:
                temporary.write_text(text, encoding="utf-8")

        _attempt(path, write)

    def _append(self, name: str, text: str) -> None:
        path = self.path / name

        def write() -> None:
            with path.open("a+b", buffering=0) as file:
                length = file.seek(0, os.SEEK_END)
                try:
                    _write_whole(file, _line_end(file, length) + text.encode())
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(length)
                    raise

        _attempt(path, write)


def log_path(record: Record) -> Path:
    """Return where the output of a replicate is in its run's folder: logs/<position>-<framework>-<mode>[-2].log."""
    again = f"-{record.attempt}" if record.attempt > 1 else ""
    cell = texts.file_name(f"{record.cell.framework[:LONGEST_NAME]}-{record.cell.mode[:LONGEST_NAME]}")
    return Path(LOGS_FOLDER) / f"{record.position:04}-{cell}{again}.log"


def create(results: Path, run_id: str) -> RunFolder:
    """Make a folder under `results` for the run `run_id`, with a number added where the name exists already.

    Raises:
        StoreError: the folder cannot be made, or the disk is nearly full.
    """
    _attempt(results, lambda: results.mkdir(parents=True, exist_ok=True))
    require_space(results)
    for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
        path = results / f"{run_id}{suffix}"
        if _attempt(path, functools.partial(_made, path)):
            return RunFolder(path)
    raise StoreError(f"{results}: a thousand runs are called {run_id} already.")


def _made(path: Path) -> bool:
    """Make the folder; return False where something has its name, also when that came just now."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def require_space(results: Path) -> None:
    """Raise StoreError when the disk of `results` is nearly full."""
    free = shutil.disk_usage(results).free
    if free < LEAST_FREE_BYTES:
        raise StoreError(
            f"{results}: only {free >> 20} MiB are free there, a run needs {LEAST_FREE_BYTES >> 20} MiB:"
            " free some space, or choose another folder with --results."
        )


def latest(results: Path) -> list[RunFolder]:
    """Return the runs under `results`, the one that was started or resumed last first.

    Raises:
        StoreError: the folder cannot be read.
    """
    try:
        found = sorted(filter(_is_run, results.iterdir()))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise StoreError(f"{results} cannot be read: {explained(error)}.") from error
    return [RunFolder(path) for path in sorted(found, key=_begun_unix_ns, reverse=True)]


def find(results: Path, name: str, *, empty: bool = False) -> RunFolder:
    """Return the run called `name`: its id under `results`, the path of its folder, or "latest".

    The latest is the one that was started or resumed last, of those that have a record; with `empty` of all.

    Raises:
        StoreError: there is no such run.
    """
    if name == "latest":
        runs = latest(results)
        if chosen := next((run for run in runs if empty or run.has_records), None):
            return chosen
        if runs:
            raise StoreError(f"No run in {results} has a record yet; the last one is {runs[0].id}.")
    try:
        for path in (results / name, Path(name)):
            if (path / RUN_FILE).is_file():
                return RunFolder(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"The run {shortened_name(name)!r} cannot be read: {explained(error)}.") from error
    known = ", ".join(run.id for run in reversed(latest(results)[:3])) or "none yet"
    raise StoreError(f"There is no run {shortened_name(name)!r} in {results}. The last ones: {known}.")


def _is_run(path: Path) -> bool:
    try:
        return (path / RUN_FILE).is_file()
    except OSError:  # a folder that only its owner may read
        return False


def _begun_unix_ns(path: Path) -> int:
    """Return when a run was started or resumed last; of one whose facts are damaged, when its records changed."""
    try:
        facts = json.loads((path / RUN_FILE).read_bytes())
        return max(int(facts["started_unix_ns"]), int(facts.get("resumed_unix_ns", 0)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        with contextlib.suppress(OSError):
            return (path / RECORDS_FILE).stat().st_mtime_ns
        return 0


def _line_end(file: IO[bytes], length: int) -> bytes:
    """Return the newline that the last line of a file of `length` bytes lacks; empty: it lacks none."""
    if not length:
        return b""
    file.seek(length - 1)
    return b"" if file.read(1) == b"\n" else b"\n"


def _write_whole(file: IO[bytes], data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _attempt(path: Path, action: Callable[[], T]) -> T:
    try:
        return action()
    except OSError as error:
        what = error.strerror or str(error)
        helps = f"{remedy(error) or ELSEWHERE}{RESUMES if error.errno in (errno.ENOSPC, errno.EDQUOT) else ''}"
        helps = helps.replace("choose another folder", ELSEWHERE)
        raise StoreError(f"{path} cannot be written ({what}): {helps}.") from error
    except ValueError as error:
        raise StoreError(f"{str(path)!r} cannot be written: {explained(error) or error}.") from error


def _pretty(value: Any) -> str:
    data: Mapping[str, Any] = dataclasses.asdict(texts.safe(value))
    return json.dumps(data, indent=1, allow_nan=False) + "\n"
