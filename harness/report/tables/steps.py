"""Steps: the time per training step, the time of the first step, and the comparison with the baseline."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.records.record import Cell, Record, Timing
from harness.format import Value, listed, percent, rounded, shortened, significant, times, whole
from harness.plan.label import name
from harness.report.tables.column import (
    BATCH,
    BREAK_EVEN_WORDS,
    CELL,
    FRAMEWORK_AND_MODE,
    VARIANT,
    Column,
    break_even_hint,
    break_even_interval,
    break_even_span,
    break_even_steps,
    extent_span,
    interval_hint,
    narrow_half_width,
    narrow_interval,
    wide_span,
)
from harness.report.tables.first_step import first_step_hint, several_calls
from harness.report.tables.row import Row, by_cell, good_timings, head
from harness.report.tables.table import Table, inference_remark
from harness.stats import breakeven, estimate, flags, pairs, rounds, spread
from harness.stats.breakeven import Outcome
from harness.stats.estimate import Cost, Estimate, Verdict
from harness.stats.flags import Flag, legend
from harness.validity.noise_floor import floor_of
from harness.validity.ratios import Ratios, ratios_of
from harness.validity.results import Run
from harness.validity.roofline import LAUNCH_BOUND_NS, MachineLimits

NAMED: Final = 4  # at most this many are listed in a sentence
NOT_TRAINING: Final = "; do not compare it with a training step"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow(Row):
    """The times of one cell."""

    step_ns: Estimate | None  # time per step
    first_step_ns: Estimate | None  # all calls until the mode is steady; whole loops if those are compiled as one
    replicates: int  # good replicates, those of the estimate
    rounds: int | None  # timed rounds of one replicate
    steps_per_round: int | None
    speedup: Estimate | None  # baseline / this; None: there is no baseline, or it has no time
    baseline: str  # the mode that it is compared with; empty: none
    break_even: Outcome | None
    flags: tuple[Flag, ...]
    costs: Mapping[int, Cost]  # costs of each good replicate, by block
    paired: Mapping[int, Cost]  # those in complete blocks, which comparisons use
    ratios: Mapping[int, float]  # step ÷ that of the baseline, by block; empty: it is the baseline, or there is none
    is_moderated: bool = False  # the interval of the speed-up rests on the variances of the others, too
    replaced: int = 0  # invalid replicates that were repeated
    fit_overhead_ns: Estimate | None = None  # time of one fit of a trainer besides its steps; None: no trainer
    spread_within: float | None = None  # relative spread of the rounds within a replicate; median of the replicates
    spread_between: float | None = None  # spread between replicates: standard deviation of their logarithms
    shape: str = ""  # shape of the rounds, see `harness.stats.rounds`; "inconsistent": replicates differ
    verdict: Verdict | None = None  # against the baseline; None: it is the baseline, or the run is too small
    form: str = ""  # in which the framework runs the workload; empty: that of all frameworks
    launches: float | None = None  # step ÷ empty launch; None: launches do not bound it, or were not measured
    first_calls: int = 1  # calls in the first step; the most of the replicates

    @property
    def steps_ns(self) -> dict[int, float]:
        """Time per step of each good replicate in ns, by block, in complete blocks."""
        return {block: cost.step_ns for block, cost in self.paired.items()}

    @property
    def is_baseline(self) -> bool:
        """Whether other modes are compared with it."""
        return self.cell.mode == self.baseline


def step_rows(run: Run) -> tuple[StepRow, ...]:
    """Return a row for each cell of the identical track."""
    ratios = ratios_of(run)
    rows = [_step_row(run, cell, records, ratios) for cell, records in by_cell(run, "identical").items()]
    rows_by_cell = {row.cell: row for row in rows}
    limits = MachineLimits(run.records, run.facts.frameworks)
    compared = [_compared(row, rows_by_cell.get(replace(row.cell, mode=row.baseline)), ratios) for row in rows]
    judged = compared if run.is_first_look else _judged(compared, floor_of(run))
    return tuple(replace(row, launches=_launches(row, limits)) for row in judged)


def shared_ratios(ratios: Ratios, a: StepRow, b: StepRow) -> dict[int, float]:
    """Return a's time per step ÷ b's by block, in the blocks that both rows count."""
    return ratios.by_block(a.cell, b.cell, a.paired.keys() & b.paired.keys())


def repeated_replicates(run: Run) -> tuple[str, ...]:
    """Return the sentence on invalid replicates whose repetition was not invalid; none when there are none."""
    statuses = {(record.cell, record.block): record.status for record in run.records}
    names = [
        f"{name(record.cell)}, block {record.block} ({record.reason.rstrip('.')})"
        for record in run.replaced
        if statuses.get((record.cell, record.block)) != "invalid"
    ]
    return (f"Invalid, then repeated in the same block and no longer invalid: {_first_of(names)}.",) if names else ()


def without_interval(rows: Iterable[StepRow]) -> tuple[str, ...]:
    """Return the sentence on cells that have a time but no interval; none when there are none."""
    names = [name(row.cell) for row in rows if row.step_ns is not None and row.step_ns.interval is None]
    return (f"No interval, because it needs two replicates: {_first_of(names)}.",) if names else ()


def forms(rows: Iterable[StepRow]) -> tuple[str, ...]:
    """Return a sentence for each workload that runs in each framework's own form; none where there is none."""
    titles: dict[str, dict[str, dict[str, None]]] = {}
    for row in rows:
        if row.form:
            titles.setdefault(row.cell.workload, {}).setdefault(row.form, {})[row.title] = None
    return tuple(
        f"{workload} runs in each framework's own form: "
        + "; ".join(f"{form} in {listed(list(of))}" for form, of in forms.items())
        + "."
        for workload, forms in titles.items()
    )


def _first_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{listed(names[:NAMED])}{more}"


def _step_row(run: Run, cell: Cell, records: Sequence[Record], ratios: Ratios) -> StepRow:
    shared = head(run, cell, records)
    good = good_timings(records) if shared["status"] != "invalid" else {}
    costs = {block: cost for block, timing in good.items() if (cost := estimate.cost(timing)) is not None}
    complete = bool(costs) and len(costs) == len(good)  # without one replicate's slope the cell has no time
    alike = flags.alike(good.values()) if complete else []
    spreads = [float(value) for series in alike for value in rounds.spread(series)]
    overheads = [ns for timing in good.values() if (ns := estimate.fit_overhead_ns(timing)) is not None]
    return StepRow(
        **shared,
        step_ns=estimate.estimate([cost.step_ns for cost in costs.values()]) if complete else None,
        first_step_ns=estimate.estimate([estimate.to_steady_ns(timing) for timing in good.values()]) if good else None,
        replicates=len(good),
        rounds=min((len(timing.round_ns) for timing in good.values()), default=None),
        steps_per_round=min((timing.steps_per_round for timing in good.values()), default=None),
        speedup=None,
        baseline="" if cell.ranks else run.baseline(cell.framework, cell.mode),
        break_even=None,
        flags=(*_flags(good, cell, ratios), *run.warnings.get(cell, ())) if good else (),
        costs=costs if complete else {},
        paired={block: cost for block, cost in costs.items() if block not in run.incomplete} if complete else {},
        ratios={},
        replaced=sum(record.cell == cell for record in run.replaced),
        fit_overhead_ns=estimate.level(overheads) if overheads else None,
        spread_within=statistics.median(spreads) if spreads else None,
        spread_between=spread.between([cost.step_ns for cost in costs.values()]) if complete else None,
        shape=_shape(flags.shapes(alike)),
        first_calls=max((1 + len(timing.settling_ns) for timing in good.values()), default=1),
        form=run.form(cell.framework, cell.workload),
    )


def _flags(good: Mapping[int, Timing], cell: Cell, ratios: Ratios) -> tuple[Flag, ...]:
    return flags.flags(tuple(good.values()), cell.device, is_narrow=ratios.is_narrow(cell))


def _shape(shapes: Sequence[str]) -> str:
    return "inconsistent" if len(set(shapes)) > 1 else next(iter(shapes), "")


def _launches(row: StepRow, limits: MachineLimits) -> float | None:
    launch_ns = limits.launch_ns(row.cell.framework)
    if row.step_ns is None or row.step_ns.value >= LAUNCH_BOUND_NS or launch_ns is None:
        return None
    return row.step_ns.value / launch_ns


def _compared(row: StepRow, baseline: StepRow | None, ratios: Ratios) -> StepRow:
    """Return `row` with its speed-up and break-even against its baseline, paired by block."""
    if baseline is None or row.step_ns is None:
        return row
    if row.is_baseline:
        return replace(row, speedup=estimate.ratio(row.steps_ns, row.steps_ns))
    by_block = shared_ratios(ratios, row, baseline)
    ratio = ratios.estimate(by_block)
    if ratio is None:
        return row
    return replace(
        row,
        ratios=by_block,
        speedup=ratio.inverse,
        is_moderated=ratios.is_moderated(ratio.count),
        break_even=breakeven.break_even(row.paired, baseline.paired, by_block, ratio),
    )


def _judged(rows: Sequence[StepRow], floor: float) -> list[StepRow]:
    """Return `rows` with their verdicts against their baselines; `floor` is the noise floor, a relative difference."""
    compared = {row.cell: pairs.paired(list(row.ratios.values())) for row in rows if row.ratios}
    verdicts = dict(zip(compared, pairs.verdicts(list(compared.values()), floor), strict=True))
    return [replace(row, verdict=verdicts.get(row.cell)) for row in rows]


def _step_us(row: StepRow) -> Value:
    return row.step_ns.value / 1e3 if row.step_ns else None


def _ci_low_us(row: StepRow) -> Value:
    return row.step_ns.interval.low / 1e3 if row.step_ns and row.step_ns.interval else None


def _ci_high_us(row: StepRow) -> Value:
    return row.step_ns.interval.high / 1e3 if row.step_ns and row.step_ns.interval else None


def _interval_us(row: StepRow) -> Value:
    low, high = _ci_low_us(row), _ci_high_us(row)
    return None if low is None else f"{significant(low)} – {significant(high)}"


def _first_step_ms(row: StepRow) -> Value:
    return row.first_step_ns.value / 1e6 if row.first_step_ns else None


def _first_step_hint(row: StepRow) -> str:
    return first_step_hint(row.first_step_ns, row.first_calls)


def _speedup(row: StepRow) -> Value:
    if row.is_baseline and row.step_ns:
        return 1
    return row.speedup.value if row.speedup else None


def _speedup_hint(row: StepRow) -> str:
    if row.is_baseline or row.speedup is None or row.speedup.interval is None:
        return ""
    low, high = row.speedup.interval.low, row.speedup.interval.high
    blocks = f"{row.speedup.count} blocks" + (", variance moderated by the other ratios" if row.is_moderated else "")
    return f"against {row.baseline}, 95 % interval {times(low)} to {times(high)} ({blocks})"


def _speedup_span(row: StepRow) -> str:
    return "" if row.is_baseline else wide_span(row.speedup)


def _replicates(row: StepRow) -> Value:
    """Return the number of good replicates, and of invalid ones that were repeated."""
    return f"{row.replicates} (+{row.replaced} invalid)" if row.replaced else row.replicates


def _fit_overhead_ms(row: StepRow) -> Value:
    return row.fit_overhead_ns.value / 1e6 if row.fit_overhead_ns else None


def _flag_names(row: StepRow) -> Value:
    return " ".join(flag.name for flag in row.flags)


def _flag_letters(row: StepRow) -> Value:
    return " ".join(flag.letter for flag in row.flags)


STEP_COLUMNS: Final[tuple[Column[StepRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    Column(
        key="step_us",
        heading="step",
        unit="µs",
        format=significant,
        get=_step_us,
        instead=lambda row: extent_span(row.step_ns, 1e3),
        interval=lambda row: narrow_interval(row.step_ns, 1e3),
    ),
    Column(heading="95 % interval", unit="µs", where="wide", get=_interval_us),
    Column(heading="95 %", unit="±", where="terminal", format=percent, get=lambda row: narrow_half_width(row.step_ns)),
    Column(key="ci_low_us", get=_ci_low_us),
    Column(key="ci_high_us", get=_ci_high_us),
    Column(key="replicates", type="integer", get=attrgetter("replicates")),
    Column(heading="replicates", where="wide", get=_replicates),
    Column(
        key="rounds",
        type="integer",
        heading="rounds",
        unit="each",
        format=whole,
        where="wide",
        folds="always",
        get=attrgetter("rounds"),
    ),
    Column(key="steps_per_round", type="integer", get=attrgetter("steps_per_round")),
    Column(
        key="first_step_ms",
        heading="first step",
        unit="ms",
        format=significant,
        get=_first_step_ms,
        instead=lambda row: extent_span(row.first_step_ns, 1e6),
        interval=lambda row: narrow_interval(row.first_step_ns, 1e6),
        hint=_first_step_hint,
    ),
    Column(
        key="speedup_vs_eager",
        heading="speed-up",
        unit="vs base",
        format=times,
        get=_speedup,
        instead=_speedup_span,
        interval=lambda row: None if row.is_baseline else narrow_interval(row.speedup),
        hint=_speedup_hint,
    ),
    Column(heading="verdict", unit="vs base", where="wide", get=attrgetter("verdict")),
    Column(heading="is", where="narrow", format=shortened, get=attrgetter("verdict")),
    Column(
        key="break_even_steps",
        type="integer",
        words=BREAK_EVEN_WORDS,
        heading="break-even",
        unit="steps",
        where="wide",
        format=rounded,
        get=lambda row: break_even_steps(row.break_even),
        instead=lambda row: break_even_span(row.break_even),
        hint=lambda row: break_even_hint(row.break_even),
    ),
    Column(  # two words, so that a terminal can break the line
        heading="break even",
        unit="steps",
        where="narrow",
        format=rounded,
        get=lambda row: break_even_steps(row.break_even),
        interval=lambda row: break_even_interval(row.break_even),
        instead=lambda row: break_even_span(row.break_even),
    ),
    Column(key="flags", type="strings", get=_flag_names),
    Column(
        heading="flags",
        kind="flags",
        get=_flag_letters,
        hint=lambda row: "; ".join(flag.sentence for flag in row.flags),
    ),
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
    Column(heading="step", unit="÷ empty launch", format=times, where="wide", get=attrgetter("launches")),
    Column(key="verdict", type="string", get=attrgetter("verdict")),
    Column(key="spread_within", get=attrgetter("spread_within")),
    Column(key="spread_between", get=attrgetter("spread_between")),
    Column(key="rounds_shape", type="string", get=attrgetter("shape")),
    Column(key="replicates_invalid", type="integer", get=attrgetter("replaced")),
    Column(key="first_calls", type="integer", get=attrgetter("first_calls")),
    Column(heading="form", where="wide", folds="always", get=attrgetter("form")),
    Column(key="form", type="string", get=attrgetter("form")),
    BATCH,
    VARIANT,
)


def table(run: Run, rows: tuple[StepRow, ...], verdicts: tuple[str, ...]) -> Table[StepRow]:
    """Return the table of steps; `verdicts`: the sentences on what a verdict requires."""
    only_infers = bool(rows) and all(row.is_inference for row in rows)
    step = "forward pass" if only_infers else "training step"
    return Table(
        name="steps",
        title="Steps",
        about=f"Time of one {step}, and of the first: all calls that trace and compile, until it is steady.",
        columns=STEP_COLUMNS,
        rows=rows,
        is_hole=lambda row: row.step_ns is None,
        flags=legend(flag for row in rows for flag in row.flags),
        remarks=(
            *inference_remark(rows, "their step is one forward pass" + ("" if only_infers else NOT_TRAINING)),
            *forms(rows),
            *repeated_replicates(run),
            *without_interval(rows),
            *several_calls((row.cell, row.first_calls) for row in rows),
            *verdicts,
        ),
    )
