"""The repeats of a turn: the same cell again, each in a separate process, in the scratch folder of the replicate.

    warm      same scratch folder, so the same compile caches, in a second process
    threads   another number of threads: are the results still equal to the last bit?

Each is entered in the record as failed before its process starts. If that process dies, the entry stays.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.records import codec
from bench.records.record import Record, Repeat, RepeatKind
from bench.turns.environment import process_age_ns
from bench.turns.prepare import PhaseFile, cache_entries, prepare, workload_of
from bench.turns.turn import PHASE_FILE, RECORD_FILE, REPEATS, TURN_FILE, Turn, turn_from_json

PROMISED: Final = "its process ended without a result"
NO_CACHE: Final = "the mode keeps no compile cache that a second process could use"


def promise(turn: Turn, folder: Path) -> None:
    """Note in the record of a good replicate which repeats will follow."""
    replicate = _record(folder)
    if replicate and replicate.status == "ok" and turn.repeats:
        _write(folder, dataclasses.replace(replicate, repeats=tuple(_promised(turn, replicate))))


def _promised(turn: Turn, replicate: Record) -> Iterator[Repeat]:
    for kind in turn.repeats:
        repeat = Repeat(kind=kind, threads=threads(turn, kind), status="failed", reason=PROMISED)
        if kind == "warm" and replicate.timing and replicate.timing.compile_cache == "none":
            repeat = dataclasses.replace(repeat, status="skipped", reason=NO_CACHE)
        yield repeat


def threads(turn: Turn, kind: RepeatKind) -> int:
    """Return how many threads a repeat requests: as many as the turn, or another number."""
    if kind == "warm":
        return turn.threads
    return 2 if turn.threads == 1 else 1


def is_pending(folder: Path) -> bool:
    """Return whether a repeat is still to be run."""
    return bool(_pending(folder))


def keep_next(folder: Path) -> None:
    """Run the next repeat in this process and write it into the record."""
    (index, *_) = _pending(folder)
    record = _record(folder)
    assert record
    PhaseFile(folder / PHASE_FILE)(REPEATS)
    (folder / f"repeat-{index}").touch()
    job = turn_from_json((folder / TURN_FILE).read_text(encoding="utf-8"))
    kind = record.repeats[index].kind
    job = dataclasses.replace(job, threads=threads(job, kind))
    prepare(job)
    # only now: they load NumPy, which must not happen before `prepare`
    from bench.parallel import lead
    from bench.protocol import replicate

    repeat = replicate.repeat(
        job,
        kind,
        load=lambda: lead.framework_of(job),
        make=lambda: workload_of(job),
        cache_entries=cache_entries,
    )
    phases = record.phases
    if phases:
        before = phases.total_ns() + phases.parked_ns - phases.repeats_ns
        phases = dataclasses.replace(phases, repeats_ns=max(0, process_age_ns() - before))
    kept = (*record.repeats[:index], repeat, *record.repeats[index + 1 :])
    _write(folder, dataclasses.replace(record, phases=phases, repeats=kept))


def _pending(folder: Path) -> list[int]:
    """Return the indices in `Record.repeats` of those that no process has begun."""
    record = _record(folder)
    promised = record.repeats if record else ()
    return [
        index
        for index, repeat in enumerate(promised)
        if repeat.reason == PROMISED and not (folder / f"repeat-{index}").exists()
    ]


def _record(folder: Path) -> Record | None:
    path = folder / RECORD_FILE
    return codec.from_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def _write(folder: Path, record: Record) -> None:
    """Replace the record atomically: the process may be killed at any time."""
    new = folder / f".{RECORD_FILE}"
    new.write_text(codec.to_json(record) + "\n", encoding="utf-8")
    new.replace(folder / RECORD_FILE)
