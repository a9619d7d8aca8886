"""The tables of a run: which rows stand in which columns, and how to read them."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.report.tables import accuracy as tables_accuracy
from harness.report.tables import code as tables_code
from harness.report.tables import compile as evidence
from harness.report.tables import (
    energy,
    growth,
    limits,
    memory,
)
from harness.report.tables import proof as tables_proof
from harness.report.tables import reproducibility as tables_reproducibility
from harness.report.tables import session as noise
from harness.report.tables import steps as tables_steps
from harness.report.tables.accuracy import AccuracyRow
from harness.report.tables.code import CODE_COLUMNS, CodeRow
from harness.report.tables.compile import CompileRow
from harness.report.tables.energy import EnergyRow
from harness.report.tables.growth import CrossoverRow, GrowthRow, crossovers_table
from harness.report.tables.limits import LimitRow, limit_rows
from harness.report.tables.memory import MemoryRow, memory_rows
from harness.report.tables.proof import ProofRow
from harness.report.tables.reproducibility import ReproducibilityRow
from harness.report.tables.session import NoiseRow
from harness.report.tables.steps import StepRow
from harness.report.tables.table import Table
from harness.validity.results import Run

UNTIMED_TABLES = ("proof", "memory", "energy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of a run."""

    steps: Table[StepRow]
    growth: Table[GrowthRow]
    crossovers: Table[CrossoverRow]
    limits: Table[LimitRow]
    compile: Table[CompileRow]
    proof: Table[ProofRow]
    reproducibility: Table[ReproducibilityRow]
    accuracy: Table[AccuracyRow]
    memory: Table[MemoryRow]
    energy: Table[EnergyRow]
    code: Table[CodeRow]
    session: Table[NoiseRow]

    def __iter__(self) -> Iterator[Table[Any]]:
        """Yield them in the order of the report."""
        return iter(getattr(self, field.name) for field in dataclasses.fields(self))

    def shown(self, run: Run) -> tuple[Table[Any], ...]:
        """Return those that people see: of a run without times no table that is about them."""
        return tuple(table for table in self if run.is_timed or (table.rows and table.name in UNTIMED_TABLES))


def tables(run: Run) -> Tables:
    """Compute the tables."""
    steps = tables_steps.step_rows(run)
    sizes = growth.growth_rows(run, steps)
    return Tables(
        steps=tables_steps.table(run, steps, noise.verdict_sentences(run)),
        growth=growth.table(sizes),
        crossovers=crossovers_table(growth.crossover_rows(sizes, steps)),
        limits=limits.table(limit_rows(run)),
        compile=evidence.table(evidence.compile_rows(run, steps)),
        proof=tables_proof.table(tables_proof.proof_rows(run)),
        reproducibility=tables_reproducibility.table(tables_reproducibility.reproducibility_rows(run)),
        accuracy=tables_accuracy.table(tables_accuracy.accuracy_rows(run)),
        memory=memory.table(memory_rows(run), timed=run.is_timed),
        energy=energy.table(energy.energy_rows(run)),
        code=Table(
            name="code",
            title="Code",
            about="The hello world as each framework's own documentation would write it, from a cold start to its end.",
            columns=CODE_COLUMNS,
            rows=tables_code.code_rows(run),
            is_hole=lambda row: row.total_ns is None and row.status != "ok",
        ),
        session=noise.table(noise.noise_rows(run)),
    )
