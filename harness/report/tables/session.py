"""Session: how far its times can be trusted, by its A/A control and its drift probes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.catalogue import CONTROL, DRIFT_PROBE
from harness.format import Value, difference, listed, percent, ratio, size_words, whole
from harness.report.tables.column import VARIANT, Column, narrow_half_width, narrow_interval, wide_span
from harness.report.tables.limits import WORDS
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table
from harness.stats.estimate import Estimate
from harness.validity import noise_floor
from harness.validity.drift import Drift, DriftProbe, drifts, readings
from harness.validity.noise_floor import NoiseFloor
from harness.validity.results import Run

AA: Final = "A/A"  # in the CSV, like DRIFT_PROBE
LABELS: Final[Mapping[str, str]] = {AA: "A/A control", DRIFT_PROBE: "drift probe"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRow(Row):
    """The A/A control, or one kind of drift probe."""

    floor: NoiseFloor | None = None  # noise floor; None: it is a drift probe
    probe: DriftProbe | None = None  # None: it is the A/A control, or the drift probe failed
    count: int  # blocks of the A/A ratio; measurements of the drift probe
    change: float | None = None  # largest relative change of the probe's time within one block, with its sign
    block: int | None = None  # the block of that change

    @property
    def figure(self) -> str:
        """The kind of row: `AA` or `DRIFT_PROBE`."""
        return DRIFT_PROBE if self.cell.track == DRIFT_PROBE else AA

    @property
    def ratio(self) -> Estimate | None:
        """Time under the second label ÷ time under the first."""
        return self.floor.pair.ratio if self.floor and self.floor.pair else None


def noise_rows(run: Run) -> tuple[NoiseRow, ...]:
    """Return the row of the A/A control and those of the drift probes; none when the run has neither."""
    return (*_control_rows(run), *_probe_rows(run))


def verdict_sentences(run: Run) -> tuple[str, ...]:
    """Return the sentences on the difference that a verdict requires, and on blocks left out of comparisons."""
    partial = [str(block) for block in run.incomplete]
    if not partial:
        return (_floor_sentence(run),)
    blocks = f"Block {partial[0]} is" if len(partial) == 1 else f"Blocks {listed(partial)} are"
    return (_floor_sentence(run), f"{blocks} not complete: used for the times, left out of all comparisons.")


def _control_rows(run: Run) -> Iterable[NoiseRow]:
    for cell, records in by_cell(run, CONTROL).items():
        floor = noise_floor.of_control(run, cell)
        yield NoiseRow(**head(run, cell, records), floor=floor, count=floor.count)


def _probe_rows(run: Run) -> Iterable[NoiseRow]:
    for cell, records in by_cell(run, DRIFT_PROBE).items():
        times = readings(records, run.facts.frameworks)
        for probe, by_block in times.items():
            change, block = _largest_change(probe, drifts(records, run.facts.frameworks))
            yield NoiseRow(**head(run, cell, records), probe=probe, count=len(by_block), change=change, block=block)
        if not times:
            yield NoiseRow(**head(run, cell, records), count=0)


def _largest_change(probe: DriftProbe, by_block: Mapping[int, Drift]) -> tuple[float | None, int | None]:
    """Return the largest relative change of `probe` within a block, with its sign, and that block."""
    changes = [
        (change, block)
        for block, changed in by_block.items()
        for changed_probe, change in changed.changes
        if changed_probe == probe
    ]
    return max(changes, key=lambda pair: abs(pair[0]), default=(None, None))


def _floor_sentence(run: Run) -> str:
    if run.is_first_look:
        blocks = "1 block is" if run.facts.blocks == 1 else f"{run.facts.blocks} blocks are"
        return f"{blocks} a first look: no verdicts."
    floor = noise_floor.floor(run)
    if floor is None or floor.pair is None:
        return "Without times of an A/A control, a verdict requires a difference of more than 1 %."
    interval = floor.pair.ratio.interval
    shown = f", interval {ratio(interval.low)} to {ratio(interval.high)}" if interval else ""
    label = f"{run.title(floor.cell.framework_id)} {floor.cell.mode}"
    return (
        f"A verdict requires a difference of more than {difference(floor.value)}, the noise floor: {label} under two"
        f" labels (A/A control) gave a ratio of {ratio(floor.pair.ratio.value)}{shown}."
    )


def _measured(row: NoiseRow) -> Value:
    if row.probe is None:
        return f"{row.cell.mode} {row.cell.workload} {row.cell.optimizer}".strip()
    size = f" {size_words(row.probe.size)}" if row.probe.kind == "triad" else ""
    size = f" {row.probe.size} × {row.probe.size}" if row.probe.kind == "matmul" else size
    return f"{WORDS[row.probe.kind]}{size}"


def _of_probe(name: str) -> Callable[[NoiseRow], Value]:
    return lambda row: getattr(row.probe, name) if row.probe else None


def _ratio(row: NoiseRow) -> Value:
    return row.ratio.value if row.ratio else None


def _ci_low(row: NoiseRow) -> Value:
    return row.ratio.interval.low if row.ratio and row.ratio.interval else None


def _ci_high(row: NoiseRow) -> Value:
    return row.ratio.interval.high if row.ratio and row.ratio.interval else None


def _interval(row: NoiseRow) -> Value:
    low, high = _ci_low(row), _ci_high(row)
    return None if low is None else f"{ratio(low)} – {ratio(high)}"


def _half_width(row: NoiseRow) -> Value:
    return narrow_half_width(row.ratio)


def _floor(row: NoiseRow) -> Value:
    return row.floor.value if row.floor and row.floor.pair else None


NOISE_COLUMNS: Final[tuple[Column[NoiseRow], ...]] = (
    Column(key="figure", type="string", get=lambda row: row.figure),
    Column(heading="figure", kind="name", get=lambda row: LABELS[row.figure]),
    Column(key="framework", type="string", get=lambda row: row.cell.framework),
    Column(key="mode", type="string", get=lambda row: row.cell.mode),
    Column(heading="framework", kind="name", get=lambda row: row.title),
    Column(heading="measured", kind="name", get=_measured),
    Column(key="kind", type="string", get=_of_probe("kind")),
    Column(key="precision", type="string", get=_of_probe("precision")),
    Column(key="size", type="integer", get=_of_probe("size")),
    Column(key="status", type="string", get=lambda row: row.status),
    Column(key="reason", type="string", get=lambda row: row.reason),
    Column(key="count", type="integer", heading="n", format=whole, get=lambda row: row.count),
    Column(
        key="ratio",
        heading="ratio",
        unit="B / A",
        format=ratio,
        get=_ratio,
        instead=lambda row: wide_span(row.ratio),
        interval=lambda row: narrow_interval(row.ratio),
    ),
    Column(heading="95 %", unit="interval", where="wide", get=_interval),
    Column(heading="95 %", unit="±", where="terminal", format=percent, get=_half_width),
    Column(key="ci_low", get=_ci_low),
    Column(key="ci_high", get=_ci_high),
    Column(key="floor", heading="noise", unit="floor", format=difference, get=_floor),
    Column(key="largest_drift", heading="drift", unit="max", format=percent, get=lambda row: row.change),
    Column(key="largest_drift_block", type="integer", heading="in block", format=whole, get=lambda row: row.block),
    VARIANT,
)


def table(rows: tuple[NoiseRow, ...]) -> Table[NoiseRow]:
    """Return the table of the session."""
    return Table(
        name="session",
        title="Session",
        about="How far the times of this session can be trusted. The A/A control is one cell measured under two"
        " labels, which differ by noise only. Drift probes run before each block and after the last one; they show by"
        " how much the machine changed within a block.",
        columns=NOISE_COLUMNS,
        rows=rows,
        is_optional=True,
        is_hole=lambda row: row.ratio is None and row.probe is None,
    )
