"""Sentences that rank modes: the fastest step, the first steps, the break-evens. They say only what is told apart.

Two steps are told apart when the interval of their ratio lies wholly outside the noise floor; from six blocks on the
other conditions of a verdict hold as well (`harness.stats.pairs`).
"""

import math
from collections.abc import Sequence

from harness.format import listed, rounded, significant
from harness.report.tables.column import break_even_span, break_even_steps
from harness.report.tables.steps import StepRow, shared_ratios
from harness.report.words import FEW, count, labelled, name, names, time
from harness.stats import pairs
from harness.stats.breakeven import NEVER, BreakEven, NotTold
from harness.stats.estimate import FEW_BLOCKS, Estimate, verdict
from harness.stats.pairs import Pair
from harness.validity.noise_floor import floor_of
from harness.validity.ratios import ratios_of
from harness.validity.results import Run


class Ranking:
    """The rows of one work, and which of them are told apart."""

    def __init__(self, run: Run, rows: Sequence[StepRow]) -> None:
        self._ratios = ratios_of(run)
        self._floor = floor_of(run)
        self._rows = self._in_order(rows)

    def fastest_sentence(self) -> str:
        """Name the fastest step and the next, or the steps that may be the fastest."""
        if not self._rows:
            return ""
        first, *others = self._rows
        if not others:
            return f"One step of {_with_step(first, ' takes ')}."
        paired = self._pair(first, others[0])
        blocks = paired.ratio.count if paired else 0
        both = f"{_with_step(first)}, then {_with_step(others[0])}"
        if paired is None or paired.ratio.interval is None:
            return labelled(f"The shortest steps of this first look, which has no intervals: {both}.", blocks)
        same = self._not_told(first, others)
        if not same:
            return labelled(f"The fastest step: {both}, {_times_as_long(paired.ratio)} as long.", blocks)
        if same == others[:1]:
            return labelled(f"The two shortest steps, which this run cannot distinguish: {both}.", blocks)
        shown = [_with_step(row) for row in (first, *same)]
        more = [f"{len(shown) - FEW} more"] if len(shown) > FEW else []
        texts = listed([*shown[:FEW], *more])
        return labelled(f"The shortest steps, which this run cannot distinguish: {texts}.", blocks)

    def shortest(self, of: str = "") -> str:
        """Name the shortest step, `of` a work in words, and how many others may be as short."""
        first, *others = self._rows
        same = self._not_told(first, others) if len(first.paired) > 1 else []
        also = f" (or {len(same)} other{'s' * (len(same) > 1)})" if same else ""
        return f"{name(first)}{also}{of} with {time(first.step_ns)}" if first.step_ns else name(first)

    def shortest_rows(self) -> tuple[StepRow, ...]:
        """Return the row with the shortest step, then those that may be as short; the others are told to be longer."""
        return (self._rows[0], *self._not_told(self._rows[0], self._rows[1:])) if self._rows else ()

    def by_framework_sentence(self) -> str:
        """Name the shortest step of each framework, or the modes that may have it."""
        groups: dict[str, list[StepRow]] = {}
        for row in self._rows:
            groups.setdefault(row.cell.framework, []).append(row)
        blocks = min((len(row.paired) for row in self._rows), default=0)
        if len(groups) < FEW or len(groups) == len(self._rows) or blocks < 2:
            return ""
        texts = [self._shortest(first, others) for first, *others in groups.values()]
        return labelled(f"The shortest step of each framework: {listed(texts)}.", blocks)

    def first_step_sentence(self) -> str:
        """Say from what to what the first steps take; the cheapest and the dearest are named when they are told."""
        rows = [row for row in self._rows if row.first_step_ns is not None]
        if len(rows) < 2:
            return ""
        low, *_, high = sorted(rows, key=_first)
        if not _is_cheaper(low, high):
            return ""
        lowest = all(_is_cheaper(low, row) for row in rows if row is not low)
        highest = all(_is_cheaper(row, high) for row in rows if row is not high)
        sentence = (
            f"The first step, tracing and compilation included, takes from {_with_first(low, named=lowest)}"
            f" to {_with_first(high, named=highest)}."
        )
        return labelled(sentence, min(len(low.paired), len(high.paired)))

    def break_even_sentence(self) -> str:
        """Say after how many steps the modes have amortised their first step, never, or that it is not told."""
        amortised = sorted((row for row in self._rows if isinstance(row.break_even, BreakEven)), key=_break_even)
        at_once = [row for row in amortised if break_even_steps(row.break_even) == 1 and not _span(row)]
        later = [row for row in amortised if row not in at_once]
        never = [row for row in self._rows if row.break_even == NEVER]
        untold = [row for row in self._rows if isinstance(row.break_even, NotTold)]
        parts = [
            text
            for members, text in (
                (at_once, f"immediately ({names(at_once) if len(at_once) <= FEW else f'{len(at_once)} modes'})"),
                (later, f"after {_after(later)}"),
                (never, f"never ({names(never)}: no faster a step)"),
            )
            if members
        ]
        blocks = min((len(row.ratios) for row in (*amortised, *never, *untold)), default=0)
        if parts:
            told = "Compared with the baseline of its framework, a mode has amortised its first step " + "; ".join(
                parts
            )
            return labelled(told + (f"; not told for {_untold(untold)}" if untold else "") + ".", blocks)
        if untold:
            return labelled(f"When a mode has amortised its first step is not told for {_untold(untold)}.", blocks)
        return ""

    def _in_order(self, rows: Sequence[StepRow]) -> list[StepRow]:
        """Return `rows` by their ratio to the one with the shortest mean step."""
        if not rows:
            return []
        shortest = min(rows, key=_step)

        def order(row: StepRow) -> float:
            pair = None if row is shortest else self._pair(row, shortest)
            return pair.ratio.value if pair else _step(row) / _step(shortest)

        return sorted(rows, key=order)

    def _pair(self, a: StepRow, b: StepRow) -> Pair | None:
        return self._ratios.pair(shared_ratios(self._ratios, a, b))

    def _not_told(self, first: StepRow, others: Sequence[StepRow]) -> list[StepRow]:
        """Return those of `others` that may be as fast as `first`."""
        paired = [(row, self._pair(first, row)) for row in others]
        enough = [(row, pair) for row, pair in paired if pair is not None and pair.ratio.count >= FEW_BLOCKS]
        verdicts = pairs.verdicts([pair for _, pair in enough], self._floor)
        told = {row.cell for (row, _), said in zip(enough, verdicts, strict=True) if said == "faster"}
        told |= {
            row.cell
            for row, pair in paired
            if pair is not None and pair.ratio.count < FEW_BLOCKS and verdict(pair.ratio, self._floor) == "faster"
        }
        return [row for row in others if row.cell not in told]

    def _shortest(self, first: StepRow, others: Sequence[StepRow]) -> str:
        same = self._not_told(first, others)
        also = f" or {same[0].cell.mode if len(same) == 1 else f'{len(same)} others'}" if same else ""
        return f"{name(first)}{also} {time(first.step_ns)}" if first.step_ns else name(first)


def _with_step(row: StepRow, between: str = " with ") -> str:
    assert row.step_ns is not None
    return f"{name(row)}{between}{time(row.step_ns)}"


def _with_first(row: StepRow, *, named: bool) -> str:
    assert row.first_step_ns is not None
    return time(row.first_step_ns) + (f" ({name(row)})" if named else "")


def _times_as_long(ratio: Estimate) -> str:
    """Return how many times as long the second step takes; `ratio` is first ÷ second."""
    interval = ratio.inverse.interval
    if interval and interval.is_wide:
        return f"{significant(interval.low)} to {significant(interval.high)} times"
    return f"{significant(1 / ratio.value)} times"


def _is_cheaper(a: StepRow, b: StepRow) -> bool:
    """Return whether the first step of `a` is told to be shorter, on logarithms and paired by block."""
    firsts = [{block: cost.first_ns for block, cost in row.paired.items() if cost.first_ns > 0} for row in (a, b)]
    paired = pairs.pair(*firsts)
    return paired is not None and paired.ratio.interval is not None and paired.ratio.interval.high < 1


def _after(rows: Sequence[StepRow]) -> str:
    """Return the break-even of `rows`, which are sorted by it: all of a few, the first and the last of many."""
    texts = [f"{_span(row) or rounded(break_even_steps(row.break_even))} steps ({name(row)})" for row in rows]
    return listed(texts) if len(rows) <= FEW else f"{texts[0]} up to {texts[-1]}, {len(rows)} modes in all"


def _span(row: StepRow) -> str:
    """Return the interval of a break-even in words where it is too wide for one number; else nothing."""
    if not isinstance(row.break_even, BreakEven) or not break_even_span(row.break_even):
        return ""
    assert row.break_even.interval is not None
    low, high = (math.ceil(end) for end in (row.break_even.interval.low, row.break_even.interval.high))
    return f"{rounded(low)} to {rounded(high)}"


def _untold(rows: Sequence[StepRow]) -> str:
    needs = {row.cell: row.break_even.needs for row in rows if isinstance(row.break_even, NotTold)}
    if len(rows) <= FEW:
        return listed([f"{name(row)} ({needs[row.cell]})" for row in rows])
    known = [row.break_even.more for row in rows if isinstance(row.break_even, NotTold) and row.break_even.more]
    fewest = f", the first of them with {count(min(known), 'more block')}" if known else ""
    return f"{len(rows)} modes{fewest}"


def _break_even(row: StepRow) -> float:
    return row.break_even.steps if isinstance(row.break_even, BreakEven) else math.inf


def _step(row: StepRow) -> float:
    return row.step_ns.value if row.step_ns else math.inf


def _first(row: StepRow) -> float:
    return row.first_step_ns.value if row.first_step_ns else math.inf
