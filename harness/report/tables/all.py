"""The tables of a run: which rows stand in which columns, and how to read them."""

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from harness.format import Value, listed
from harness.report import attempts, rows
from harness.report.columns import ACCURACY_COLUMNS, CODE_COLUMNS, STEP_COLUMNS, Column
from harness.report.evidence_columns import COMPILE_COLUMNS, PROOF_COLUMNS, REPRODUCIBILITY_COLUMNS, unchecked
from harness.report.facts import Run
from harness.report.growth_columns import CROSSOVER_COLUMNS, GROWTH_COLUMNS
from harness.report.memory_columns import MEMORY_COLUMNS
from harness.report.rows import AccuracyRow, CodeRow, Row, StepRow
from harness.report.tables import compile as evidence
from harness.report.tables import energy, growth
from harness.report.tables import session as noise
from harness.report.tables.compile import CompileRow, ProofRow, ReproducibilityRow
from harness.report.tables.energy import ENERGY_COLUMNS, EnergyRow
from harness.report.tables.growth import CrossoverRow, GrowthRow
from harness.report.tables.limits import LIMIT_COLUMNS, LimitRow, limit_rows
from harness.report.tables.memory import MemoryRow, memory_rows
from harness.report.tables.session import NOISE_COLUMNS, NoiseRow
from harness.stats.flags import Flag
from harness.validity.validity import legend

R = TypeVar("R", bound=Row)
UNTIMED_TABLES = ("proof", "memory", "energy")
TableName = Literal[
    "steps",
    "growth",
    "crossovers",
    "limits",
    "compile",
    "proof",
    "reproducibility",
    "accuracy",
    "memory",
    "energy",
    "code",
    "session",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[R]):
    """One table of a run."""

    name: TableName
    title: str
    about: str  # how to read it, a sentence or two
    columns: tuple[Column[R], ...]
    rows: tuple[R, ...]
    is_hole: Callable[[R], bool]  # the row has no result to show, only its reason
    flags: tuple[Flag, ...] = ()  # that some row raised
    tells_reasons: bool = True  # False: another table says why a row is missing
    remarks: tuple[str, ...] = ()  # what a reader of these rows has to know, a sentence each

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of the CSV: the contract."""
        return tuple(column.key for column in self.columns if column.key)


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
    steps = rows.step_rows(run)
    sizes = growth.growth_rows(run, steps)
    return Tables(
        steps=_steps(run, steps, noise.verdict_sentences(run)),
        growth=_growth(sizes),
        crossovers=_crossovers(growth.crossover_rows(sizes, steps)),
        limits=_limits(limit_rows(run)),
        compile=_compile(evidence.compile_rows(run, steps)),
        proof=_proof(evidence.proof_rows(run)),
        reproducibility=_reproducibility(evidence.reproducibility_rows(run)),
        accuracy=_accuracy(rows.accuracy_rows(run)),
        memory=_memory(memory_rows(run), timed=run.is_timed),
        energy=_energy(energy.energy_rows(run)),
        code=Table(
            name="code",
            title="Code",
            about="The hello world as each framework's own documentation would write it, from a cold start to its end.",
            columns=CODE_COLUMNS,
            rows=rows.code_rows(run),
            is_hole=lambda row: row.total_ns is None and row.status != "ok",
        ),
        session=_session(noise.noise_rows(run)),
    )


def _steps(run: Run, found: tuple[StepRow, ...], verdicts: tuple[str, ...]) -> Table[StepRow]:
    return Table(
        name="steps",
        title="Steps",
        about="What one training step costs once it runs, and what the first one costs before that.",
        columns=STEP_COLUMNS,
        rows=found,
        is_hole=lambda row: row.step_ns is None,
        flags=legend(flag for row in found for flag in row.flags),
        remarks=(
            *_inference(found, "a step of theirs is one forward pass, not to be compared with a training step"),
            *attempts.remarks(run),
            *attempts.without_interval(found),
            *verdicts,
        ),
    )


def _session(found: tuple[NoiseRow, ...]) -> Table[NoiseRow]:
    return Table(
        name="session",
        title="Session",
        about="How far this session can be trusted: one cell measured under two labels (A/A), which can differ by noise"
        " alone, and by how much the machine changed within a block, seen by probes before each block and after the"
        " last.",
        columns=NOISE_COLUMNS,
        rows=found,
        is_hole=lambda row: row.ratio is None and row.probe is None,
    )


def _growth(found: tuple[GrowthRow, ...]) -> Table[GrowthRow]:
    missing = Counter(row.bound.why for row in found if row.bound and row.bound.why)
    return Table(
        name="growth",
        title="Growth",
        about="What each mode gets done in a second as the work grows: operations as declared for the workload's step,"
        " bytes as the least that it has to read and to write. Of the measured limits the one that it comes nearest to"
        " binds; below 100 µs a step, and where it comes to no hundredth of any, the launches.",
        columns=GROWTH_COLUMNS,
        rows=found,
        is_hole=lambda row: row.step_ns is None,
        tells_reasons=False,
        remarks=tuple(f"No limit in {_rows(count)}: {why}." for why, count in missing.items()),
    )


def _crossovers(found: tuple[CrossoverRow, ...]) -> Table[CrossoverRow]:
    return Table(
        name="crossovers",
        title="Crossovers",
        about="From which size on a mode is faster than the one that it compares with; no verdict, the step alone.",
        columns=CROSSOVER_COLUMNS,
        rows=found,
        is_hole=lambda row: not row.ahead_from,
        tells_reasons=False,
    )


def _limits(found: tuple[LimitRow, ...]) -> Table[LimitRow]:
    return Table(
        name="limits",
        title="Limits",
        about="What each library got out of this machine at most, by its own calls: the best round of the run. A cell"
        " above a limit is invalid.",
        columns=LIMIT_COLUMNS,
        rows=found,
        is_hole=lambda row: row.best is None,
    )


def _compile(found: tuple[CompileRow, ...]) -> Table[CompileRow]:
    missing = Counter(row.warm.why for row in found if row.warm.why and not row.cold.why)
    return Table(
        name="compile",
        title="Compile cost",
        about="What each compiled mode costs before it pays: its first step with empty caches, and in a second process"
        " on the caches that the first one left.",
        columns=COMPILE_COLUMNS,
        rows=found,
        is_hole=lambda row: row.cold.first_step_ns is None and row.warm.first_step_ns is None,
        tells_reasons=False,
        remarks=tuple(f"No warm first step in {_rows(count)}: {why}." for why, count in missing.items()),
    )


def _proof(found: tuple[ProofRow, ...]) -> Table[ProofRow]:
    return Table(
        name="proof",
        title="Proof of mode",
        about="What each framework was found to have run, read back from it after the timed rounds; counts are the"
        " highest of the replicates, a dash says that the mode or the framework has no such thing.",
        columns=PROOF_COLUMNS,
        rows=found,
        is_hole=lambda row: row.proof is None,
        tells_reasons=False,
    )


def _reproducibility(found: tuple[ReproducibilityRow, ...]) -> Table[ReproducibilityRow]:
    missing = Counter(unchecked(row) for row in found if row.status == "ok" and unchecked(row))
    return Table(
        name="reproducibility",
        title="Reproducibility",
        about="Whether two runs of a cell are bitwise equal: the losses of 20 steps, and the parameters after them.",
        columns=REPRODUCIBILITY_COLUMNS,
        rows=found,
        is_hole=lambda row: row.status != "ok" and row.one_process.equal is None and row.two_processes.equal is None,
        tells_reasons=False,
        remarks=tuple(f"Not checked in {_rows(count)}: {why}." for why, count in missing.items()),
    )


def _accuracy(found: tuple[AccuracyRow, ...]) -> Table[AccuracyRow]:
    return Table(
        name="accuracy",
        title="Accuracy",
        about="What was computed, against a float64 NumPy reference of the same formula from the same bytes.",
        columns=ACCURACY_COLUMNS,
        rows=found,
        is_hole=lambda row: row.accuracy is None,
        tells_reasons=False,
        remarks=_inference(found, "they have no losses, and what is off is their output, against NumPy's"),
    )


def _memory(found: tuple[MemoryRow, ...], *, timed: bool) -> Table[MemoryRow]:
    missing = Counter(row.figures.why for row in found if row.figures.why)
    told = "; ".join(f"in {_rows(count)} since {why}" for why, count in missing.items())
    return Table(
        name="memory",
        title="Memory",
        about="The highest figure seen in any replicate for memory; a replicate is a fresh process, and none is timed.",
        columns=MEMORY_COLUMNS,
        rows=found,
        is_hole=lambda row: row.figures.host_peak_rss_bytes is None or row.status == "skipped",
        tells_reasons=not timed,
        remarks=(f"Figures of the allocator are missing: {told}.",) if missing else (),
    )


def _energy(found: tuple[EnergyRow, ...]) -> Table[EnergyRow]:
    return Table(
        name="energy",
        title="Energy",
        about="What a step takes of the GPU's energy above rest, in replicates of their own.",
        columns=ENERGY_COLUMNS,
        rows=found,
        is_hole=lambda row: row.step_uj is None and row.turn_j is None,
        tells_reasons=False,
        remarks=energy.remarks(found),
    )


def _inference(found: Iterable[Row], says: str) -> tuple[str, ...]:
    """Return the sentence that tells rows of inference from training; none where all rows train."""
    inferring = [row for row in found if row.is_inference]
    if not inferring:
        return ()
    exported = [row for row in inferring if row.source]
    who = listed(list(dict.fromkeys(row.title for row in exported)))
    sources = listed(list(dict.fromkeys(row.source for row in exported)))
    what = f"{who} runs models that {sources} trained and exported; " if exported else ""
    return (f"Inference, not training: {what}{says}.",)


def _rows(count: int) -> str:
    return "one row" if count == 1 else f"{count} rows"


def to_csv(table: Table[R]) -> str:
    """Return the table as CSV: the contract's columns, values in the unit of their name, an empty field for nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    columns = [column for column in table.columns if column.key]
    writer.writerows([_field(column.get(row)) for column in columns] for row in table.rows)
    return text.getvalue()


def _field(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.9g}" if isinstance(value, float) else str(value)
