"""The models that frameworks exported for others to run, for a short list."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Cell, Export, Status
from harness.report.tables.row import by_cell, head
from harness.validity.results import Run

MOST_OPERATORS: Final = 20  # that are listed one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One framework's export."""

    title: str  # of the framework that trained and exported the model
    status: Status
    reason: str  # empty when the status is "ok"
    producer: str  # the program that wrote the file, from the file; empty when there is no file, like the next two
    versions: str  # versions of ONNX's intermediate representation and operator set
    operators: str  # operators of the graph, in order

    @property
    def sentence(self) -> str:
        """The model and what is wrong with it, without the title."""
        model = f"{self.producer}, {self.versions}: {self.operators}" if self.producer else ""
        wrong = f"{self.status}: {self.reason}" if self.status != "ok" else ""
        return "; ".join(part for part in (wrong, model) if part)


def exported(run: Run) -> tuple[Exported, ...]:
    """Return the exports of `run`, one for each cell of the export track."""
    exports = []
    for cell, records in by_cell(run, "export").items():
        shared = head(run, cell, records)
        model = next((record.export for record in records if record.export is not None), None)
        exports.append(
            Exported(
                title=f"{shared['title']}{_work(cell)}",
                status=shared["status"],
                reason=shared["reason"],
                producer=model.producer if model else "",
                versions=_versions(model) if model else "",
                operators=_operators(model.operators) if model else "",
            )
        )
    return tuple(exports)


def _work(cell: Cell) -> str:
    """Return which model at a batch it is; empty: the regression's."""
    return f" {cell.workload} {cell.size}, batch {cell.batch}" if cell.batch else ""


def _operators(names: Sequence[str]) -> str:
    """Return the operators in their order; of many, how often there is each."""
    if len(names) <= MOST_OPERATORS:
        return ", ".join(names)
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common())


def _versions(model: Export) -> str:
    return f"IR {model.ir_version}, opset {model.opset}" if model.ir_version is not None else model.format
