"""The models that frameworks exported for others to run, as a short list."""

from dataclasses import dataclass

from bench.records.record import Status
from harness.report.tables.row import by_cell, head
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One framework's export."""

    title: str  # of the framework that trained and wrote it
    status: Status
    reason: str  # empty when the status is "ok"
    producer: str  # what wrote it, as the file says; empty like the rest when there is no file
    versions: str  # of ONNX's intermediate representation and operator set
    operators: str  # of the graph, in its order

    @property
    def sentence(self) -> str:
        """What there is to know about it, without its title."""
        told = f"{self.producer}, {self.versions}: {self.operators}" if self.producer else ""
        wrong = f"{self.status}: {self.reason}" if self.status != "ok" else ""
        return "; ".join(part for part in (wrong, told) if part)


def exported(run: Run) -> tuple[Exported, ...]:
    """Return the exports of `run`, one for each cell of that track."""
    found = []
    for cell, records in by_cell(run, "export").items():
        begins = head(run, cell, records)
        model = next((record.export for record in records if record.export is not None), None)
        found.append(
            Exported(
                title=begins["title"],
                status=begins["status"],
                reason=begins["reason"],
                producer=model.producer if model else "",
                versions=f"IR {model.ir_version}, opset {model.opset}" if model else "",
                operators=", ".join(model.operators) if model else "",
            )
        )
    return tuple(found)
