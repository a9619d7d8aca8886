"""Workloads in a ladder of sizes: what cannot fit is not begun, and where memory ran out nobody climbs on."""

from collections.abc import Iterable
from dataclasses import replace

from bench.catalogue import WorkloadOffer
from bench.records.record import Cell, Record


class Ends:
    """Where ladders ended in this run: the sizes at which a cell ran out of memory."""

    def __init__(self, offers: Iterable[WorkloadOffer], kept: Iterable[Record]) -> None:
        """Know the sizes of `offers`, and what `kept` records say of an earlier session."""
        self._flops = {(offer.name, work.name): work.flops for offer in offers for work in offer.works}
        self._ends: dict[Cell, Cell] = {}
        for record in kept:
            self.note(record)

    def note(self, record: Record) -> None:
        """Take note of a record: memory that ran out ends the ladder of its cell."""
        if record.status != "oom" or (record.cell.workload, record.cell.size) not in self._flops:
            return
        line = replace(record.cell, size="")
        known = self._ends.get(line)
        if known is None or self._work(record.cell) < self._work(known):
            self._ends[line] = record.cell

    def above(self, cell: Cell) -> str:
        """Return why `cell` is not run: a smaller size of it ran out of memory; empty: it is run."""
        end = self._ends.get(replace(cell, size=""))
        if end is None or self._work(cell) <= self._work(end):
            return ""
        return f"not run: {end.size}, which is smaller, ran out of memory"

    def _work(self, cell: Cell) -> int:
        return self._flops[cell.workload, cell.size]
