"""Inference of trained models at a stated batch: a row for each path, from the framework that exported to the engine.

A framework's own forward pass is a path, too, from itself to itself: what an engine is compared with. All cells of one
work have the same parameters, which are the run's, so only the paths differ.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.catalogue import DEFAULT_POLICY, EXPORT, export_mode
from bench.records.record import Accuracy, Cell, Classes, Export, Record
from bench.reference.precision import FLOAT32, PRECISIONS
from harness.format import Value, listed, rounded, scientific, significant, times, whole
from harness.report.tables.column import (
    BATCH,
    BREAK_EVEN_WORDS,
    CELL,
    VARIANT,
    Column,
    break_even_hint,
    break_even_interval,
    break_even_span,
    break_even_steps,
    extent_span,
    interval_hint,
    narrow_interval,
    wide_span,
)
from harness.report.tables.lost import KEPT, SHOWN
from harness.report.tables.path import PATH_COLUMNS, PathRow
from harness.report.tables.row import by_cell, good_timings
from harness.report.tables.steps import StepRow, shared_ratios
from harness.report.tables.table import Table, rows_in_words
from harness.stats import breakeven
from harness.stats.breakeven import Outcome
from harness.stats.estimate import Cost, Estimate
from harness.stats.tail import Tail, tail
from harness.validity.ratios import Ratios, ratios_of
from harness.validity.results import Run

S: Final = 1e9  # ns


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRow(PathRow):
    """The figures of one path."""

    export: Export | None  # what it wrote; None: as above, or it failed
    call_ns: Estimate | None  # one call, from the medians of the replicates; None: no valid time
    tail: Tail  # of all rounds of all replicates
    deviation: float | None  # the largest of the predictions from float64, relative to their root mean square
    rms_deviation: float | None  # the same in the root mean square
    classes: Classes | None  # of the replicate that deviates most
    replicates: int  # good ones
    peak_rss_bytes: int | None  # the most of the good replicates
    own: str = ""  # the exporter's fastest forward pass at the same work; empty: none has a valid time
    speedup: Estimate | None = None  # its call ÷ this one, paired by block
    break_even: Outcome | None = None  # calls until the export is paid back by them; None: nothing to compare with

    @property
    def samples_per_s(self) -> float | None:
        """Rows of the batch that are predicted in a second."""
        return self.cell.batch / self.call_ns.value * S if self.call_ns else None


def inference_rows(run: Run, steps: Iterable[StepRow]) -> tuple[InferenceRow, ...]:
    """Return a row for each cell at a stated batch: work by work, in each in the order of the table of steps.

    Args:
        run: what is reported.
        steps: the rows of its table of steps.
    """
    of_steps = sorted((row for row in steps if row.cell.batch), key=_work_order(run))
    records, exports, ratios = by_cell(run, "identical"), exports_of(run), ratios_of(run)
    return tuple(_row(run, row, records[row.cell], exports, of_steps, ratios) for row in of_steps)


def _work_order(run: Run) -> Callable[[StepRow], tuple[object, ...]]:
    """Return the sort key of rows by work, in the order of the run's workloads and their sizes; then by batch."""
    offers = {offer.name: (at, offer.sizes) for at, offer in enumerate(run.facts.workloads)}

    def key(row: StepRow) -> tuple[object, ...]:
        cell = row.cell
        at, sizes = offers.get(cell.workload, (len(offers), ()))
        size = sizes.index(cell.size) if cell.size in sizes else len(sizes)
        return at, cell.workload, size, cell.size, cell.precision, cell.device, cell.batch

    return key


def exports_of(run: Run) -> Mapping[Cell, Record]:
    """Return the last export of each cell of the export track: a resumed run has the earlier attempt's, too."""
    return {cell: records[-1] for cell, records in by_cell(run, "export").items()}


def export_cell(run: Run, cell: Cell) -> Cell | None:
    """Return the cell of the export that `cell` runs; None: it is a framework's own forward pass."""
    source = run.source(cell.framework, cell.mode)
    if not source:
        return None
    mode = export_mode(run.format(cell.framework, cell.mode))
    locked = replace(cell, framework=source, variant="")  # which trains whatever variant of the engine runs
    return replace(locked, mode=mode, precision=FLOAT32, track="export", allocator=DEFAULT_POLICY)


def _row(
    run: Run,
    step: StepRow,
    records: Sequence[Record],
    exports: Mapping[Cell, Record],
    steps: Sequence[StepRow],
    ratios: Ratios,
) -> InferenceRow:
    cell, from_ = step.cell, export_cell(run, step.cell)
    exported = exports.get(from_) if from_ else None
    good = [record for record in records if record.status == "ok"] if step.status != "invalid" else []
    worst = max((record.accuracy for record in records if record.accuracy), key=_deviation, default=None)
    peaks = [record.memory.host_peak_rss_bytes for record in good if record.memory]
    row = InferenceRow(
        cell=cell,
        title=step.title,
        status=step.status,
        reason=step.reason,
        source=step.source,
        exporter=from_.framework if from_ else "",
        format=from_.mode.removeprefix(f"{EXPORT}-") if from_ else "",
        export=exported.export if exported else None,
        call_ns=step.step_ns,
        tail=tail(good_timings(good).values()),
        deviation=worst.max_loss_deviation if worst else None,
        rms_deviation=worst.rms_deviation if worst else None,
        classes=worst.classes if worst else None,
        replicates=len(good),
        peak_rss_bytes=max((peak for peak in peaks if peak is not None), default=None),
    )
    own = _own(row, steps)
    return _compared(row, step, own, ratios) if own else row


def _deviation(accuracy: Accuracy) -> float:
    return -1.0 if accuracy.max_loss_deviation is None else accuracy.max_loss_deviation


def _own(row: InferenceRow, steps: Sequence[StepRow]) -> StepRow | None:
    """Return the exporter's own forward pass with the shortest call at the work of `row`; None: it has none.

    A quantised or pruned path is compared with float32: the framework that exported has no other.
    """
    is_changed = row.cell.precision in PRECISIONS and PRECISIONS[row.cell.precision].changes_model
    precision = FLOAT32 if is_changed else row.cell.precision
    work = replace(row.cell, framework=row.exporter, variant="", mode="", precision=precision)
    own = [
        step
        for step in steps
        if not step.source and step.status == "ok" and step.step_ns and replace(step.cell, mode="") == work
    ]
    return min(own, key=lambda step: step.step_ns.value if step.step_ns else 0.0, default=None)


def _compared(row: InferenceRow, step: StepRow, own: StepRow, ratios: Ratios) -> InferenceRow:
    """Return `row` with its speed-up over `own`, and the calls after which what its export took is saved."""
    row = replace(row, own=own.cell.mode)
    by_block = shared_ratios(ratios, step, own)
    ratio = ratios.estimate(by_block)
    if ratio is None or row.status != "ok":
        return row
    even = None
    if row.export and row.export.export_ns is not None:
        before = {block: _costs(cost.step_ns, row.export.export_ns) for block, cost in step.paired.items()}
        staying = {block: _costs(cost.step_ns, 0) for block, cost in own.paired.items()}
        even = breakeven.break_even(before, staying, by_block, ratio)
    return replace(row, speedup=ratio.inverse, break_even=even)


def _costs(call_ns: float, before_ns: float) -> Cost:
    """Return the costs of calls after something that takes `before_ns`."""
    return Cost(first_ns=before_ns + call_ns, step_ns=call_ns)


def tails_in_words(rows: Iterable[InferenceRow]) -> tuple[str, ...]:
    """Return what stands behind the tails: the fewest and the most rounds, and replicates; none where there is none."""
    tails = [row.tail for row in rows if row.tail.ns is not None]
    if not tails:
        return ()
    rounds = _from_to([each.rounds for each in tails])
    replicates = _from_to([each.replicates for each in tails])
    processes = "process" if replicates == "1" else "processes together"
    open_ = sum(each.high_ns is None for each in tails)
    bound = f" In {rows_in_words(open_)} the rounds are too few to bound it from above." if open_ else ""
    return (
        f"p99 is that of {rounds} single calls from {replicates} {processes}, none left out but those"
        f" right after a switch of processes.{bound}",
    )


def _from_to(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return whole(low) if low == high else f"{whole(low)} to {whole(high)}"


def alike(rows: Iterable[InferenceRow]) -> tuple[str, ...]:
    """Return the sentence on artifacts with equal bytes from different exporters; none where there is none."""
    names: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.export and row.export.sha256:
            names.setdefault(row.export.sha256, {})[f"{row.source} {row.cell.workload} {row.cell.size}"] = None
    same = [listed(list(of)) for of in names.values() if len(of) > 1]
    return tuple(f"The same bytes were exported twice: {each}." for each in same)


def _us(ns: float | None) -> Value:
    return None if ns is None else ns / 1e3


def _call_us(row: InferenceRow) -> Value:
    return _us(row.call_ns.value) if row.call_ns else None


def _end_us(end: str) -> Column[InferenceRow]:
    def get(row: InferenceRow) -> Value:
        return _us(getattr(row.call_ns.interval, end)) if row.call_ns and row.call_ns.interval else None

    return Column(key=f"latency_{end}_us", get=get)


def _tail_hint(row: InferenceRow) -> str:
    if row.tail.ns is None:
        return row.tail.why
    low, high = (_us(ns) for ns in (row.tail.low_ns, row.tail.high_ns))
    ends = f"95 % interval {significant(low)} to {significant(high)} µs" if high is not None else "no upper bound"
    return f"{ends}; {whole(row.tail.rounds)} calls of {row.tail.replicates} processes"


def _speedup_hint(row: InferenceRow) -> str:
    if row.speedup is None or row.speedup.interval is None:
        return ""
    low, high = row.speedup.interval.low, row.speedup.interval.high
    return f"against {row.source} {row.own}, 95 % interval {times(low)} to {times(high)} ({row.speedup.count} blocks)"


def _of_export(name: str) -> Column[InferenceRow]:
    def get(row: InferenceRow) -> Value:
        return getattr(row.export, name) if row.export else ""

    return Column(key=f"artifact_{name}", type="string", get=get)


def _kib(value: Value) -> str:
    return significant(value / 1024) if isinstance(value, int | float) else rounded(value)


TIME_COLUMNS: Final[tuple[Column[InferenceRow], ...]] = (
    Column(
        key="latency_us",
        heading="call",
        unit="µs",
        format=significant,
        get=_call_us,
        instead=lambda row: extent_span(row.call_ns, 1e3),
        interval=lambda row: narrow_interval(row.call_ns, 1e3),
        hint=lambda row: interval_hint(row.call_ns, 1e3, "µs"),
        explanation="One call with the whole batch, its input in place: the geometric mean of the replicates' medians.",
    ),
    _end_us("low"),
    _end_us("high"),
    Column(
        key="p99_us",
        heading="p99",
        unit="µs",
        format=significant,
        get=lambda row: _us(row.tail.ns),
        hint=_tail_hint,
        explanation="99 of 100 calls take no longer: from all rounds of all replicates, where a round is one call and"
        " there are 100 or more.",
    ),
    Column(key="p99_low_us", get=lambda row: _us(row.tail.low_ns)),
    Column(key="p99_high_us", get=lambda row: _us(row.tail.high_ns)),
    Column(key="p99_rounds", type="integer", get=lambda row: row.tail.rounds),
    Column(key="p99_missing", type="string", get=lambda row: row.tail.why),
    Column(
        key="samples_per_s",
        heading="throughput",
        unit="samples/s",
        format=rounded,
        get=attrgetter("samples_per_s"),
        explanation="Batch ÷ call.",
    ),
)
INFERENCE_COLUMNS: Final[tuple[Column[InferenceRow], ...]] = (
    *PATH_COLUMNS,
    *CELL,
    *TIME_COLUMNS,
    Column(
        key="deviation",
        heading="deviation",
        format=scientific,
        get=attrgetter("deviation"),
        explanation="The largest difference of a prediction from float64 NumPy's with the same parameters, relative to"
        " the root mean square of those: in all replicates, before and after timing. A cell beyond its precision's"
        " tolerance is invalid.",
    ),
    *SHOWN,
    Column(
        key="artifact_bytes",
        type="integer",
        heading="artifact",
        unit="KiB",
        format=_kib,
        get=lambda row: row.export.size_bytes or None if row.export else None,
        explanation="Size of the exported file.",
    ),
    Column(
        heading="zipped",
        unit="KiB",
        where="wide",
        format=_kib,
        get=lambda row: row.export.zipped_bytes if row.export else None,
        explanation="Size of the file compressed by zlib: what zeros save where they are sent or kept, not where they"
        " are computed with.",
    ),
    Column(
        key="export_ms",
        heading="export",
        unit="ms",
        where="wide",
        format=significant,
        get=lambda row: row.export.export_ns / 1e6 if row.export and row.export.export_ns is not None else None,
        explanation="Writing the file, once, in a fresh process: without the import of the framework, with what the"
        " exporter loads when it is first used.",
    ),
    _of_export("sha256"),
    _of_export("producer"),
    Column(key="own_mode", type="string", heading="against", where="wide", get=attrgetter("own")),
    Column(
        key="speedup_vs_own",
        heading="speed-up",
        unit="vs own",
        format=times,
        get=lambda row: row.speedup.value if row.speedup else None,
        instead=lambda row: wide_span(row.speedup),
        interval=lambda row: narrow_interval(row.speedup),
        hint=_speedup_hint,
        explanation="Call of the exporting framework's own fastest forward pass ÷ this one, paired by block.",
    ),
    Column(
        key="break_even_calls",
        type="integer",
        words=BREAK_EVEN_WORDS,
        heading="break-even",
        unit="calls",
        where="wide",
        format=rounded,
        get=lambda row: break_even_steps(row.break_even),
        instead=lambda row: break_even_span(row.break_even),
        interval=lambda row: break_even_interval(row.break_even),
        hint=lambda row: break_even_hint(row.break_even).replace("step", "call"),
        explanation="Calls after which what the export took is saved: export ÷ what a call saves against staying in the"
        " exporting framework. “never”: a call is told to be no faster. “not told”: more blocks are needed.",
    ),
    Column(
        key="peak_rss_bytes",
        type="integer",
        heading="peak",
        unit="MiB",
        where="wide",
        format=lambda value: significant(value / 2**20) if isinstance(value, int | float) else rounded(value),
        get=attrgetter("peak_rss_bytes"),
        explanation="The highest resident set of a replicate: with NumPy, the inputs and the reference's predictions.",
    ),
    Column(key="replicates", type="integer", heading="replicates", format=whole, where="wide", folds="always",
           get=attrgetter("replicates")),
    BATCH,
    *KEPT,
    Column(key="artifact_zipped_bytes", type="integer",
           get=lambda row: row.export.zipped_bytes if row.export else None),
    VARIANT,
)  # fmt: skip


def table(rows: tuple[InferenceRow, ...]) -> Table[InferenceRow]:
    """Return the table of inference."""
    return Table(
        name="inference",
        title="Inference",
        about="The same trained model on every path from an exporter to an engine, at stated batches, and in each"
        " framework's own forward pass.",
        columns=INFERENCE_COLUMNS,
        rows=rows,
        is_hole=lambda row: row.call_ns is None,
        is_optional=True,
        shows_reasons=False,
        remarks=(*tails_in_words(rows), *alike(rows)),
    )
