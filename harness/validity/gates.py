"""What a record says of itself, held against the gates once more.

`bench` refuses such a replicate before it writes the record. Here the same gates look at what was written, so that a
record of somebody else, of an older bench or of a damaged process does not pass for want of one.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.protocol.required import InvalidResultError, require_mode, require_no_allocations, require_threads
from bench.records.record import Accuracy, Record
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of

TRACKS = ("identical", "twin")


def mode(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates that did not run what was asked for, by their proof and their processor time."""
    for record in _timed(records):
        try:
            _require(record)
        except InvalidResultError as error:
            yield Finding(key=key_of(record), reason=str(error))


def bytes_(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates that were handed other data, or began with other parameters, than the others of their work.

    Of two that differ nobody knows which is right: where no more than half agree, all are named.
    """
    for what in ("data_sha256", "init_sha256"):
        works: dict[tuple[str, ...], list[tuple[Record, Accuracy]]] = {}
        for record in _timed(records):
            if record.accuracy is not None:
                cell = record.cell
                works.setdefault((cell.workload, cell.size, cell.precision), []).append((record, record.accuracy))
        for work in works.values():
            (usual, count), *_ = Counter(getattr(accuracy, what) for _, accuracy in work).most_common(1)
            known = 2 * count > len(work)
            for record, accuracy in work:
                found = getattr(accuracy, what)
                if found != usual or not known:
                    other = f"the others' {usual[:8]}" if known else "and no more than half of all agree"
                    yield Finding(key=key_of(record), reason=f"{what}: its bytes are {found[:8]}, {other}")


def caches(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates whose first step is called cold although nothing was compiled in their process."""
    for record in _timed(records):
        timing, proof = record.timing, record.proof
        if timing is None or proof is None or timing.compile_cache != "cold" or timing.cache_entries is None:
            continue
        if not proof.cache_misses and not timing.cache_entries:
            yield Finding(key=key_of(record), reason="its first step is called cold, without a miss or a new file")


def _timed(records: Sequence[Record]) -> Iterator[Record]:
    return (record for record in records if record.status == "ok" and record.cell.track in TRACKS)


def _require(record: Record) -> None:
    threads = record.environment.threads if record.environment else None
    if record.proof is not None and threads is not None:
        require_mode(record.cell, threads, record.proof)
    if record.timing is not None and threads is not None:
        require_threads(threads, record.timing)
    if record.memory is not None:
        require_no_allocations(record.memory)
