"""Models that one framework trains and another runs: made once in a run, before the first replicate that needs them.

An export is a turn like any other, in the environment of the framework that trains. Its record is kept with those of
the replicates, so a resumed run finds it. After an export that failed, every replicate that needs it has its reason.
At a batch all replicates, those that export included, have the same trained parameters (`harness.run.trained`).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from bench.catalogue import EXPORT, FrameworkOffer
from bench.records.record import Cell, Record
from bench.turns.turn import Artifact, Model
from harness.plan.models import export_of
from harness.plan.plan import PlannedReplicate
from harness.run.trained import Trained, TrainingError

TRAINED_BY: Final = "numpy"  # the framework whose export the training in float64 counts as


class Make(Protocol):
    """Runs one turn and keeps its record."""

    def __call__(self, planned: PlannedReplicate, *, model: Model | None = None) -> Record:
        """Return the record of the export `planned`, which has the parameters of `model`."""
        ...


class Exports:
    """The models of one run."""

    def __init__(
        self,
        offers: Sequence[FrameworkOffer],
        kept: Sequence[Record],
        make: Make,
        *,
        artifact: Callable[[str], Artifact],
        trained: Trained,
    ) -> None:
        """Take the sources from `offers` and the `kept` records of an earlier session.

        Args:
            offers: the frameworks of the run.
            kept: the records of an earlier session.
            make: runs an export.
            artifact: returns where the file of a digest is.
            trained: the trained parameters.
        """
        self._offers = tuple(offers)
        self._made = {record.cell: record for record in kept if record.cell.track == EXPORT and record.status == "ok"}
        self._make = make
        self._artifact = artifact
        self._trained = trained

    def model(self, planned: PlannedReplicate) -> Model | Record | None:
        """Return the model that a replicate runs; the record of the export that gave none; or None: it needs none."""
        cell = planned.cell
        try:
            trained = self._trained.model(cell) if cell.batch else None
        except TrainingError as error:
            return _untrained(planned, error)
        if (export := export_of(self._offers, cell)) is None:
            return trained
        if export not in self._made:
            self._made[export] = self._make(dataclasses.replace(planned, cell=export), model=trained)
        record = self._made[export]
        if record.export is None or record.accuracy is None:
            return record
        return dataclasses.replace(
            trained or Model(),
            artifact=self._artifact(record.export.sha256),
            init_sha256=record.accuracy.init_sha256,
        )


def _untrained(planned: PlannedReplicate, error: TrainingError) -> Record:
    cell: Cell = dataclasses.replace(planned.cell, framework=TRAINED_BY, mode=EXPORT, track=EXPORT)
    return Record(
        cell=cell,
        block=planned.block,
        position=planned.position,
        status="skipped" if error.is_skip else "failed",
        reason=str(error),
    )
