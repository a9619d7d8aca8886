"""Records of a run → the rows of what was measured: one typed row per cell, in raw units.

A row keeps what the statistics gave, in ns and bytes; `tables` says which columns show it and in which
unit. When the replicates of a cell end differently, the row bears the worst status and says how many: an invalid
replicate makes the whole cell invalid and takes its time away, for nobody knows what the others measured; a replicate
that failed leaves the numbers of the good ones standing.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypedDict

from bench.records.record import FORWARD_ONLY, Accuracy, Cell, Idiomatic, Record, Status, Timing, Track
from harness.report.facts import Run
from harness.stats import breakeven, estimate, flags, pairs, rounds, spread
from harness.stats.breakeven import BreakEven
from harness.stats.estimate import Cost, Estimate, Verdict
from harness.stats.flags import Flag
from harness.stats.pairs import Pair
from harness.validity import noise_floor
from harness.validity.roofline import LAUNCH_BOUND_NS, Limits
from harness.validity.validity import WORST_FIRST

# What a well-known talk claims for this regression, in lines of code; the report sets its own counts beside it.
CLAIMED_LINES: Final[Mapping[str, int]] = {"tensorflow": 8, "keras_tensorflow": 4, "torch": 10, "fastai": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every table's row begins with."""

    cell: Cell
    title: str  # what people call the framework
    status: Status
    reason: str  # empty when the status is "ok"
    source: str = ""  # title of the framework whose exported model it runs; empty: none

    @property
    def is_inference(self) -> bool:
        """A step of it is a forward pass, not to be compared with one of training."""
        return infers(self.cell, self.source)


class Head(TypedDict):
    """The fields of `Row`."""

    cell: Cell
    title: str
    status: Status
    reason: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow(Row):
    """What a training step costs."""

    step_ns: Estimate | None  # time per step
    first_step_ns: Estimate | None  # the first call: trace, compile, run; of a whole compiled loop all its steps
    replicates: int  # good ones: the estimate rests on them
    rounds: int | None  # timed rounds of one replicate
    steps_per_round: int | None
    speedup: Estimate | None  # baseline / this; None: no baseline, or none measured
    baseline: str  # the mode that it compares with; empty: none
    break_even: BreakEven | Literal["never"] | None
    flags: tuple[Flag, ...]
    costs: Mapping[int, Cost]  # what each good replicate paid, by block
    paired: Mapping[int, Cost]  # of these, in the blocks that were finished: what comparisons rest on
    replaced: int = 0  # replicates that were invalid and run once more
    fit_overhead_ns: Estimate | None = None  # what each fit of a trainer costs besides its steps; None: no trainer
    spread_within: float | None = None  # relative spread of the rounds of one replicate, the median over them
    spread_between: float | None = None  # spread of the replicates: standard deviation of their logarithms
    shape: str = ""  # of the rounds, as `harness.stats.rounds`; "inconsistent": not the same in all replicates
    verdict: Verdict | None = None  # against the baseline; None: it is the baseline, or the run too small for verdicts
    launches: float | None = None  # a step in emptiest launches; None: these do not bind it, or were not measured

    @property
    def steps_ns(self) -> dict[int, float]:
        """Time per step of each good replicate, by block, in the blocks that were finished."""
        return {block: cost.step_ns for block, cost in self.paired.items()}

    @property
    def is_baseline(self) -> bool:
        """Others compare with it."""
        return self.cell.mode == self.baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow(Row):
    """What was computed, of the replicate farthest from the reference."""

    accuracy: Accuracy | None
    within_tolerance: bool | None  # in every replicate
    data_sha256: str  # distinct ones joined by spaces: more than one is a fault
    init_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRow(Row):
    """The hello world: how much code, and what it comes to from a cold start; medians over the blocks."""

    lines: int | None
    claimed_lines: int | None
    total_ns: float | None
    weight: float | None
    bias: float | None
    within_tolerance: bool | None  # in every block


def step_rows(run: Run) -> tuple[StepRow, ...]:
    """Return a row for each cell of the identical track."""
    rows = [_step_row(run, cell, records) for cell, records in by_cell(run, "identical").items()]
    found = {row.cell: row for row in rows}
    limits = Limits(run.records, run.facts.frameworks)
    compared = [_compared(row, found.get(replace(row.cell, mode=row.baseline))) for row in rows]
    judged = compared if run.is_first_look else _judged(compared, found, floor_of(run))
    return tuple(replace(row, launches=_launches(row, limits)) for row in judged)


def floor_of(run: Run) -> float:
    """Return the relative difference below which nothing of this run is called faster or slower."""
    found = noise_floor.floor(run.records)
    return found.value if found else estimate.VERDICT_FLOOR


def accuracy_rows(run: Run) -> tuple[AccuracyRow, ...]:
    """Return a row for each cell of the identical track."""
    return tuple(_accuracy_row(run, cell, records) for cell, records in by_cell(run, "identical").items())


def code_rows(run: Run) -> tuple[CodeRow, ...]:
    """Return a row for each framework of the run that has a hello world; none in a run without their problem."""
    measured = {cell.framework: records for cell, records in by_cell(run, "idiomatic").items()}
    workloads = run.facts.workloads
    if not measured and workloads and all(workload.is_ladder for workload in workloads):
        return ()
    lines = {facts.name: facts.hello_lines for facts in run.facts.frameworks if facts.hello}
    names = [*lines, *(name for name in measured if name not in lines)]
    return tuple(_code_row(run, name, lines.get(name), measured.get(name, ())) for name in names)


def by_cell(run: Run, track: Track) -> dict[Cell, list[Record]]:
    """Return the records of each cell: in the order of the run's facts, then by name; inference after all training."""
    groups: dict[Cell, list[Record]] = {}
    for record in run.records:
        if record.cell.track == track:
            groups.setdefault(record.cell, []).append(record)
    return {cell: groups[cell] for cell in ordered(run, groups)}


def ordered(run: Run, cells: Iterable[Cell]) -> list[Cell]:
    """Return cells in the order of the run's facts, then by name; inference after all training."""
    place = {
        (framework.name, mode.name): (i, j)
        for i, framework in enumerate(run.facts.frameworks)
        for j, mode in enumerate(framework.modes)
    }
    last = (len(run.facts.frameworks), 0)

    def order(cell: Cell) -> tuple[bool, tuple[int, int], str]:
        mode = cell.framework, cell.mode
        return infers(cell, run.source(*mode)), place.get(mode, last), cell.id

    return sorted(cells, key=order)


def infers(cell: Cell, source: str) -> bool:
    """Return whether a step of `cell`, which runs a model of `source` unless that is empty, is a forward pass."""
    return bool(source) or cell.optimizer == FORWARD_ONLY


def head(run: Run, cell: Cell, records: Sequence[Record]) -> Head:
    """Return what the row of `cell` begins with in every table."""
    status, reason = _verdict(records)
    source = run.source(cell.framework, cell.mode)
    return Head(
        cell=cell, title=run.title(cell.framework), status=status, reason=reason, source=source and run.title(source)
    )


def _verdict(records: Sequence[Record]) -> tuple[Status, str]:
    """Return the worst status and its reason, which says how many replicates it befell when not all."""
    worst = min((record.status for record in records), key=WORST_FIRST.index)
    if worst == "ok":
        return worst, ""
    hit = [record for record in records if record.status == worst]
    share = "" if len(hit) == len(records) else f"{len(hit)} of {len(records)} replicates: "
    return worst, share + hit[0].reason


def _step_row(run: Run, cell: Cell, records: Sequence[Record]) -> StepRow:
    begins = head(run, cell, records)
    good = good_timings(records) if begins["status"] != "invalid" else {}
    costs = {block: cost for block, timing in good.items() if (cost := estimate.cost(timing)) is not None}
    whole = bool(costs) and len(costs) == len(good)  # a replicate without a slope takes the cell's time away
    seen = flags.alike(good.values()) if whole else []
    spreads = [float(one) for some in seen for one in rounds.spread(some)]
    overheads = [one for timing in good.values() if (one := estimate.fit_overhead_ns(timing)) is not None]
    return StepRow(
        **begins,
        step_ns=estimate.estimate([cost.step_ns for cost in costs.values()]) if whole else None,
        first_step_ns=estimate.estimate([timing.first_step_ns for timing in good.values()]) if good else None,
        replicates=len(good),
        rounds=min((len(timing.round_ns) for timing in good.values()), default=None),
        steps_per_round=min((timing.steps_per_round for timing in good.values()), default=None),
        speedup=None,
        baseline=run.baseline(cell.framework, cell.mode),
        break_even=None,
        flags=(*flags.flags(tuple(good.values()), cell.device), *run.warnings.get(cell, ())) if good else (),
        costs=costs if whole else {},
        paired={block: cost for block, cost in costs.items() if block not in run.incomplete} if whole else {},
        replaced=sum(record.cell == cell for record in run.replaced),
        fit_overhead_ns=estimate.level(overheads) if overheads else None,
        spread_within=statistics.median(spreads) if spreads else None,
        spread_between=spread.between([cost.step_ns for cost in costs.values()]) if whole else None,
        shape=_shape(flags.shapes(seen)),
    )


def _shape(seen: Sequence[str]) -> str:
    return "inconsistent" if len(set(seen)) > 1 else next(iter(seen), "")


def _launches(row: StepRow, limits: Limits) -> float | None:
    launch_ns = limits.launch_ns(row.cell.framework)
    if row.step_ns is None or row.step_ns.value >= LAUNCH_BOUND_NS or launch_ns is None:
        return None
    return row.step_ns.value / launch_ns


def good_timings(records: Iterable[Record]) -> dict[int, Timing]:
    """Return the timing of each good replicate, by block."""
    return {record.block: record.timing for record in records if record.status == "ok" and record.timing is not None}


def _compared(row: StepRow, baseline: StepRow | None) -> StepRow:
    """Return `row` beside its own baseline, paired by block."""
    if baseline is None or row.step_ns is None:
        return row
    return replace(
        row,
        speedup=estimate.ratio(baseline.steps_ns, row.steps_ns),
        break_even=None if row.is_baseline else breakeven.break_even(row.paired, baseline.paired),
    )


def _judged(rows: Sequence[StepRow], found: Mapping[Cell, StepRow], floor: float) -> list[StepRow]:
    """Return `rows` with their verdicts against their baselines, all of one printed table."""
    by_cell = {row.cell: pair for row in rows if (pair := _pair(row, found)) is not None}
    verdicts = dict(zip(by_cell, pairs.verdicts(list(by_cell.values()), floor), strict=True))
    return [replace(row, verdict=verdicts.get(row.cell)) for row in rows]


def _pair(row: StepRow, found: Mapping[Cell, StepRow]) -> Pair | None:
    baseline = found.get(replace(row.cell, mode=row.baseline))
    if baseline is None or row.is_baseline:
        return None
    return pairs.pair(row.steps_ns, baseline.steps_ns)


def _accuracy_row(run: Run, cell: Cell, records: Sequence[Record]) -> AccuracyRow:
    seen = [record.accuracy for record in records if record.accuracy is not None]
    return AccuracyRow(
        **head(run, cell, records),
        accuracy=max(seen, key=_deviation, default=None),
        within_tolerance=_all(one.within_tolerance for one in seen),
        data_sha256=" ".join(sorted({one.data_sha256 for one in seen})),
        init_sha256=" ".join(sorted({one.init_sha256 for one in seen})),
    )


def _all(told: Iterable[bool | None]) -> bool | None:
    """Return whether all that know say yes; None when none knows."""
    known = [one for one in told if one is not None]
    return all(known) if known else None


def _deviation(accuracy: Accuracy) -> float:
    """Return the deviation to rank by: what is not a number is the worst."""
    off = accuracy.max_loss_deviation
    if off is None:
        return -math.inf  # there was nothing to compare with
    return math.inf if math.isnan(off) else off


def _code_row(run: Run, framework: str, lines: int | None, records: Sequence[Record]) -> CodeRow:
    status, reason = _verdict(records) if records else ("ok", "")
    seen: list[Idiomatic] = [record.idiomatic for record in records if record.idiomatic is not None]
    cell = records[0].cell if records else _hello_cell(framework)
    return CodeRow(
        cell=cell,
        title=run.title(framework),
        status=status,
        reason=reason,
        lines=seen[0].lines if seen else lines,
        claimed_lines=CLAIMED_LINES.get(framework),
        total_ns=statistics.median(one.total_ns for one in seen) if seen else None,
        weight=statistics.median(one.weight for one in seen) if seen else None,
        bias=statistics.median(one.bias for one in seen) if seen else None,
        within_tolerance=all(one.within_tolerance for one in seen) if seen else None,
    )


def _hello_cell(framework: str) -> Cell:
    """Return the cell of a hello world that was not run: only its framework is shown."""
    return Cell(
        framework=framework,
        mode="hello",
        workload="",
        optimizer="",
        size="",
        precision="",
        device="",
        allocator="",
        track="idiomatic",
    )
