"""Two runs, or two selections of one, cell by cell: the ratio of their steps with its interval and a verdict.

Within a session (one run, or runs made side by side with `samestep run --launcher venv,docker`) replicate k of a cell
met the same machine on both sides: ratios are paired by block, as `harness.stats.pairs` says. Runs of two sessions are
compared as independent samples, beyond what their sentinels say the machine moved by (`sessions`), or called not
comparable. What cannot be matched is listed with the reason (`harness.compare.match`).
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from bench.records.record import Cell
from harness.compare import match as matching
from harness.compare import sessions
from harness.compare.choice import Choice
from harness.compare.match import Match, Side, Unmatched
from harness.errors import SelectionError
from harness.report.tables.steps import StepRow
from harness.stats import estimate, pairs, welch
from harness.stats.estimate import Cost, Estimate, Verdict
from harness.stats.pairs import Pair
from harness.validity.results import Run

NOT_COMPARABLE: Final = "not comparable"
CONDITIONS: Final = ("slower", "faster", "undetermined", NOT_COMPARABLE, "unmatched")  # of --fail-on

Said = Verdict | Literal["not comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One cell on both sides; ratios are b / a."""

    a: Cell
    b: Cell
    what: str
    a_step_ns: float
    b_step_ns: float
    step: Estimate
    p: float  # of the test that the ratio is 1, before Holm's procedure
    first_step: Estimate
    verdict: Said  # of b
    why: str = ""  # it is not comparable


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All cells that both sides have, and what they say together."""

    a: Side
    b: Side
    paired: bool  # by block, within one session
    floor: float  # relative difference that may be noise: nothing smaller is called faster or slower
    basis: str  # one sentence: what the comparison and its floor rest on
    cells: tuple[Compared, ...]
    unmatched: tuple[Unmatched, ...]
    together: Estimate | None  # geometric mean of the cells' ratios in each block, b / a; None: not paired
    first_steps_together: Estimate | None
    launch_a_s: float | None  # median seconds of a replicate before its protocol began and after it had ended
    launch_b_s: float | None
    unlike: tuple[str, ...]  # what else differs between the two: interpreters, versions, images, drivers

    def count(self, condition: str) -> int:
        """Return how many cells meet one of `CONDITIONS`."""
        if condition == "unmatched":
            return len(self.unmatched)
        return sum(one.verdict == condition for one in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a comparison of two sides rests on."""

    paired: bool
    floor: float
    why_not: str  # nothing can be compared; empty: it can


def compare(a: Run, b: Run, chosen: tuple[Choice, Choice] = (Choice(), Choice())) -> Comparison:
    """Compare the `chosen` cells of two runs.

    Raises:
        SelectionError: no cell has a valid time on both sides, or one matches several.
    """
    one, other = matching.sides(a, b, chosen)
    ground = _ground(a, b)
    found, unmatched = matching.match(one, other, paired=ground.paired)
    if not found:
        where = "in the same block" if ground.paired else "on both sides"
        raise SelectionError(f"{one.name} and {other.name} have no cell with a valid time {where}.")
    return Comparison(
        a=one,
        b=other,
        paired=ground.paired,
        floor=ground.floor,
        basis=_basis(a, b, ground),
        cells=_judged([_compared(match, one, other, ground) for match in found], ground.floor),
        unmatched=unmatched,
        together=_together(found, first=False) if ground.paired else None,
        first_steps_together=_together(found, first=True) if ground.paired else None,
        launch_a_s=_launch_s(a),
        launch_b_s=_launch_s(b),
        unlike=matching.unlike(one, other),
    )


def _ground(a: Run, b: Run) -> Ground:
    floor = max(sessions.floor(a), sessions.floor(b))
    if sessions.same_session(a, b):
        return Ground(paired=True, floor=floor, why_not="")
    moved = sessions.moved(a, b)
    if moved is None:
        return Ground(paired=False, floor=floor, why_not="another session, without sentinels in both")
    return Ground(paired=False, floor=max(floor, moved.value), why_not="")


def _basis(a: Run, b: Run, ground: Ground) -> str:
    smaller = f"differences up to {ground.floor:.1%} are not told from noise"
    if ground.paired:
        return f"Paired by block within one session; {smaller}."
    moved = sessions.moved(a, b)
    if moved is None:
        return (
            "Two sessions, not made side by side, and no sentinels in both that would tell what the machine did between"
            " them: the ratios are no verdicts."
        )
    return (
        f"Two sessions, compared as independent samples: between them the machine itself moved by {moved.value:.1%}"
        f" ({moved.probe}), so {smaller}."
    )


def _compared(match: Match, a: Side, b: Side, ground: Ground) -> tuple[Compared, Pair]:
    """Return the cell, its verdict still open, and the pair that the verdict will rest on."""
    mine, theirs = match.a, match.b
    step = _pair(theirs, mine, ground, first=False)
    why = ground.why_not or matching.incomparable(match, a, b)
    found = Compared(
        a=mine.cell,
        b=theirs.cell,
        what=match.what,
        a_step_ns=_step(mine, ground),
        b_step_ns=_step(theirs, ground),
        step=step.ratio,
        p=step.p,
        first_step=_pair(theirs, mine, ground, first=True).ratio,
        verdict=NOT_COMPARABLE if why else "undetermined",
        why=why,
    )
    return found, step


def _judged(found: Sequence[tuple[Compared, Pair]], floor: float) -> tuple[Compared, ...]:
    """Give the comparable cells their verdicts, together: Holm's procedure is over the printed table."""
    comparable = [(cell, pair) for cell, pair in found if not cell.why]
    verdicts = iter(pairs.verdicts([pair for _, pair in comparable], floor))
    return tuple(cell if cell.why else replace(cell, verdict=next(verdicts)) for cell, _ in found)


def _pair(b: StepRow, a: StepRow, ground: Ground, *, first: bool) -> Pair:
    if not ground.paired:
        return welch.unpaired(*(list(_values(row.costs, first=first).values()) for row in (b, a)))
    found = pairs.pair(_values(b.paired, first=first), _values(a.paired, first=first))
    assert found is not None, "matched rows share a block"
    return found


def _values(costs: Mapping[int, Cost], *, first: bool) -> dict[int, float]:
    return {block: cost.first_ns if first else cost.step_ns for block, cost in costs.items()}


def _step(row: StepRow, ground: Ground) -> float:
    costs = row.paired if ground.paired else row.costs
    return estimate.estimate([cost.step_ns for cost in costs.values()]).value


def _together(found: Iterable[Match], *, first: bool) -> Estimate:
    """Return the estimate over the blocks that all cells have of the geometric mean over cells."""
    cells = [
        {block: b[block] / a[block] for block in a.keys() & b.keys()}
        for a, b in ((_values(one.a.paired, first=first), _values(one.b.paired, first=first)) for one in found)
    ]
    blocks = set.intersection(*(set(cell) for cell in cells)) or set(cells[0])
    return estimate.estimate(
        [estimate.estimate([cell[block] for cell in cells if block in cell]).value for block in sorted(blocks)]
    )


def _launch_s(run: Run) -> float | None:
    outside = [
        record.wall_ns - record.phases.total_ns() + record.phases.startup_ns
        for record in run.records
        if record.phases and record.timing
    ]
    return statistics.median(outside) / 1e9 if outside else None
