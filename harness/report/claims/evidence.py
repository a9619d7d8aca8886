"""What the rules of the claims look at: the rows of a run's tables, and the ratios of its cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.records.record import Cell
from harness.plan.label import ranks
from harness.report.claims.claim import Comparison, Part, Side
from harness.report.tables.code import CodeRow
from harness.report.tables.memory import MemoryRow
from harness.report.tables.reproducibility import ReproducibilityRow
from harness.report.tables.row import Row
from harness.report.tables.scaling_row import ScalingRow
from harness.report.tables.steps import StepRow, shared_ratios
from harness.report.tables.streaming import StreamingRow
from harness.report.words import FEW
from harness.validity.ratios import Ratios, ratios_of
from harness.validity.results import Run

Mode = tuple[str, str]  # framework and mode
FIELDS = ("workload", "size", "optimizer", "precision", "allocator", "batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The rows of a run on which claims are judged."""

    run: Run
    steps: tuple[StepRow, ...]
    memory: tuple[MemoryRow, ...]
    reproducibility: tuple[ReproducibilityRow, ...]
    code: tuple[CodeRow, ...]
    streaming: tuple[StreamingRow, ...] = ()
    scaling: tuple[ScalingRow, ...] = ()

    @property
    def ratios(self) -> Ratios:
        """The ratios of the run's cells by block."""
        return ratios_of(self.run)

    def title(self, framework: str) -> str:
        """Return the title of `framework`."""
        return self.run.title(framework)

    def training(self, framework: str, mode: str) -> tuple[StepRow, ...]:
        """Return the rows of the mode that train and have a valid time."""
        return tuple(
            row
            for row in self.steps
            if (row.cell.framework, row.cell.mode) == (framework, mode) and not row.is_inference and is_good(row)
        )

    def on_one_work(self, modes: Sequence[Mode]) -> Iterator[tuple[StepRow, ...]]:
        """Yield the training rows of `modes` by work, in their order; only of works that at least two of them have."""
        works: dict[Cell, list[StepRow]] = {}
        for mode in modes:
            for row in self.training(*mode):
                works.setdefault(work_of(row.cell), []).append(row)
        yield from (tuple(rows) for rows in works.values() if len(rows) > 1)

    def compared(self, subject: str, over: Mode, under: Mode, *, claimed: Side, limit: float = 1.0) -> tuple[Part, ...]:
        """Return a part for each work that both modes have: time per step of `over` ÷ that of `under`."""
        parts = (
            self.part(subject, rows[0], self.by_block(*rows), claimed=claimed, limit=limit)
            for rows in self.on_one_work((over, under))
        )
        return tuple(part for part in parts if part is not None)

    def by_block(self, over: StepRow, under: StepRow) -> Mapping[int, float]:
        """Return the ratio of two times per step by block."""
        return shared_ratios(self.ratios, over, under)

    def part(
        self, subject: str, row: Row, by_block: Mapping[int, float], *, claimed: Side, limit: float = 1.0
    ) -> Part | None:
        """Return the part that rests on a ratio known in these blocks; None: in none."""
        pair = self.ratios.pair(by_block)
        tested = self.ratios.pair({block: ratio / limit for block, ratio in by_block.items()})
        if pair is None or tested is None:
            return None
        comparison = Comparison(ratio=pair.ratio, pair=tested, limit=limit, claimed=claimed)
        return Part(subject=subject, work=self.work(row.cell), comparison=comparison)

    def work(self, cell: Cell) -> str:
        """Return the work of `cell` in words: the fields in which the run's cells differ."""
        cells = [row.cell for row in (*self.steps, *self.scaling)]
        varying = [name for name in FIELDS if len({getattr(each, name) for each in cells}) > 1]
        values = {name: getattr(cell, name) for name in varying}
        values |= {"batch": f"batch {cell.batch}" if cell.batch else ""} if "batch" in values else {}
        return " ".join(filter(None, values.values()))

    def unusable(self, *modes: Mode, workload: str = "") -> tuple[str, ...]:
        """Return the cells of `modes` that were tried and have no valid time, with their status; of one `workload`."""
        rows = [row for row in self.steps if not row.is_inference and workload in ("", row.cell.workload)]
        return self.named([row for row in rows if (row.cell.framework, row.cell.mode) in modes and not is_good(row)])

    def named(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Name rows without a result, a few one by one, each with its status."""
        names = [
            f"{row.title} {row.cell.mode} {self.work(row.cell)}".strip() + f"{ranks(row.cell)}: {_status(row)}"
            for row in rows
        ]
        return (*names[:FEW], f"{len(names) - FEW} more") if len(names) > FEW else tuple(names)

    def lacking(self, frameworks: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
        """Return the titles of those of `frameworks` that none of `rows` is of."""
        known = {row.cell.framework for row in rows}
        return tuple(self.title(name) for name in frameworks if name not in known)

    def flops(self, cell: Cell) -> int:
        """Return the declared operations of a step of `cell`; 0 where the run does not say."""
        works = (work for offer in self.run.facts.workloads if offer.name == cell.workload for work in offer.works)
        return next((work.flops for work in works if work.name == cell.size), 0)

    def sizes(self, workload: str) -> tuple[str, ...]:
        """Return the sizes of `workload`, smallest first."""
        return next((offer.sizes for offer in self.run.facts.workloads if offer.name == workload), ())


def is_good(row: StepRow) -> bool:
    """Return whether a claim may rest on the time of `row`."""
    return row.status == "ok" and row.step_ns is not None


def work_of(cell: Cell) -> Cell:
    """Return what cells of the same work have in common."""
    return replace(cell, framework="", mode="")


def _status(row: Row) -> str:
    return "no time" if row.status == "ok" else row.status
