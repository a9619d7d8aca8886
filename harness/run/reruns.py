"""Which replicates of a block are run once more: the invalid ones, at the block's end, away from what disturbed them.

A block that was left behind is not gone back to: its other replicates met another machine. Nor is a cell run again
whose second attempt was invalid in an earlier block: it is invalid whatever comes, and what is wrong with it is no
disturbance. A sentinel says how the machine was before a block: after it, it would say something else.
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
        """Know what was `kept` of an earlier session."""
        self._facts = facts
        self._records = list(kept)

    def note(self, record: Record) -> None:
        """Take note of a replicate that has ended."""
        self._records.append(record)

    def standing(self) -> tuple[Record, ...]:
        """Return what counts so far, one record for each replicate."""
        return validity.judged(self._records, self._facts).records

    def due(self, block: Sequence[PlannedReplicate]) -> Iterator[tuple[PlannedReplicate, str]]:
        """Yield the second attempts of a block whose replicates have all ended, each with the reason."""
        number = block[0].block
        if any(record.block > number for record in self._records):
            return
        invalid = {(one.cell, one.block): one.reason for one in self.standing() if one.status == "invalid"}
        tried_in_vain = {one.cell for one in self._records if one.attempt > 1 and (one.cell, one.block) in invalid}
        for planned in block:
            reason = invalid.get((planned.cell, number))
            if reason and planned.cell not in tried_in_vain and planned.cell.track != DRIFT_PROBE:
                yield planned.again(), reason
