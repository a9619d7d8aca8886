"""Two runs, or two selections of one, cell by cell: the ratio of their steps with its interval and a verdict.

Within a session (one run, or runs made side by side with `samestep run --launcher venv,docker`) replicate k of a cell
met the same machine on both sides: ratios are paired by block (`harness.stats.pairs`), and within one run those of
processes that took turns come from their time slices (`harness.validity.ratios`). Runs of two sessions are
compared as independent samples, with a noise floor of at least what the machine moved by between them (`sessions`), or
called not comparable. Cells that cannot be matched are listed with the reason (`match`).
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from bench.records.record import Cell
from harness.compare.choice import Choice
from harness.compare.match import Match, Side, Unmatched, incomparable, match_cells, sides, unlike
from harness.compare.sessions import moved, same_session
from harness.errors import SelectionError
from harness.format import difference
from harness.report.tables.steps import StepRow, shared_ratios
from harness.stats import pairs
from harness.stats.estimate import Cost, Estimate, Verdict, estimate
from harness.stats.pairs import Pair
from harness.stats.welch import unpaired
from harness.validity.noise_floor import floor_of
from harness.validity.ratios import Ratios
from harness.validity.results import Run

NOT_COMPARABLE: Final = "not comparable"
CONDITIONS: Final = ("slower", "faster", "undetermined", NOT_COMPARABLE, "unmatched")  # of --fail-on

Outcome = Verdict | Literal["not comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One cell on both sides; ratios are b / a."""

    a: Cell
    b: Cell
    what: str  # the cell in words, with both values of a field that the sides chose differently
    a_step_ns: float
    b_step_ns: float
    step: Estimate
    p: float  # of the test that the ratio is 1, before Holm's procedure
    first_step: Estimate
    verdict: Outcome  # of b
    why: str = ""  # it is not comparable; empty: it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All cells that both sides have, and the whole of them."""

    a: Side
    b: Side
    paired: bool  # by block, within one session
    floor: float  # noise floor: no smaller relative difference is called faster or slower
    basis: str  # one sentence: how the sides were compared, and the noise floor
    cells: tuple[Compared, ...]
    unmatched: tuple[Unmatched, ...]
    together: Estimate | None  # geometric mean of the cells' ratios in each block, b / a; None: not paired
    first_steps_together: Estimate | None
    launch_a_s: float | None  # median seconds of a replicate before its protocol began and after it had ended
    launch_b_s: float | None
    unlike: tuple[str, ...]  # what else differs: interpreters, versions, images, drivers

    def count(self, condition: str) -> int:
        """Return how many cells meet one of `CONDITIONS`."""
        if condition == "unmatched":
            return len(self.unmatched)
        return sum(cell.verdict == condition for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """How two sides are compared."""

    paired: bool
    floor: float  # noise floor
    sentence: str
    why_not: str = ""  # nothing can be compared; empty: it can
    ratios: Ratios | None = None  # of the one run that both sides belong to; None: two runs, which took no turns


def compare(a: Run, b: Run, chosen: tuple[Choice, Choice] = (Choice(), Choice())) -> Comparison:
    """Compare the `chosen` cells of two runs.

    Raises:
        SelectionError: no cell has a valid time on both sides, or one matches several.
    """
    side_a, side_b = sides(a, b, chosen)
    basis = _basis(a, b)
    matches, unmatched = match_cells(side_a, side_b, paired=basis.paired)
    if not matches:
        where = "in the same block" if basis.paired else "on both sides"
        raise SelectionError(f"{side_a.name} and {side_b.name} have no cell with a valid time {where}.")
    return Comparison(
        a=side_a,
        b=side_b,
        paired=basis.paired,
        floor=basis.floor,
        basis=basis.sentence,
        cells=_with_verdicts([_compared(match, side_a, side_b, basis) for match in matches], basis.floor),
        unmatched=unmatched,
        together=_together([_steps(match, basis) for match in matches]) if basis.paired else None,
        first_steps_together=_together([_first_steps(match) for match in matches]) if basis.paired else None,
        launch_a_s=_launch_s(a),
        launch_b_s=_launch_s(b),
        unlike=unlike(side_a, side_b),
    )


def _basis(a: Run, b: Run) -> Basis:
    floor = max(floor_of(a), floor_of(b))
    if same_session(a, b):
        sentence = f"Paired by block within one session; {_noise(floor)}."
        ratios = Ratios(a) if a is b else None
        return Basis(paired=True, floor=floor, sentence=sentence, ratios=ratios)
    movement = moved(a, b)
    if movement is None:
        return Basis(
            paired=False,
            floor=floor,
            sentence="Two sessions, not made side by side, and no drift probes in both that would tell how the machine"
            " changed between them: the ratios are no verdicts.",
            why_not="another session, without drift probes in both",
        )
    floor = max(floor, movement.value)
    return Basis(
        paired=False,
        floor=floor,
        sentence="Two sessions, compared as independent samples: between them the machine itself moved by"
        f" {movement.value:.1%} ({movement.probe}), so {_noise(floor)}.",
    )


def _noise(floor: float) -> str:
    return f"differences up to {difference(floor)} may be noise"


def _compared(match: Match, a: Side, b: Side, basis: Basis) -> tuple[Compared, Pair]:
    """Return the cell, its verdict still open, and the pair that decides the verdict."""
    step, first_step = _pairs(match, basis)
    why = basis.why_not or incomparable(match, a, b)
    compared = Compared(
        a=match.a.cell,
        b=match.b.cell,
        what=match.what,
        a_step_ns=_step_ns(match.a, basis),
        b_step_ns=_step_ns(match.b, basis),
        step=step.ratio,
        p=step.p,
        first_step=first_step.ratio,
        verdict=NOT_COMPARABLE if why else "undetermined",
        why=why,
    )
    return compared, step


def _with_verdicts(cells: Sequence[tuple[Compared, Pair]], floor: float) -> tuple[Compared, ...]:
    """Return the cells with the verdicts of the comparable ones; Holm's procedure needs all of the printed table."""
    verdicts = iter(pairs.verdicts([pair for cell, pair in cells if not cell.why], floor))
    return tuple(cell if cell.why else replace(cell, verdict=next(verdicts)) for cell, _ in cells)


def _pairs(match: Match, basis: Basis) -> tuple[Pair, Pair]:
    """Return how the steps and the first steps compare, b / a."""
    sides = (match.b.costs.values(), match.a.costs.values())
    if not basis.paired:
        return (
            unpaired(*([cost.step_ns for cost in costs] for costs in sides)),
            unpaired(*([cost.first_ns for cost in costs] for costs in sides)),
        )
    steps, first_steps = _steps(match, basis), _first_steps(match)
    step = basis.ratios.pair(steps) if basis.ratios else pairs.paired(list(steps.values()))
    assert step is not None, "matched rows share a block"
    return step, pairs.paired(list(first_steps.values()))


def _steps(match: Match, basis: Basis) -> dict[int, float]:
    """Return the ratio of the steps, b / a, by block."""
    if basis.ratios:
        return shared_ratios(basis.ratios, match.b, match.a)
    return _quotients(match, lambda cost: cost.step_ns)


def _first_steps(match: Match) -> dict[int, float]:
    return _quotients(match, lambda cost: cost.first_ns)


def _quotients(match: Match, value: Callable[[Cost], float]) -> dict[int, float]:
    a, b = match.a.paired, match.b.paired
    return {block: value(b[block]) / value(a[block]) for block in sorted(a.keys() & b.keys())}


def _step_ns(row: StepRow, basis: Basis) -> float:
    costs = row.paired if basis.paired else row.costs
    return estimate([cost.step_ns for cost in costs.values()]).value


def _together(cells: Sequence[Mapping[int, float]]) -> Estimate:
    """Return the estimate, over the blocks that all cells have, of the geometric mean over the cells' ratios."""
    blocks = set.intersection(*(set(cell) for cell in cells)) or set(cells[0])
    return estimate([estimate([cell[block] for cell in cells if block in cell]).value for block in sorted(blocks)])


def _launch_s(run: Run) -> float | None:
    """Return the median seconds of a replicate outside the protocol; None without a timed one."""
    outside = [
        record.wall_ns - record.phases.total_ns() + record.phases.startup_ns
        for record in run.records
        if record.phases and record.timing
    ]
    return statistics.median(outside) / 1e9 if outside else None
