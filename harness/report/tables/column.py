"""A column of a table: its value, unit and heading; and the columns that several tables share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Generic, Literal, TypeVar

from harness.format import Value, plain, rounded, significant, span, whole
from harness.report.tables.row import Row
from harness.stats.breakeven import NEVER, BreakEven, NotTold, Outcome
from harness.stats.estimate import Estimate, Interval

NOT_TOLD: Final = "not told"  # of a break-even that is no number, because the blocks are too few
BREAK_EVEN_WORDS: Final = (NEVER, NOT_TOLD)

MEANINGLESS: Final = 100  # an interval whose ends differ by such a factor tells nothing

ValueType = Literal["string", "strings", "integer", "number", "boolean"]  # as JSON Schema names them

RowType = TypeVar("RowType", bound=Row, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[RowType]):
    """One column of one table."""

    get: Callable[[RowType], Value]
    key: str = ""  # name in the CSV; empty: not in the CSV
    type: ValueType = "number"  # of the value in JSON and Parquet; "strings": names with spaces between them
    words: tuple[str, ...] = ()  # that may stand where a number could not be told
    heading: str = ""  # heading for people; empty: only in the CSV
    unit: str = ""  # below the heading
    format: Callable[[Value], str] = plain
    instead: Callable[[RowType], str] | None = None  # text to show instead of the value; empty: show the value
    # "context": one sentence instead, when all rows agree; "text": sentences, which go on in the next line;
    # "code": a command, which does not
    # "flags": their letters
    kind: Literal["name", "context", "number", "text", "code", "flags"] = "number"
    where: Literal["all", "wide", "narrow", "terminal"] = "all"  # "wide": the page and Markdown; "narrow": less room
    interval: Callable[[RowType], Interval | None] | None = None  # of the value, in its unit, for paper
    folds: Literal["never", "narrow", "always"] = "never"  # where a sentence replaces it when all rows agree
    explanation: str = ""  # what was read, from where, and what makes it fail; empty: the heading is enough
    hint: Callable[[RowType], str] | None = None  # more about the value, for the page


def interval_hint(estimate: Estimate | None, size: float, unit: str) -> str:
    """Return the interval of `estimate` as text, divided by `size` and given in `unit`; empty without an interval."""
    if estimate is None or estimate.interval is None:
        return ""
    low, high = estimate.interval.low / size, estimate.interval.high / size
    return f"95 % interval {significant(low)} to {significant(high)} {unit}"


def narrow_interval(estimate: Estimate | None, size: float = 1.0) -> Interval | None:
    """Return the interval of `estimate` in units of `size`; None where it is shown itself, being too wide."""
    if estimate is None or estimate.interval is None or estimate.is_wide:
        return None
    return Interval(low=estimate.interval.low / size, high=estimate.interval.high / size)


def extent_span(estimate: Estimate | None, size: float) -> str:
    """Return the lowest and the highest replicate in units of `size` where one number cannot stand for them."""
    if estimate is None or estimate.extent is None or not estimate.is_wide:
        return ""
    return span(estimate.extent.low / size, estimate.extent.high / size)


def wide_span(estimate: Estimate | None, size: float = 1.0) -> str:
    """Return the interval of `estimate` in units of `size` where it is too wide for one number; else nothing."""
    if estimate is None or estimate.interval is None or not estimate.is_wide:
        return ""
    low, high = estimate.interval.low / size, estimate.interval.high / size
    return NOT_TOLD if low > 0 and high > MEANINGLESS * low else span(low, high)


def narrow_half_width(estimate: Estimate | None) -> Value:
    """Return the relative half-width of an interval; None where it is shown itself, being too wide for one number."""
    return None if estimate is None or estimate.is_wide else estimate.half_width


def break_even_steps(break_even: Outcome | None) -> Value:
    """Return the break-even in whole steps, "never", "not told", or None when there is nothing to compare with."""
    if isinstance(break_even, NotTold):
        return NOT_TOLD
    return _whole_steps(break_even.steps) if isinstance(break_even, BreakEven) else break_even


def break_even_span(break_even: Outcome | None) -> str:
    """Return the interval of a break-even where it is too wide for one number; else nothing."""
    interval = break_even.interval if isinstance(break_even, BreakEven) else None
    return span(_whole_steps(interval.low), _whole_steps(interval.high)) if interval and interval.is_wide else ""


def break_even_interval(break_even: Outcome | None) -> Interval | None:
    """Return the interval of a break-even in whole steps; None where it is shown itself, being too wide."""
    interval = break_even.interval if isinstance(break_even, BreakEven) else None
    if interval is None or interval.is_wide:
        return None
    return Interval(low=_whole_steps(interval.low), high=_whole_steps(interval.high))


def break_even_hint(break_even: Outcome | None) -> str:
    """Return the interval of a break-even as text, or why it has none."""
    if break_even == NEVER:
        return "the whole interval of its step's ratio to the baseline's lies at or above 1"
    if isinstance(break_even, NotTold):
        return f"not told whether its step is faster: it would probably take {break_even.needs}"
    if not isinstance(break_even, BreakEven):
        return ""
    if break_even.interval is None:
        return "no interval: one replicate only"
    low, high = _whole_steps(break_even.interval.low), _whole_steps(break_even.interval.high)
    return f"95 % interval {rounded(low)} to {rounded(high)} steps"


def _whole_steps(steps: float) -> int:
    return math.ceil(steps * (1 - 1e-9))  # 1.0000000000000002 steps are one


def context(*keys: str) -> tuple[Column[Row], ...]:
    """Return a column for each field of the cell in `keys`."""
    return tuple(
        Column(key=key, type="string", heading=key, kind="context", get=attrgetter(f"cell.{key}")) for key in keys
    )


def _shown_mode(row: Row) -> Value:
    return f"{row.cell.mode}, inference" if row.is_inference else row.cell.mode


FRAMEWORK: Final[Column[Row]] = Column(key="framework", type="string", get=attrgetter("cell.framework"))
TITLE: Final[Column[Row]] = Column(heading="framework", kind="name", get=attrgetter("title"))
MODE: Final[Column[Row]] = Column(key="mode", type="string", get=attrgetter("cell.mode"))
SHOWN_MODE: Final[tuple[Column[Row], ...]] = (
    Column(heading="mode", kind="name", where="wide", get=_shown_mode),
    Column(heading="mode", kind="name", where="narrow", get=attrgetter("cell.mode")),  # the group says "inference"
)
FRAMEWORK_AND_MODE: Final = (FRAMEWORK, TITLE, MODE, *SHOWN_MODE)
BATCH: Final[Column[Row]] = Column(  # the last column of a table, where it came when all others were known
    key="batch", type="integer", heading="batch", kind="context", format=whole, get=lambda row: row.cell.batch or None
)
RANKS: Final[tuple[Column[Row], ...]] = (  # the same; of a cell that is not data-parallel they are empty
    Column(
        key="ranks",
        type="integer",
        heading="ranks",
        kind="context",
        format=whole,
        get=lambda row: row.cell.ranks or None,
    ),
    Column(
        key="scaling",
        type="string",
        heading="scaling",
        kind="context",
        get=lambda row: row.cell.scaling or None,
    ),
)
VARIANT: Final[Column[Row]] = Column(  # the same; for people it is in the title
    key="variant", type="string", get=lambda row: row.cell.variant or None
)
CELL: Final = (
    *context("workload", "optimizer", "size", "precision", "device", "allocator"),
    Column(key="status", type="string", get=attrgetter("status")),
    Column(key="reason", type="string", get=attrgetter("reason")),
)
