"""The gates of bench once more, on what the records say.

`bench` refuses a wrong replicate before it writes the record. The same gates check what was written, so that a record
from elsewhere, of an older bench or of a damaged process does not pass unchecked.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.catalogue import TIMED
from bench.protocol.required import InvalidResultError, require_mode, require_no_allocations, require_threads
from bench.records.record import Accuracy, Record
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of


def other_mode(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates that did not run what was requested, by their proof and their processor time."""
    for record in _timed(records):
        try:
            _require(record)
        except InvalidResultError as error:
            yield Finding(key=key_of(record), reason=str(error))


def other_bytes(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates whose data or initial parameters differ from those of the others of their work.

    Where no more than half agree it is not known which are right, so all are named.
    """
    for digest in ("data_sha256", "init_sha256"):
        works: dict[tuple[str, ...], list[tuple[Record, Accuracy]]] = {}
        for record in _timed(records):
            if record.accuracy is not None:
                cell = record.cell
                works.setdefault((cell.workload, cell.size, cell.precision), []).append((record, record.accuracy))
        for work in works.values():
            (usual, count), *_ = Counter(getattr(accuracy, digest) for _, accuracy in work).most_common(1)
            is_majority = 2 * count > len(work)
            for record, accuracy in work:
                own = getattr(accuracy, digest)
                if own != usual or not is_majority:
                    others = f"the others' {usual[:8]}" if is_majority else "and no more than half of all agree"
                    yield Finding(key=key_of(record), reason=f"{digest}: its bytes are {own[:8]}, {others}")


def falsely_cold(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates whose first step is called cold although nothing was compiled in their process."""
    for record in _timed(records):
        timing, proof = record.timing, record.proof
        if timing is None or proof is None or timing.compile_cache != "cold" or timing.cache_entries is None:
            continue
        if not proof.cache_misses and not timing.cache_entries:
            yield Finding(key=key_of(record), reason="its first step is called cold, without a miss or a new file")


def _timed(records: Sequence[Record]) -> Iterator[Record]:
    return (record for record in records if record.status == "ok" and record.cell.track in TIMED)


def _require(record: Record) -> None:
    threads = record.environment.threads if record.environment else None
    if record.proof is not None and threads is not None:
        require_mode(record.cell, threads, record.proof)
    if record.timing is not None and threads is not None:
        require_threads(threads, record.timing)
    if record.memory is not None:
        require_no_allocations(record.memory)
