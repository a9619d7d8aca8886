"""Models that one framework trains and another runs: made once in a run, before the first replicate that needs them.

An export is a turn like any other, in the environment of the framework that trains. Its record is kept with those of
the replicates, so a resumed run finds it. After an export that failed, every replicate that needs it has its reason.
"""

import dataclasses
from collections.abc import Callable, Sequence

from bench.catalogue import DEFAULT_POLICY, EXPORT, FrameworkOffer
from bench.records.record import Record
from bench.turns.turn import Model
from harness.plan.models import sources
from harness.plan.plan import PlannedReplicate

Make = Callable[[PlannedReplicate], Record]  # runs one turn and keeps its record


class Exports:
    """The models of one run."""

    def __init__(self, offers: Sequence[FrameworkOffer], kept: Sequence[Record], make: Make) -> None:
        """Take the sources from `offers` and the `kept` records of an earlier session; `make` runs an export."""
        self._sources = sources(offers)
        self._made = {record.cell: record for record in kept if record.cell.track == EXPORT and record.status == "ok"}
        self._make = make

    def model(self, planned: PlannedReplicate) -> Model | Record | None:
        """Return the model that a replicate runs; the record of the export that gave none; or None: it needs none."""
        source = self._sources.get((planned.cell.framework, planned.cell.mode))
        if source is None:
            return None
        cell = dataclasses.replace(planned.cell, framework=source, mode=EXPORT, track=EXPORT, allocator=DEFAULT_POLICY)
        if cell not in self._made:
            self._made[cell] = self._make(dataclasses.replace(planned, cell=cell))
        return _model(self._made[cell])


def _model(record: Record) -> Model | Record:
    if record.export is None or record.accuracy is None:
        return record
    return Model(base64=record.export.model_base64, init_sha256=record.accuracy.init_sha256)
