"""The columns of what was measured, defined once: CSV, Markdown, the terminal and the page all derive from them.

A column with a `key` is part of the contract that people script against: its order and spelling are fixed, its value
plain and in the unit of its name. A column with a `heading` is shown to people, in `format`. Rows come in ns and bytes:
units are converted here and in `harness.report.evidence_columns`, and nowhere else.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Generic, Literal, TypeVar

from harness.format import (
    Value,
    beginning,
    parameter,
    percent,
    plain,
    rounded,
    scientific,
    shortened,
    significant,
    times,
    whole,
)
from harness.report.rows import AccuracyRow, CodeRow, Row, StepRow
from harness.stats.breakeven import NEVER, BreakEven
from harness.stats.estimate import Estimate

Given = TypeVar("Given", bound=Row, contravariant=True)


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
    folds: Literal["never", "narrow", "always"] = "never"  # where it becomes a sentence when all rows agree
    says: str = ""  # what was read, from where, what would make it fail; empty: nothing to explain
    hint: Callable[[Given], str] | None = None  # more about one value, for the page


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
    return interval_hint(row.first_step_ns, 1e6, "ms")


def interval_hint(estimate: Estimate | None, size: float, unit: str) -> str:
    """Return the interval of `estimate` in `unit`, which is `size` times the estimate's own; empty without one."""
    if estimate is None or estimate.interval is None:
        return ""
    low, high = estimate.interval.low / size, estimate.interval.high / size
    return f"95 % interval {significant(low)} to {significant(high)} {unit}"


def _speedup(row: StepRow) -> Value:
    if row.is_baseline and row.step_ns:
        return 1
    return row.speedup.value if row.speedup else None


def _speedup_hint(row: StepRow) -> str:
    if row.is_baseline or row.speedup is None or row.speedup.interval is None:
        return ""
    low, high = row.speedup.interval.low, row.speedup.interval.high
    return f"against {row.baseline}, 95 % interval {times(low)} to {times(high)}"


def break_even_steps(found: BreakEven | str | None) -> Value:
    """Return the whole steps of a break-even, "never", or nothing."""
    return math.ceil(found.steps) if isinstance(found, BreakEven) else found


def break_even_hint(found: BreakEven | str | None) -> str:
    """Say how sure a break-even is."""
    if found == NEVER:
        return "the interval of the saving per step includes zero or lies below it"
    if not isinstance(found, BreakEven):
        return ""
    if found.interval is None:
        return "of one replicate, so without an interval"
    low, high = math.ceil(found.interval.low), math.ceil(found.interval.high)
    return f"95 % interval {rounded(low)} to {rounded(high)} steps"


def _replicates(row: StepRow) -> Value:
    """Return the good replicates, and how many invalid ones were run once more."""
    return f"{row.replicates} (+{row.replaced} invalid)" if row.replaced else row.replicates


def _fit_overhead_ms(row: StepRow) -> Value:
    return row.fit_overhead_ns.value / 1e6 if row.fit_overhead_ns else None


def _flag_names(row: StepRow) -> Value:
    return " ".join(flag.name for flag in row.flags)


def _flag_letters(row: StepRow) -> Value:
    return " ".join(flag.letter for flag in row.flags)


def _shown_mode(row: Row) -> Value:
    return f"{row.cell.mode}, inference" if row.is_inference else row.cell.mode


def _of_accuracy(name: str) -> Callable[[AccuracyRow], Value]:
    """Return the getter of a figure of the gate."""
    return lambda row: getattr(row.accuracy, name) if row.accuracy else None


def _loss(place: int) -> Callable[[AccuracyRow], Value]:
    """Return the getter of one loss of the gate's run."""
    return lambda row: row.accuracy.losses[place] if row.accuracy and row.accuracy.losses else None


def _total_seconds(row: CodeRow) -> Value:
    return row.total_ns / 1e9 if row.total_ns is not None else None


FRAMEWORK: Final[Column[Row]] = Column(key="framework", get=attrgetter("cell.framework"))
TITLE: Final[Column[Row]] = Column(heading="framework", kind="name", get=attrgetter("title"))
MODE: Final[Column[Row]] = Column(key="mode", get=attrgetter("cell.mode"))
SHOWN_MODE: Final[tuple[Column[Row], ...]] = (
    Column(heading="mode", kind="name", where="wide", get=_shown_mode),
    Column(heading="mode", kind="name", where="narrow", get=attrgetter("cell.mode")),  # its group says the rest
)
WHO: Final = (FRAMEWORK, TITLE, MODE, *SHOWN_MODE)


def context(*keys: str) -> tuple[Column[Row], ...]:
    """Return the columns of what tells cells of one mode apart."""
    return tuple(Column(key=key, heading=key, kind="context", get=attrgetter(f"cell.{key}")) for key in keys)


CELL: Final = (
    *context("workload", "optimizer", "size", "precision", "device", "allocator"),
    Column(key="status", get=attrgetter("status")),
    Column(key="reason", get=attrgetter("reason")),
)

STEP_COLUMNS: Final[tuple[Column[StepRow], ...]] = (
    *WHO,
    *CELL,
    Column(key="step_us", heading="step", unit="µs", format=significant, get=_step_us),
    Column(heading="95 % interval", unit="µs", where="wide", get=_interval_us),
    Column(heading="95 %", unit="±", where="narrow", format=percent, get=_half_width),
    Column(key="ci_low_us", get=_ci_low_us),
    Column(key="ci_high_us", get=_ci_high_us),
    Column(key="replicates", get=attrgetter("replicates")),
    Column(heading="replicates", where="wide", get=_replicates),
    Column(
        key="rounds",
        heading="rounds",
        unit="each",
        format=whole,
        where="wide",
        folds="always",
        get=attrgetter("rounds"),
    ),
    Column(key="steps_per_round", get=attrgetter("steps_per_round")),
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
        unit="vs base",
        format=times,
        get=_speedup,
        hint=_speedup_hint,
    ),
    Column(heading="verdict", unit="vs base", where="wide", get=attrgetter("verdict")),
    Column(heading="is", where="narrow", format=shortened, get=attrgetter("verdict")),
    Column(
        key="break_even_steps",
        heading="break-even",
        unit="steps",
        where="wide",
        format=rounded,
        get=lambda row: break_even_steps(row.break_even),
        hint=lambda row: break_even_hint(row.break_even),
    ),
    Column(  # in two words, which a terminal sets one below the other
        heading="break even",
        unit="steps",
        where="narrow",
        format=rounded,
        get=lambda row: break_even_steps(row.break_even),
    ),
    Column(key="flags", get=_flag_names),
    Column(heading="flags", get=_flag_letters, hint=lambda row: "; ".join(flag.sentence for flag in row.flags)),
    Column(
        heading="steps",
        unit="per round",
        format=whole,
        where="wide",
        get=attrgetter("steps_per_round"),
    ),
    Column(
        key="fit_overhead_ms",
        heading="fit overhead",
        unit="ms",
        format=significant,
        where="wide",
        get=_fit_overhead_ms,
        hint=lambda row: interval_hint(row.fit_overhead_ns, 1e6, "ms"),
    ),
    Column(heading="launches", unit="emptiest", format=times, where="wide", get=attrgetter("launches")),
    Column(key="verdict", get=attrgetter("verdict")),
    Column(key="spread_within", get=attrgetter("spread_within")),
    Column(key="spread_between", get=attrgetter("spread_between")),
    Column(key="rounds_shape", get=attrgetter("shape")),
    Column(key="replicates_invalid", get=attrgetter("replaced")),
)

ACCURACY_COLUMNS: Final[tuple[Column[AccuracyRow], ...]] = (
    *WHO,
    *context("workload", "optimizer"),
    Column(key="weight", heading="weight", format=parameter, get=_of_accuracy("weight")),
    Column(key="bias", heading="bias", format=parameter, get=_of_accuracy("bias")),
    Column(key="within_tolerance", heading="within", unit="±0.05", folds="narrow", get=attrgetter("within_tolerance")),
    Column(
        key="max_loss_deviation",
        heading="loss off by",
        unit="at most",
        format=scientific,
        get=_of_accuracy("max_loss_deviation"),
    ),
    Column(heading="formula", where="wide", get=_of_accuracy("formula")),
    *(
        Column(key=key, heading=heading, unit="SHA-256", format=beginning, folds="narrow", get=attrgetter(key))
        for key, heading in (("data_sha256", "data"), ("init_sha256", "start"))
    ),
    *context("size", "precision"),
    Column(key="first_loss", heading="loss", unit="first", format=significant, where="wide", get=_loss(0)),
    Column(key="last_loss", heading="loss", unit="last", format=significant, where="wide", get=_loss(-1)),
    *(
        Column(key=key, heading=heading, unit=unit, format=format_, where="wide", get=_of_accuracy(key))
        for key, heading, unit, format_ in (
            ("max_parameter_deviation", "parameters", "off by", scientific),
            ("gradient_norm", "gradient", "norm", significant),
        )
    ),
    Column(
        key="max_gradient_deviation",
        heading="gradient",
        unit="off by",
        format=scientific,
        get=_of_accuracy("max_gradient_deviation"),
    ),
    Column(key="worst_gradient", heading="gradient", unit="of", where="wide", get=_of_accuracy("worst_gradient")),
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
