"""The files of a run, read through the strict door: their values, or one sentence with file, line, field and remedy."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from bench.records.codec import RecordError
from bench.records.record import Cell, Record
from harness import strict
from harness.errors import StoreError
from harness.plan.plan import Plan
from harness.store import rules
from harness.store.facts import RunFacts, renamed
from harness.strict import FieldError, JsonError
from harness.terminal import shell

T = TypeVar("T")

RESTORE: Final = "Put the file back as it was; the measurements are in records.jsonl"


def record(source: str) -> Record:
    """Return the record in `source`, a line of records.jsonl or what a replicate wrote; raises RecordError."""
    return rules.require_record(strict.record(source))


def records(path: Path) -> tuple[Record, ...]:
    """Return every record of records.jsonl, those of older schemas upgraded; none where there is no file.

    Raises:
        StoreError: a line is damaged or of a newer schema.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")  # an editor's mark of UTF-8
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}. Check what it is, and who may read it.") from error
    if not lines[-1]:
        lines.pop()
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(record(_decoded(line)))
        except RecordError as error:
            raise _of_line(path, number, error) from error
    return tuple(found)


def facts(path: Path) -> RunFacts:
    """Return what run.json holds; raises StoreError."""
    return _whole_file(path, RunFacts, rules.require_facts)


def plan(path: Path) -> Plan:
    """Return what plan.json holds; raises StoreError."""
    return _whole_file(path, Plan, rules.require_plan)


def require_one_run(path: Path, records: Sequence[Record], facts: RunFacts, plan: Plan) -> None:
    """Raise StoreError for the first record of records.jsonl, at `path`, that is not of this run.

    Args:
        path: of records.jsonl.
        records: all of its lines.
        facts: of the run, with their present names.
        plan: of the run.
    """
    planned: dict[Cell, set[int]] = {}
    for replicate in plan.in_order():
        planned.setdefault(renamed(replicate.cell), set()).add(replicate.block)
    for number, each in enumerate(records, start=1):
        try:
            rules.require_of_run(each, facts, planned)
        except RecordError as error:
            raise _of_line(path, number, error) from error


def _whole_file(path: Path, kind: type[T], require: Callable[[T], T]) -> T:
    try:
        source = _decoded(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        try:
            return require(strict.value(kind, source))
        except FieldError as error:
            line = strict.line_of(source, error.path)
            raise StoreError(f"{path} cannot be read: line {line}: {error}. {RESTORE}.") from error
    except FileNotFoundError as error:
        raise StoreError(f"{path.parent} is not a run: it has no {path.name}.") from error
    except OSError as error:
        remedy = "Check what it is, and who may read it"
        raise StoreError(f"{path} cannot be read: {error.strerror}. {remedy}.") from error
    except JsonError as error:
        raise StoreError(f"{path} cannot be read: line {error.line}: {error}. {RESTORE}.") from error


def _decoded(source: bytes) -> str:
    try:
        return source.decode()
    except UnicodeDecodeError as error:
        before = source[: error.start]
        column = error.start - before.rfind(b"\n")
        raise JsonError(f"a byte that is no UTF-8, column {column}", before.count(b"\n") + 1) from error


def _of_line(path: Path, number: int, error: RecordError) -> StoreError:
    delete = shell.command("sed", "-i", f"{number}d", shell.path(path))
    remedy = f" Delete the line ({delete}); --resume measures it again."
    return StoreError(f"{path}, line {number}: {error}.{'' if 'newer' in str(error) else remedy}")
