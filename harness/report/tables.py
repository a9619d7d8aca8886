"""The columns of the four tables, defined once: CSV, Markdown, the terminal and the page all derive from them.

A column with a `key` is part of the contract that people script against: its order and spelling are fixed, its value
plain and in the unit of its name. A column with a `heading` is shown to people, in `format`. Rows come in ns and bytes:
units are converted here and nowhere else.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Generic, Literal, TypeVar

from harness.report import rows
from harness.report.facts import Run
from harness.report.formats import (
    Value,
    beginning,
    mebibytes,
    parameter,
    percent,
    plain,
    rounded,
    scientific,
    significant,
    times,
    whole,
)
from harness.report.rows import AccuracyRow, CodeRow, MemoryRow, Row, StepRow
from harness.report.stats import NEVER, BreakEven, Flag, all_flags

R = TypeVar("R", bound=Row)
Given = TypeVar("Given", bound=Row, contravariant=True)
TableName = Literal["steps", "accuracy", "memory", "code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[Given]):
    """One column of one table."""

    get: Callable[[Given], Value]
    key: str = ""  # heading in the CSV; empty: for people only
    heading: str = ""  # heading for people; empty: in the CSV only
    unit: str = ""  # beneath the heading
    format: Callable[[Value], str] = plain
    kind: Literal["name", "context", "number"] = "number"  # "context" is told once when all rows agree
    where: Literal["all", "wide", "narrow"] = "all"  # "wide": the page and Markdown; "narrow": a terminal
    hint: Callable[[Given], str] | None = None  # more about one value, for the page


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

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of the CSV: the contract."""
        return tuple(column.key for column in self.columns if column.key)


def _step_us(row: StepRow) -> Value:
    return row.step_ns.value / 1e3 if row.step_ns else None


def _ci_low_us(row: StepRow) -> Value:
    return row.step_ns.interval.low / 1e3 if row.step_ns and row.step_ns.interval else None


def _ci_high_us(row: StepRow) -> Value:
    return row.step_ns.interval.high / 1e3 if row.step_ns and row.step_ns.interval else None


def _interval_us(row: StepRow) -> Value:
    low, high = _ci_low_us(row), _ci_high_us(row)
    return None if low is None else f"{significant(low)} – {significant(high)}"


def _half_width(row: StepRow) -> Value:
    return row.step_ns.half_width if row.step_ns else None


def _first_step_ms(row: StepRow) -> Value:
    return row.first_step_ns.value / 1e6 if row.first_step_ns else None


def _first_step_hint(row: StepRow) -> str:
    if row.first_step_ns is None or row.first_step_ns.interval is None:
        return ""
    low, high = (end / 1e6 for end in (row.first_step_ns.interval.low, row.first_step_ns.interval.high))
    return f"95 % interval {significant(low)} to {significant(high)} ms"


def _speedup(row: StepRow) -> Value:
    if row.is_baseline and row.step_ns:
        return 1
    return row.speedup.value if row.speedup else None


def _speedup_hint(row: StepRow) -> str:
    if row.is_baseline or row.speedup is None or row.speedup.interval is None:
        return ""
    return f"95 % interval {times(row.speedup.interval.low)} to {times(row.speedup.interval.high)}"


def _break_even(row: StepRow) -> Value:
    return math.ceil(row.break_even.steps) if isinstance(row.break_even, BreakEven) else row.break_even


def _break_even_hint(row: StepRow) -> str:
    if row.break_even == NEVER:
        return "the interval of the saving per step includes zero or lies below it"
    if not isinstance(row.break_even, BreakEven):
        return ""
    low, high = (math.ceil(end) for end in (row.break_even.interval.low, row.break_even.interval.high))
    return f"95 % interval {rounded(low)} to {rounded(high)} steps"


def _flag_names(row: StepRow) -> Value:
    return " ".join(flag.name for flag in row.flags)


def _flag_letters(row: StepRow) -> Value:
    return " ".join(flag.letter for flag in row.flags)


def _weight(row: AccuracyRow) -> Value:
    return row.accuracy.weight if row.accuracy else None


def _bias(row: AccuracyRow) -> Value:
    return row.accuracy.bias if row.accuracy else None


def _max_loss_deviation(row: AccuracyRow) -> Value:
    return row.accuracy.max_loss_deviation if row.accuracy else None


def _formula(row: AccuracyRow) -> Value:
    return row.accuracy.formula if row.accuracy else None


def _total_seconds(row: CodeRow) -> Value:
    return row.total_ns / 1e9 if row.total_ns is not None else None


FRAMEWORK: Final[Column[Row]] = Column(key="framework", get=attrgetter("cell.framework"))
TITLE: Final[Column[Row]] = Column(heading="framework", kind="name", get=attrgetter("title"))
MODE: Final[Column[Row]] = Column(key="mode", heading="mode", kind="name", get=attrgetter("cell.mode"))


def _context(*keys: str) -> tuple[Column[Row], ...]:
    return tuple(Column(key=key, heading=key, kind="context", get=attrgetter(f"cell.{key}")) for key in keys)


STEP_COLUMNS: Final[tuple[Column[StepRow], ...]] = (
    FRAMEWORK,
    TITLE,
    MODE,
    *_context("workload", "optimizer", "size", "precision", "device", "allocator"),
    Column(key="status", get=attrgetter("status")),
    Column(key="reason", get=attrgetter("reason")),
    Column(key="step_us", heading="step", unit="µs", format=significant, get=_step_us),
    Column(heading="95 % interval", unit="µs", where="wide", get=_interval_us),
    Column(heading="95 %", unit="±", where="narrow", format=percent, get=_half_width),
    Column(key="ci_low_us", get=_ci_low_us),
    Column(key="ci_high_us", get=_ci_high_us),
    Column(key="replicates", heading="replicates", format=whole, where="wide", get=attrgetter("replicates")),
    Column(key="rounds", heading="rounds", unit="each", format=whole, where="wide", get=attrgetter("rounds")),
    Column(
        key="steps_per_round",
        heading="steps",
        unit="per round",
        format=whole,
        where="wide",
        get=attrgetter("steps_per_round"),
    ),
    Column(
        key="first_step_ms",
        heading="first step",
        unit="ms",
        format=significant,
        get=_first_step_ms,
        hint=_first_step_hint,
    ),
    Column(
        key="speedup_vs_eager",
        heading="speed-up",
        unit="vs eager",
        format=times,
        get=_speedup,
        hint=_speedup_hint,
    ),
    Column(
        key="break_even_steps",
        heading="break-even",
        unit="steps",
        format=rounded,
        get=_break_even,
        hint=_break_even_hint,
    ),
    Column(key="flags", get=_flag_names),
    Column(heading="flags", get=_flag_letters, hint=lambda row: "; ".join(flag.sentence for flag in row.flags)),
)

ACCURACY_COLUMNS: Final[tuple[Column[AccuracyRow], ...]] = (
    FRAMEWORK,
    TITLE,
    MODE,
    *_context("workload", "optimizer"),
    Column(key="weight", heading="weight", format=parameter, get=_weight),
    Column(key="bias", heading="bias", format=parameter, get=_bias),
    Column(key="within_tolerance", heading="within", unit="±0.05", get=attrgetter("within_tolerance")),
    Column(
        key="max_loss_deviation",
        heading="loss off by",
        unit="at most",
        format=scientific,
        get=_max_loss_deviation,
    ),
    Column(heading="formula", where="wide", get=_formula),
    Column(key="data_sha256", heading="data", unit="SHA-256", format=beginning, get=attrgetter("data_sha256")),
    Column(key="init_sha256", heading="start", unit="SHA-256", format=beginning, get=attrgetter("init_sha256")),
)

MEMORY_COLUMNS: Final[tuple[Column[MemoryRow], ...]] = (
    FRAMEWORK,
    TITLE,
    MODE,
    *_context("workload", "allocator"),
    Column(
        key="context_bytes", heading="context", unit="MiB", format=mebibytes, get=attrgetter("memory.context_bytes")
    ),
    Column(
        key="allocated_peak_bytes",
        heading="allocated",
        unit="peak, MiB",
        format=mebibytes,
        get=attrgetter("memory.allocated_peak_bytes"),
    ),
    Column(
        key="reserved_peak_bytes",
        heading="reserved",
        unit="peak, MiB",
        format=mebibytes,
        get=attrgetter("memory.reserved_peak_bytes"),
    ),
    Column(
        key="device_peak_bytes",
        heading="device",
        unit="peak, MiB",
        format=mebibytes,
        get=attrgetter("memory.device_peak_bytes"),
    ),
    Column(
        heading="after import",
        unit="host, MiB",
        format=mebibytes,
        get=attrgetter("memory.host_rss_after_import_bytes"),
    ),
    Column(
        key="host_peak_rss_bytes",
        heading="peak RSS",
        unit="host, MiB",
        format=mebibytes,
        get=attrgetter("memory.host_peak_rss_bytes"),
    ),
    Column(
        key="device_allocations_warmup",
        heading="allocations",
        unit="warm-up",
        format=whole,
        get=attrgetter("memory.device_allocations_warmup"),
    ),
    Column(
        key="device_allocations_timed",
        heading="allocations",
        unit="timed",
        format=whole,
        get=attrgetter("memory.device_allocations_timed"),
    ),
    Column(
        key="residue_bytes", heading="residue", unit="MiB", format=mebibytes, get=attrgetter("memory.residue_bytes")
    ),
)

CODE_COLUMNS: Final[tuple[Column[CodeRow], ...]] = (
    FRAMEWORK,
    TITLE,
    Column(key="lines", heading="lines", unit="of code", format=whole, get=attrgetter("lines")),
    Column(heading="claimed", unit="in a talk", format=whole, get=attrgetter("claimed_lines")),
    Column(key="total_seconds", heading="total", unit="s", format=significant, get=_total_seconds),
    Column(key="weight", heading="weight", format=parameter, get=attrgetter("weight")),
    Column(key="bias", heading="bias", format=parameter, get=attrgetter("bias")),
    Column(key="within_tolerance", heading="within", unit="±0.05", get=attrgetter("within_tolerance")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The four tables of a run."""

    steps: Table[StepRow]
    accuracy: Table[AccuracyRow]
    memory: Table[MemoryRow]
    code: Table[CodeRow]

    def __iter__(self) -> Iterator[Table[Any]]:
        """Yield them in the order of the report."""
        return iter((self.steps, self.accuracy, self.memory, self.code))


def tables(run: Run) -> Tables:
    """Compute the four tables."""
    steps = rows.step_rows(run)
    return Tables(
        steps=Table(
            name="steps",
            title="Steps",
            about="What one training step costs once it runs, and what the first one costs before that.",
            columns=STEP_COLUMNS,
            rows=steps,
            is_hole=lambda row: row.step_ns is None,
            flags=all_flags(flag for row in steps for flag in row.flags),
        ),
        accuracy=Table(
            name="accuracy",
            title="Accuracy",
            about="What was computed, against a float64 NumPy reference of the same formula from the same bytes.",
            columns=ACCURACY_COLUMNS,
            rows=rows.accuracy_rows(run),
            is_hole=lambda row: row.accuracy is None,
            tells_reasons=False,
        ),
        memory=Table(
            name="memory",
            title="Memory",
            about="The highest figure seen in any replicate; a replicate is a fresh process.",
            columns=MEMORY_COLUMNS,
            rows=rows.memory_rows(run),
            is_hole=lambda row: row.memory.host_peak_rss_bytes is None,
            tells_reasons=False,
        ),
        code=Table(
            name="code",
            title="Code",
            about="The hello world as each framework's own documentation would write it, from a cold start to its end.",
            columns=CODE_COLUMNS,
            rows=rows.code_rows(run),
            is_hole=lambda row: row.total_ns is None and row.status != "ok",
        ),
    )


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
