"""Ends a run when the machine lets no replicate begin any more: each of them would fail within a second.

The cause is asked for where it is known, the CPU set. Else several replicates in a row that never ran are the sign. One
framework whose environment is broken is not: the others of the run are measured.
"""

from collections.abc import Callable, Collection
from typing import Final

from bench.records.record import Record
from harness.errors import MachineError
from harness.host import processors
from harness.store.replicates import never_ran

MOST: Final = 3  # replicates in a row that never ran


class Launches:
    """The replicates of one run that never ran, one after the other."""

    def __init__(
        self,
        cpus: Collection[int],
        environments: Collection[str],
        gone: Callable[[Collection[int]], str] = processors.gone,
    ) -> None:
        """Take the CPU set and the frameworks, with their variants, that can run; `gone`: the set cannot be used."""
        self._cpus = cpus
        self._environments = environments
        self._gone = gone
        self._in_a_row: list[Record] = []

    def note(self, record: Record) -> None:
        """Take the record of a replicate that was started.

        Raises:
            MachineError: it makes no sense to start another.
        """
        if not never_ran(record):
            self._in_a_row.clear()
            return
        if sentence := self._gone(self._cpus):
            raise MachineError(f"{sentence}, and go on with --resume.")
        self._in_a_row.append(record)
        failed = {each.cell.framework_id for each in self._in_a_row}
        if len(self._in_a_row) >= MOST and (len(failed) > 1 or len(self._environments) == 1):
            raise MachineError(
                f"{len(self._in_a_row)} replicates in a row could not be started, the last one for this reason:"
                f" {record.reason}. Mend it, and go on with --resume."
            )
