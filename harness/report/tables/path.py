"""What the tables of paths share: the row of one path, from an exporter to an engine, and the columns that name it."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from harness.report.tables.column import FRAMEWORK, MODE, Column
from harness.report.tables.row import Row

OWN: Final = "its own"  # the exporter of a framework's own forward pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow(Row):
    """One path on one work at one batch."""

    exporter: str  # name of the framework that wrote the model; empty: its own forward pass
    format: str  # in which it wrote it, such as "onnx"; empty: as above

    @property
    def is_own(self) -> bool:
        """Whether it is a framework's own forward pass."""
        return not self.exporter


PATH_COLUMNS: Final[tuple[Column[PathRow], ...]] = (
    FRAMEWORK,
    Column(heading="engine", kind="name", get=attrgetter("title")),
    MODE,
    Column(heading="mode", kind="name", get=attrgetter("cell.mode")),
    Column(key="exporter", type="string", get=attrgetter("exporter")),
    Column(heading="from", kind="name", get=lambda row: row.source or OWN),
    Column(key="format", type="string", get=attrgetter("format")),
    Column(heading="format", kind="name", where="wide", get=lambda row: row.format or None),
)
