"""Two runs, or two selections of one, cell by cell: the ratio of their steps with its interval and a verdict.

Within a session (one run, or runs made side by side with `samestep run --launcher venv,docker`) replicate k of a cell
met the same machine on both sides: ratios are paired by block (`harness.stats.pairs`), and within one run those of
processes that took turns come from their time slices (`harness.validity.ratios`). Runs of two sessions are
compared as independent samples, with a noise floor of at least what the machine moved by between them (`sessions`), or
called not comparable. Cells that cannot be matched are listed with the reason (`match`).

With a threshold the answer is whether a ratio lies beyond it (`harness.stats.threshold`), which needs fewer blocks than
a verdict.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from bench.records.record import Cell
from harness.compare.choice import Choice
from harness.compare.match import Match, Side, Unmatched, incomparable, match_cells, sides, unlike
from harness.compare.sessions import moved, probed, same_session
from harness.errors import SelectionError
from harness.format import difference, listed
from harness.report.tables.steps import StepRow, shared_ratios
from harness.stats import moderated, pairs
from harness.stats.estimate import FEW_BLOCKS, Cost, Estimate, Verdict, estimate
from harness.stats.moderated import Prior
from harness.stats.pairs import Pair
from harness.stats.threshold import Answer, answers
from harness.stats.welch import unpaired
from harness.validity.hosts import largest_spread
from harness.validity.noise_floor import floor_of, least_floor_of
from harness.validity.ratios import Ratios, ratios_of
from harness.validity.results import Run

NOT_COMPARABLE: Final = "not comparable"

ONE_BLOCK: Final = "not told: one block has no interval"

Outcome = Verdict | Answer | Literal["not comparable"]


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
    why: str = ""  # it is not comparable, or not told; empty: it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All cells that both sides have, and the whole of them."""

    a: Side
    b: Side
    paired: bool  # by block, within one session
    floor: float  # noise floor: no smaller relative difference is called faster or slower
    threshold: float | None  # relative difference that the answers are about; None: they are verdicts
    basis: str  # one sentence: how the sides were compared, and the noise floor
    cells: tuple[Compared, ...]
    unmatched: tuple[Unmatched, ...]
    together: Estimate | None  # geometric mean of the cells' ratios in each block, b / a; None: not paired
    first_steps_together: Estimate | None
    launch_a_s: float | None  # median seconds of a replicate before its protocol began and after it had ended
    launch_b_s: float | None
    unlike: tuple[str, ...]  # what else differs: interpreters, versions, images, drivers

    @property
    def caveat(self) -> str:
        """What has to stand beside every figure of it; empty: nothing."""
        return self.a.run.caveat

    def count(self, condition: str) -> int:
        """Return how many cells have this outcome, or are "unmatched"."""
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
    threshold: float | None = None  # as in Comparison
    prior: Prior | None = None  # moderates the variances of few blocks; None: each has its own alone


def compare(
    a: Run, b: Run, chosen: tuple[Choice, Choice] = (Choice(), Choice()), threshold: float | None = None
) -> Comparison:
    """Compare the `chosen` cells of two runs.

    Args:
        a: the run that ratios are relative to.
        b: the other; the same object for one run.
        chosen: the cells of each.
        threshold: relative difference that counts, 0.1 for 10 %; None: verdicts, which need six blocks.

    Raises:
        SelectionError: no cell has a valid time on both sides, or one matches several; or one run's figures are not
            real and the other's are.
    """
    side_a, side_b = sides(a, b, chosen)
    if a.caveat != b.caveat:
        run = a if a.caveat else b
        raise SelectionError(f"{run.facts.id} is not compared with a real run. {run.caveat}")
    basis = _basis(a, b, threshold)
    if threshold is not None:
        basis = replace(basis, threshold=threshold, sentence=f"{basis.sentence} {_about(threshold, basis.floor)}")
    matches, unmatched = match_cells(side_a, side_b, paired=basis.paired)
    if not matches:
        where = "in the same block" if basis.paired else "on both sides"
        raise SelectionError(f"{side_a.name} and {side_b.name} have no cell with a valid time {where}.")
    basis = replace(basis, prior=_prior(matches, basis))
    return Comparison(
        a=side_a,
        b=side_b,
        paired=basis.paired,
        floor=basis.floor,
        threshold=threshold,
        basis=basis.sentence,
        cells=_with_verdicts([_compared(match, side_a, side_b, basis) for match in matches], basis),
        unmatched=unmatched,
        together=_together([_steps(match, basis) for match in matches]) if basis.paired else None,
        first_steps_together=_together([_first_steps(match) for match in matches]) if basis.paired else None,
        launch_a_s=_launch_s(a),
        launch_b_s=_launch_s(b),
        unlike=unlike(side_a, side_b),
    )


def _basis(a: Run, b: Run, threshold: float | None) -> Basis:
    # Of a few blocks the A/A interval is wide, and so is each cell's own, which a threshold has to exceed anyway
    noise = floor_of if threshold is None else least_floor_of
    floor = max(noise(a), noise(b))
    if same_session(a, b):
        sentence = f"Paired by block within one session; {_noise(floor)}."
        ratios = ratios_of(a) if a is b else None
        return Basis(paired=True, floor=floor, sentence=sentence, ratios=ratios)
    movement = moved(a, b)
    if movement is None:
        no_probes, why_not = _unprobed(probed(a), probed(b))
        return Basis(
            paired=False,
            floor=floor,
            sentence=f"Two sessions, not made side by side, and {no_probes} that would tell how the machine"
            " changed between them: the ratios are no verdicts.",
            why_not=f"another session, {why_not}",
        )
    hosts = max(filter(None, map(largest_spread, (a, b))), default=0.0)
    floor = max(floor, movement.value, hosts)
    between = f", hosts of one type differ by {hosts:.1%}" if hosts else ""
    return Basis(
        paired=False,
        floor=floor,
        sentence="Two sessions, compared as independent samples: between them the machine itself moved by"
        f" {movement.value:.1%} ({movement.probe}){between}, so {_noise(floor)}.",
    )


def _unprobed(a: Sequence[str], b: Sequence[str]) -> tuple[str, str]:
    """Return, for a sentence and for a few words, that sessions have no drift probe in common; with their libraries."""
    if not a or not b:
        return "no drift probes in both", "without drift probes in both"
    libraries = f"of {listed(a)} in one and of {listed(b)} in the other"
    return f"no drift probe of one library in both ({libraries})", "with drift probes of different libraries"


def _noise(floor: float) -> str:
    return f"differences up to {difference(floor)} may be noise"


def _about(threshold: float, floor: float) -> str:
    """Return the sentence on what the answers mean that a threshold gives."""
    share = f"{100 * threshold:.3g} %"
    if floor > threshold:
        return f"The threshold, {share}, is less than that: the noise floor replaces it, and nothing is within."
    return f"Slower: the whole interval is above 1 + {share}; faster: below 1 ÷ (1 + {share}); within: between the two."


def _prior(matches: Sequence[Match], basis: Basis) -> Prior | None:
    """Return what the cells of a table with a threshold say about the variance of one of them."""
    if basis.threshold is None:
        return None
    if basis.paired:
        return moderated.prior([list(_steps(match, basis).values()) for match in matches])
    return moderated.prior([times for match in matches for times in _step_times(match)])


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


def _with_verdicts(cells: Sequence[tuple[Compared, Pair]], basis: Basis) -> tuple[Compared, ...]:
    """Return the cells with the verdicts of the comparable ones; Holm's procedure needs all of the printed table."""
    compared = [pair for cell, pair in cells if not cell.why]
    if basis.threshold is None:
        verdicts: Iterator[Outcome] = iter(pairs.verdicts(compared, basis.floor))
    else:
        verdicts = iter(answers(compared, basis.threshold, basis.floor))
    return tuple(cell if cell.why else _judged(cell, next(verdicts), basis) for cell, _ in cells)


def _judged(cell: Compared, verdict: Outcome, basis: Basis) -> Compared:
    is_untold = basis.threshold is not None and cell.step.interval is None
    return replace(cell, verdict=verdict, why=ONE_BLOCK if is_untold else "")


def _pairs(match: Match, basis: Basis) -> tuple[Pair, Pair]:
    """Return how the steps and the first steps compare, b / a."""
    if not basis.paired:
        first_b, first_a = ([cost.first_ns for cost in row.costs.values()] for row in (match.b, match.a))
        steps_b, steps_a = _step_times(match)
        few = min(len(steps_b), len(steps_a)) < FEW_BLOCKS
        return unpaired(steps_b, steps_a, basis.prior if few else None), unpaired(first_b, first_a)
    steps, first_steps = _steps(match, basis), _first_steps(match)
    return _paired(steps, basis), pairs.paired(list(first_steps.values()))


def _paired(steps: Mapping[int, float], basis: Basis) -> Pair:
    ratios = list(steps.values())
    if basis.ratios and (basis.ratios.took_turns or basis.prior is None):
        step = basis.ratios.pair(steps)
        assert step is not None, "matched rows share a block"
        return step
    return basis.prior.pair(ratios) if basis.prior and 1 < len(ratios) < FEW_BLOCKS else pairs.paired(ratios)


def _step_times(match: Match) -> tuple[list[float], list[float]]:
    """Return the times per step of the replicates in ns, of b and of a."""
    times_b, times_a = ([cost.step_ns for cost in row.costs.values()] for row in (match.b, match.a))
    return times_b, times_a


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
