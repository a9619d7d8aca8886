"""Which replicates of a block are run once more: the invalid ones, at the end of the block.

Three kinds are not run again. Replicates of an earlier block: the machine may have changed since the others of that
block ran. A cell whose second attempt was invalid in an earlier block: the cause is then not a passing disturbance. A
drift probe: it measures the machine before a block, and after the block it would measure something else.
"""

from collections.abc import Iterable, Iterator, Sequence

from bench.catalogue import DRIFT_PROBE
from bench.records.record import Record
from harness.plan.plan import PlannedReplicate
from harness.store.facts import RunFacts
from harness.validity import validity


class Reruns:
    """The second attempts of one run."""

    def __init__(self, facts: RunFacts, kept: Iterable[Record]) -> None:
        """Take the facts of the run and the `kept` records of an earlier session."""
        self._facts = facts
        self._records = list(kept)

    def note(self, record: Record) -> None:
        """Take the record of a replicate that has ended."""
        self._records.append(record)

    def standing(self) -> tuple[Record, ...]:
        """Return the records that count so far, one for each replicate, judged."""
        return validity.judged(self._records, self._facts).records

    def due(self, block: Sequence[PlannedReplicate]) -> Iterator[tuple[PlannedReplicate, str]]:
        """Yield the second attempts of a block whose replicates have all ended, each with its reason."""
        number = block[0].block
        if any(record.block > number for record in self._records):
            return
        invalid = {
            (record.cell, record.block): record.reason for record in self.standing() if record.status == "invalid"
        }
        twice_invalid = {
            record.cell for record in self._records if record.attempt > 1 and (record.cell, record.block) in invalid
        }
        for planned in block:
            reason = invalid.get((planned.cell, number))
            if reason and planned.cell not in twice_invalid and planned.cell.track != DRIFT_PROBE:
                yield planned.again(), reason
