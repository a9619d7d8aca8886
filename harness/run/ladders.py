"""Workloads with a ladder of sizes: larger sizes are skipped after an out-of-memory."""

from collections.abc import Iterable
from dataclasses import replace

from bench.catalogue import WorkloadOffer
from bench.records.record import Cell, Record


class SizesToSkip:
    """The sizes that a run skips, because a smaller size of the same cell ran out of memory."""

    def __init__(self, offers: Iterable[WorkloadOffer], kept: Iterable[Record]) -> None:
        """Take the sizes of `offers`, and the `kept` records of an earlier session of the run."""
        self._flops = {(offer.name, work.name): work.flops for offer in offers for work in offer.works}
        self._out_of_memory: dict[Cell, Cell] = {}  # by cell without its size: the smallest size that ran out
        for record in kept:
            self.note(record)

    def note(self, record: Record) -> None:
        """Take a record: after an out-of-memory, the larger sizes of its cell are skipped."""
        if record.status != "oom" or (record.cell.workload, record.cell.size) not in self._flops:
            return
        ladder = replace(record.cell, size="")
        smallest = self._out_of_memory.get(ladder)
        if smallest is None or self._work(record.cell) < self._work(smallest):
            self._out_of_memory[ladder] = record.cell

    def reason(self, cell: Cell) -> str:
        """Return why `cell` is skipped; empty: it is run."""
        smallest = self._out_of_memory.get(replace(cell, size=""))
        if smallest is None or self._work(cell) <= self._work(smallest):
            return ""
        return f"not run: the smaller size {smallest.size} ran out of memory"

    def _work(self, cell: Cell) -> int:
        return self._flops[cell.workload, cell.size]
