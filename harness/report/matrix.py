"""The matrix at the top of the page: frameworks' modes as rows, works as columns.

With one work its measures are the columns instead: step, first step, break-even, peak memory, lines of code. A field is
shaded by its ratio to the best of its column, training and inference apart. What is not told from the best is marked:
steps by the pairs of their blocks (`harness.report.ranking`), first steps by their intervals.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from harness.format import NONE, Value, duration, listed, mebibytes, rounded, whole
from harness.report.overview import WORK, CellFacts, Work
from harness.report.tables.code import CodeRow, plain
from harness.report.words import count
from harness.store.facts import RunFacts

SHADES: Final = (1.1, 1.5, 2.0, 4.0, 10.0, 100.0)  # upper ends of the ratios of a shade; one more for those above
MOST_WORKS: Final = 6  # of one mode that are named one by one
WIDE: Final = 2.0  # "~" before a number whose interval has ends that differ by more than this factor

Lines = Mapping[str, int]  # lines of code of each framework's hello world


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a field shows of a cell."""

    key: str  # in the page's address
    heading: str
    get: Callable[[CellFacts, Lines], Value]
    text: Callable[[Value], str]
    ends: Callable[[CellFacts], tuple[float | None, float | None]] = lambda cell: (None, None)  # of its interval


MEASURES: Final = (
    Measure(
        key="step",
        heading="Step",
        get=lambda cell, lines: cell.step_ns,
        text=lambda value: duration(value) if isinstance(value, float) else NONE,
        ends=lambda cell: (cell.low_ns, cell.high_ns),
    ),
    Measure(
        key="first",
        heading="First step",
        get=lambda cell, lines: cell.first_step_ns,
        text=lambda value: duration(value) if isinstance(value, float) else NONE,
        ends=lambda cell: (cell.first_low_ns, cell.first_high_ns),
    ),
    Measure(key="even", heading="Break-even, steps", get=lambda cell, lines: cell.break_even, text=rounded),
    Measure(
        key="memory",
        heading="Peak memory",
        get=lambda cell, lines: cell.peak_bytes,
        text=lambda value: NONE if value is None else f"{mebibytes(value)} MiB",
    ),
    Measure(key="lines", heading="Lines of code", get=lambda cell, lines: lines.get(cell.framework), text=whole),
)
BATCH: Final = WORK.index("batch")
PER_CELL: Final = MEASURES[:-1]  # lines of code belong to a framework, not to a work


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The heading of one column."""

    key: str  # in the page's address
    above: str  # what it shares with its neighbours; empty: nothing
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: a cell, or one measure of it."""

    cell: int  # its index among the cells; -1: the run has none
    text: str
    shade: int | None = None  # from 0, the best, to len(SHADES); None: there is nothing to compare
    is_best: bool = False
    is_tied: bool = False
    hole: str = ""  # the status of a cell without a result

    @property
    def css(self) -> str:
        """Its classes."""
        shade = f"q{self.shade}" if self.shade is not None else ""
        return " ".join(filter(None, (shade, "best" if self.is_best else "", "tied" if self.is_tied else "")))


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One mode of a framework."""

    framework: str
    title: str
    mode: str
    is_inference: bool
    fields: tuple[Field, ...]

    @property
    def key(self) -> str:
        """Its name in the page's address."""
        return f"{self.framework}:{self.mode}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The whole matrix."""

    has_works: bool  # the columns are works; else measures of the only one
    columns: tuple[Heading, ...]
    rows: tuple[MatrixRow, ...]
    measures: tuple[Measure, ...]  # those that the run has
    common: str  # what all cells share, in words
    says: tuple[str, ...]  # sentences that a reader needs

    @property
    def is_shaded(self) -> bool:
        """Whether any field has something to be compared with."""
        return any(field.shade is not None for row in self.rows for field in row.fields)

    @property
    def above(self) -> list[tuple[str, int]]:
        """The upper line of headings, each with the number of its columns; empty: there is none."""
        if not any(column.above for column in self.columns):
            return []
        return [(text, len(list(group))) for text, group in groupby(self.columns, key=lambda column: column.above)]


def matrix(cells: Sequence[CellFacts], code: Iterable[CodeRow], facts: RunFacts) -> Matrix | None:
    """Return the matrix of a run with these cells, hello worlds and facts; None when it has no cells."""
    if not cells:
        return None
    lines = lines_of(code, cells)
    works = _ordered({cell.work for cell in cells}, facts)
    measures = tuple(measure for measure in MEASURES if any(measure.get(cell, lines) is not None for cell in cells))
    has_works = len(works) > 1
    per_cell = tuple(measure for measure in measures if measure in PER_CELL) or PER_CELL[:1]
    shown = per_cell if has_works else measures or PER_CELL[:1]
    columns = _works(works) if has_works else tuple(_heading(measure) for measure in shown)
    rows = _rows(cells, works, shown, lines)
    return Matrix(
        has_works=has_works,
        columns=columns,
        rows=tuple(_in_order(rows, cells, shown[0], lines)),
        measures=shown,
        common=_common(works),
        says=tuple(_sentences(cells, facts.blocks)),
    )


def lines_of(code: Iterable[CodeRow], cells: Iterable[CellFacts]) -> dict[str, int]:
    """Return the lines of code of the hello world of each framework of `cells`; those of a variant are the same."""
    known = {row.cell.framework_id: row.lines for row in code if row.lines is not None}
    known |= {plain(name): lines for name, lines in reversed(known.items())}
    names = dict.fromkeys(cell.framework for cell in cells)
    return {**known, **{name: known[plain(name)] for name in names if plain(name) in known}}


def shade(ratio: float) -> int:
    """Return the shade of a ratio to the best: 0 for the best and what is near it."""
    return bisect_left(SHADES, ratio * (1 - 1e-9))


def work_key(work: Work, varying: Sequence[int]) -> str:
    """Return a work in the page's address: the values of the fields that differ between the works."""
    return "/".join(work[index] for index in varying)


def work_words(work: Work, fields: Sequence[int]) -> str:
    """Return a work in words: the values of `fields` that it has."""
    return " ".join(f"batch {work[at]}" if at == BATCH else work[at] for at in fields if work[at])


def _ordered(works: Iterable[Work], facts: RunFacts) -> list[Work]:
    """Return works in the order of the run's facts: workloads, then sizes; then by name."""
    offers = {offer.name: (at, offer.sizes) for at, offer in enumerate(facts.workloads)}

    def order(work: Work) -> tuple[int, str, int, Work, int]:
        at, sizes = offers.get(work[0], (len(offers), ()))
        size = sizes.index(work[1]) if work[1] in sizes else len(sizes)
        return at, work[0], size, work[:BATCH], int(work[BATCH] or 0)

    return sorted(works, key=order)


def varying_fields(works: Sequence[Work]) -> list[int]:
    """Return the places of the fields in which works differ."""
    return [index for index in range(len(WORK)) if len({work[index] for work in works}) > 1]


def _works(works: Sequence[Work]) -> tuple[Heading, ...]:
    """Return a column for each work; a workload with several of them stands above these."""
    varying = varying_fields(works)
    workload, others = 0, [index for index in varying if index]
    if workload not in varying or not others:
        return tuple(Heading(key=work_key(work, varying), above="", text=work_words(work, varying)) for work in works)
    return tuple(
        Heading(key=work_key(work, varying), above=work[workload], text=work_words(work, others)) for work in works
    )


def _heading(measure: Measure) -> Heading:
    return Heading(key=measure.key, above="", text=measure.heading)


def _common(works: Sequence[Work]) -> str:
    varying = varying_fields(works)
    words = {"allocator": "{} allocator", "size": "size {}", "optimizer": "optimizer {}", "batch": "batch {}"}
    same = [(name, works[0][at]) for at, name in enumerate(WORK) if at not in varying and (at != BATCH or works[0][at])]
    shared = [words.get(name, "{}").format(value) for name, value in same]
    return f"All cells: {', '.join(shared)}." if shared else ""


def _sentences(cells: Sequence[CellFacts], blocks: int) -> Iterable[str]:
    timed = [cell for cell in cells if cell.step_ns is not None]
    if timed and not any(cell.low_ns is not None for cell in timed):
        yield f"No field has an interval ({count(blocks, 'block')}), so no difference here is told from noise."
    elif any(cell.is_tied for cell in cells):
        yield "≈ marks what this run cannot tell from the best of its column."
    if any(_is_wide(measure.ends(cell)) for cell in timed for measure in MEASURES):
        yield "~ marks a number whose 95 % interval has ends that differ by more than a factor of two."
    if any(cell.break_even is not None for cell in cells):
        yield (
            "Break-even: “never”, its step is told to be no faster than its baseline's; “not told”, these blocks do not"
            " tell, and the table of steps says how many more probably would; a dash, it is a baseline or has none."
        )
    if others := dict.fromkeys(cell.title for cell in cells if not cell.competes):
        yield f"{listed(list(others))}: not among what is compared for the best of a column; the variants have a table."
    if any(cell.is_inference for cell in cells) and not all(cell.is_inference for cell in cells):
        yield "Inference is one forward pass: it is compared with inference alone."


def _rows(cells: Sequence[CellFacts], works: Sequence[Work], shown: Sequence[Measure], lines: Lines) -> list[MatrixRow]:
    """Return a row for each mode, training and inference apart."""
    places: dict[tuple[bool, str, str], dict[Work, int]] = {}
    for index, cell in enumerate(cells):
        places.setdefault((cell.is_inference, cell.framework, cell.mode), {})[cell.work] = index
    best = _best(cells, shown, lines)
    rows = []
    for (is_inference, framework, mode), of_work in places.items():
        if len(works) > 1:
            fields = [_field(cells, of_work.get(work, -1), shown[0], lines, best) for work in works]
        else:
            fields = [_field(cells, of_work[works[0]], measure, lines, best) for measure in shown]
        title = cells[next(iter(of_work.values()))].title
        rows.append(
            MatrixRow(framework=framework, title=title, mode=mode, is_inference=is_inference, fields=tuple(fields))
        )
    return rows


Best = Mapping[tuple[str, bool, Work], CellFacts]  # by measure, inference or not, work


def _best(cells: Sequence[CellFacts], measures: Sequence[Measure], lines: Lines) -> Best:
    """Return the cell with the least of each measure among those that it is compared with."""
    best: dict[tuple[str, bool, Work], CellFacts] = {}
    for measure in measures:
        for cell in cells:
            key = (measure.key, cell.is_inference, cell.work)
            value, least = _number(cell, measure, lines), best.get(key)
            if value is None or not cell.competes or (measure.key == "step" and not cell.is_best):
                continue
            if least is None or value < (_number(least, measure, lines) or 0):
                best[key] = cell
    return best


def _number(cell: CellFacts, measure: Measure, lines: Lines) -> float | None:
    value = measure.get(cell, lines)
    return float(value) if cell.status == "ok" and isinstance(value, int | float) else None


def _field(cells: Sequence[CellFacts], index: int, measure: Measure, lines: Lines, best: Best) -> Field:
    if index < 0:
        return Field(cell=-1, text="")
    cell = cells[index]
    if cell.status != "ok" and measure.key != "lines":
        return Field(cell=index, text=cell.status, hole=cell.status)
    value = measure.get(cell, lines)
    plain = Field(cell=index, text="" if value is None else ("~" * _is_wide(measure.ends(cell))) + measure.text(value))
    number, first = _number(cell, measure, lines), best.get((measure.key, cell.is_inference, cell.work))
    if number is None or first is None:
        return plain
    least = _number(first, measure, lines) or 0.0
    is_best = cell.competes and number == least if measure.key != "step" else cell is first
    tied = cell.is_tied if measure.key == "step" else not is_best and _overlap(measure.ends(cell), measure.ends(first))
    return replace(plain, shade=shade(number / least if least else 1.0), is_best=is_best, is_tied=tied)


def _overlap(a: tuple[float | None, float | None], b: tuple[float | None, float | None]) -> bool:
    """Return whether two intervals share a value; not when one is missing."""
    (a_low, a_high), (b_low, b_high) = a, b
    if a_low is None or a_high is None or b_low is None or b_high is None:
        return False
    return a_low <= b_high and b_low <= a_high


def _is_wide(ends: tuple[float | None, float | None]) -> bool:
    low, high = ends
    return low is not None and high is not None and not high <= WIDE * low


def _in_order(rows: Iterable[MatrixRow], cells: Sequence[CellFacts], measure: Measure, lines: Lines) -> list[MatrixRow]:
    """Return training before inference; rows with more results first, then by their ratio to the best.

    The ratio of a row is the geometric mean over its columns. In a matrix of measures it is that of the first.
    """
    best = _best(cells, (measure,), lines)

    def order(row: MatrixRow) -> tuple[bool, int, float]:
        logs = []
        for index in {field.cell for field in row.fields if field.cell >= 0}:
            number = _number(cells[index], measure, lines)
            first = best.get((measure.key, row.is_inference, cells[index].work))
            if number and first:
                logs.append(math.log(number / (_number(first, measure, lines) or number)))
        return row.is_inference, -len(logs), math.fsum(logs) / len(logs) if logs else 0.0

    return sorted(rows, key=order)


def order_sentence(shown: Matrix) -> str:
    """Return how the rows are ordered, in words."""
    if not shown.has_works:
        return f"Rows are ordered by {shown.columns[0].text.lower()}."
    first = shown.measures[0].heading.lower()
    return f"Rows with a result in every column come first, then by the {first}'s mean ratio to the best (geometric)."


def shade_words() -> list[str]:
    """Return what each shade means, for the legend."""
    return [*(f"≤ {end:g}×" for end in SHADES), f"> {SHADES[-1]:g}×"]


def names_in(rows: Sequence[CellFacts], cells: Sequence[CellFacts]) -> str:
    """Return the names of some of a run's `cells` by framework; each mode once, with its works where these differ."""
    varying = varying_fields([cell.work for cell in cells])
    titles: dict[str, dict[str, list[str]]] = {}
    for cell in rows:
        work = work_words(cell.work, varying)
        titles.setdefault(cell.title, {}).setdefault(cell.mode, []).append(work)
    texts = {
        title: [mode + _of_works(works) if varying else mode for mode, works in modes.items()]
        for title, modes in titles.items()
    }
    return "; ".join(f"{title} {listed(modes)}" for title, modes in texts.items())


def _of_works(texts: Sequence[str]) -> str:
    return f" ({', '.join(texts)})" if len(texts) <= MOST_WORKS else f" ({len(texts)} works)"
