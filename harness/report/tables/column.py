"""A column of a table, and the columns that several tables share: which value, in which unit, under which heading."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Generic, Literal, TypeVar

from harness.format import Value, plain, rounded, significant
from harness.report.tables.row import Row
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


def interval_hint(estimate: Estimate | None, size: float, unit: str) -> str:
    """Return the interval of `estimate` in `unit`, which is `size` times the estimate's own; empty without one."""
    if estimate is None or estimate.interval is None:
        return ""
    low, high = estimate.interval.low / size, estimate.interval.high / size
    return f"95 % interval {significant(low)} to {significant(high)} {unit}"


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


def context(*keys: str) -> tuple[Column[Row], ...]:
    """Return the columns of what tells cells of one mode apart."""
    return tuple(Column(key=key, heading=key, kind="context", get=attrgetter(f"cell.{key}")) for key in keys)


def _shown_mode(row: Row) -> Value:
    return f"{row.cell.mode}, inference" if row.is_inference else row.cell.mode


FRAMEWORK: Final[Column[Row]] = Column(key="framework", get=attrgetter("cell.framework"))
TITLE: Final[Column[Row]] = Column(heading="framework", kind="name", get=attrgetter("title"))
MODE: Final[Column[Row]] = Column(key="mode", get=attrgetter("cell.mode"))
SHOWN_MODE: Final[tuple[Column[Row], ...]] = (
    Column(heading="mode", kind="name", where="wide", get=_shown_mode),
    Column(heading="mode", kind="name", where="narrow", get=attrgetter("cell.mode")),  # its group says the rest
)
WHO: Final = (FRAMEWORK, TITLE, MODE, *SHOWN_MODE)
CELL: Final = (
    *context("workload", "optimizer", "size", "precision", "device", "allocator"),
    Column(key="status", get=attrgetter("status")),
    Column(key="reason", get=attrgetter("reason")),
)
