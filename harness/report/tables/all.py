"""All tables of a run, in the order of the report. Each table has a module of its own."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from harness.report.claims.evidence import Evidence
from harness.report.tables import (
    accuracy,
    claims,
    code,
    cold_start,
    compile,
    energy,
    eras,
    growth,
    hosts,
    inference,
    limits,
    memory,
    proof,
    reproducibility,
    scaling,
    session,
    steps,
    streaming,
    variants,
)
from harness.report.tables.accuracy import AccuracyRow
from harness.report.tables.claims import ClaimRow
from harness.report.tables.code import CodeRow
from harness.report.tables.cold_start import ColdStartRow
from harness.report.tables.compile import CompileRow
from harness.report.tables.energy import EnergyRow
from harness.report.tables.eras import EraRow, NotHadRow
from harness.report.tables.growth import CrossoverRow, GrowthRow
from harness.report.tables.hosts import HostRow
from harness.report.tables.inference import InferenceRow
from harness.report.tables.limits import LimitRow
from harness.report.tables.memory import MemoryRow
from harness.report.tables.proof import ProofRow
from harness.report.tables.reproducibility import ReproducibilityRow
from harness.report.tables.row import Row
from harness.report.tables.scaling_row import ScalingRow, scaling_rows
from harness.report.tables.session import NoiseRow
from harness.report.tables.steps import StepRow
from harness.report.tables.streaming import StreamingRow
from harness.report.tables.table import Table
from harness.report.tables.variant_row import VariantRow, variant_rows
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of a run."""

    steps: Table[StepRow]
    scaling: Table[ScalingRow]
    variants: Table[VariantRow]
    growth: Table[GrowthRow]
    crossovers: Table[CrossoverRow]
    limits: Table[LimitRow]
    compile: Table[CompileRow]
    inference: Table[InferenceRow]
    cold_start: Table[ColdStartRow]
    proof: Table[ProofRow]
    reproducibility: Table[ReproducibilityRow]
    accuracy: Table[AccuracyRow]
    memory: Table[MemoryRow]
    energy: Table[EnergyRow]
    streaming: Table[StreamingRow]
    eras: Table[EraRow]
    not_had: Table[NotHadRow]
    code: Table[CodeRow]
    claims: Table[ClaimRow]
    session: Table[NoiseRow]
    hosts: Table[HostRow]

    def __iter__(self) -> Iterator[Table[Any]]:
        """Yield the tables in the order of the report."""
        return iter(self.named(name) for name in TABLES)

    @property
    def timed(self) -> tuple[StepRow | ScalingRow, ...]:
        """Return the rows of all cells whose steps were to be timed, the data-parallel ones last."""
        return (*self.steps.rows, *self.scaling.rows)

    def named(self, name: str) -> Table[Any]:
        """Return the table called `name`; raises KeyError."""
        if name not in TABLES:
            raise KeyError(name)
        table: Table[Any] = getattr(self, name)
        return table

    def shown(self, run: Run) -> tuple[Table[Any], ...]:
        """Return the tables that people see; for a run without times, only those that need none and have rows."""
        return tuple(table for table in self if run.is_timed or (table.rows and not table.is_timed))


TABLES: Final = tuple(field.name for field in dataclasses.fields(Tables))

AnyRow = TypeVar("AnyRow", bound=Row)


def tables(run: Run) -> Tables:
    """Compute all tables of `run`."""
    all_steps = steps.step_rows(run)
    step_rows = tuple(row for row in all_steps if not row.cell.ranks)
    parallel_rows = scaling_rows(run, all_steps)
    path_rows = inference.inference_rows(run, step_rows)
    growth_rows = growth.growth_rows(run, step_rows)
    streaming_rows = streaming.streaming_rows(run)
    era_rows = eras.era_rows(run, step_rows)
    repeated, memory_rows, code_rows = (
        reproducibility.reproducibility_rows(run),
        memory.memory_rows(run),
        code.code_rows(run),
    )
    accuracy_rows = accuracy.accuracy_rows(run)
    evidence = Evidence(
        run=run,
        steps=_locked(step_rows),
        memory=_locked(memory_rows),
        reproducibility=_locked(repeated),
        code=_locked(code_rows),
        streaming=_locked(streaming_rows),
        scaling=_locked(parallel_rows),
    )
    return Tables(
        steps=steps.table(run, step_rows, session.verdict_sentences(run)),
        scaling=scaling.table(parallel_rows),
        variants=variants.table(variant_rows(run, all_steps, memory_rows, accuracy_rows)),
        growth=growth.table(growth_rows),
        crossovers=growth.crossovers_table(growth.crossover_rows(growth_rows, step_rows)),
        limits=limits.table(limits.limit_rows(run)),
        compile=compile.table(compile.compile_rows(run, step_rows)),
        inference=inference.table(path_rows),
        cold_start=cold_start.table(cold_start.cold_start_rows(run, path_rows)),
        proof=proof.table(proof.proof_rows(run)),
        reproducibility=reproducibility.table(repeated),
        accuracy=accuracy.table(accuracy_rows),
        memory=memory.table(memory_rows, timed=run.is_timed),
        energy=energy.table(energy.energy_rows(run)),
        streaming=streaming.table(streaming_rows),
        eras=eras.table(era_rows),
        not_had=eras.not_had_table(eras.not_had_rows(era_rows)),
        code=code.table(code_rows),
        claims=claims.table(claims.claim_rows(evidence), timed=run.is_timed),
        session=session.table(session.noise_rows(run)),
        hosts=hosts.table(hosts.host_rows(run)),
    )


def _locked(rows: Iterable[AnyRow]) -> tuple[AnyRow, ...]:
    """Return the rows of the frameworks as they are locked: a claim is about no other version of them."""
    return tuple(row for row in rows if not row.cell.variant)
