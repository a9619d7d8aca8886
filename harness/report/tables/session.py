"""How far a session can be trusted: the rows and columns of its A/A pair and of its sentinels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bench.catalogue import SENTINEL
from bench.records.record import Record
from harness.format import Value, listed, percent, ratio, size_words, whole
from harness.report.tables.column import Column
from harness.report.tables.limits import WORDS
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table
from harness.stats.estimate import Estimate
from harness.validity import drift as sentinel
from harness.validity import noise_floor
from harness.validity.drift import Probe
from harness.validity.noise_floor import Floor
from harness.validity.results import Run

AA: Final = "A/A"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRow(Row):
    """The A/A pair, or one probe of the sentinels."""

    floor: Floor | None = None  # None: it is a probe
    probe: Probe | None = None  # None: it is the A/A pair, or the sentinel failed
    count: int  # blocks of the A/A ratio; sentinels
    change: float | None = None  # largest relative change of the probe's time within one block, with its sign
    block: int | None = None  # the block it changed in

    @property
    def figure(self) -> str:
        """What kind of row it is."""
        return SENTINEL if self.cell.track == SENTINEL else AA

    @property
    def ratio(self) -> Estimate | None:
        """Second label over first."""
        return self.floor.pair.ratio if self.floor and self.floor.pair else None


def noise_rows(run: Run) -> tuple[NoiseRow, ...]:
    """Return the row of the A/A pair and those of the sentinel's probes; none where the run had one block."""
    return (*_twins(run), *_sentinels(run))


def verdict_sentences(run: Run) -> tuple[str, ...]:
    """Say what a verdict of this run takes, and what was left out of its comparisons."""
    partial = [str(block) for block in run.incomplete]
    if not partial:
        return (_floor_sentence(run),)
    blocks = f"Block {partial[0]} is" if len(partial) == 1 else f"Blocks {listed(partial)} are"
    return (_floor_sentence(run), f"{blocks} not complete: counted for the steps, left out of all comparisons.")


def _twins(run: Run) -> Iterable[NoiseRow]:
    floor = noise_floor.floor(run.records)
    for cell, records in by_cell(run, "twin").items():
        yield NoiseRow(**head(run, cell, records), floor=floor, count=floor.count if floor else 0)


def _sentinels(run: Run) -> Iterable[NoiseRow]:
    for cell, records in by_cell(run, "sentinel").items():
        readings = sentinel.readings(records)
        for probe in readings:
            change, block = _largest(probe, records)
            count = len(readings[probe])
            yield NoiseRow(**head(run, cell, records), probe=probe, count=count, change=change, block=block)
        if not readings:
            yield NoiseRow(**head(run, cell, records), count=0)


def _largest(probe: Probe, records: Iterable[Record]) -> tuple[float | None, int | None]:
    """Return the largest change of `probe` within a block, and which block that was."""
    changes = [
        (change, block)
        for block, drift in sentinel.drift(records).items()
        for one, change in drift.changes
        if one == probe
    ]
    return max(changes, key=lambda found: abs(found[0]), default=(None, None))


def _floor_sentence(run: Run) -> str:
    if run.is_first_look:
        return f"{run.facts.blocks} blocks are a first look: no verdicts."
    floor = noise_floor.floor(run.records)
    if floor is None or floor.pair is None:
        return "No cell was measured under two labels: verdicts take a difference of 1 %."
    interval = floor.pair.ratio.interval
    told = f", interval {ratio(interval.low)} to {ratio(interval.high)}" if interval else ""
    who = f"{run.title(floor.cell.framework)} {floor.cell.mode}"
    return (
        f"Verdicts take a difference beyond ±{percent(floor.value)}: {who} under two labels gave a ratio of"
        f" {ratio(floor.pair.ratio.value)}{told}."
    )


def _what(row: NoiseRow) -> Value:
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
    return row.ratio.half_width if row.ratio else None


def _floor(row: NoiseRow) -> Value:
    return row.floor.value if row.floor and row.floor.pair else None


NOISE_COLUMNS: Final[tuple[Column[NoiseRow], ...]] = (
    Column(key="figure", heading="figure", kind="name", get=lambda row: row.figure),
    Column(key="framework", get=lambda row: row.cell.framework),
    Column(key="mode", get=lambda row: row.cell.mode),
    Column(heading="framework", kind="name", get=lambda row: row.title),
    Column(heading="what", kind="name", get=_what),
    Column(key="kind", get=_of_probe("kind")),
    Column(key="precision", get=_of_probe("precision")),
    Column(key="size", get=_of_probe("size")),
    Column(key="status", get=lambda row: row.status),
    Column(key="reason", get=lambda row: row.reason),
    Column(key="count", heading="times", format=whole, get=lambda row: row.count),
    Column(key="ratio", heading="ratio", unit="B / A", format=ratio, get=_ratio),
    Column(heading="95 %", unit="interval", where="wide", get=_interval),
    Column(heading="95 %", unit="±", where="narrow", format=percent, get=_half_width),
    Column(key="ci_low", get=_ci_low),
    Column(key="ci_high", get=_ci_high),
    Column(key="floor", heading="floor", unit="±", format=percent, get=_floor),
    Column(key="largest_drift", heading="drift", unit="at most", format=percent, get=lambda row: row.change),
    Column(key="largest_drift_block", heading="in block", format=whole, get=lambda row: row.block),
)


def table(found: tuple[NoiseRow, ...]) -> Table[NoiseRow]:
    """Return the table of the session."""
    return Table(
        name="session",
        title="Session",
        about="How far this session can be trusted: one cell measured under two labels (A/A), which can differ by noise"
        " alone, and by how much the machine changed within a block, seen by probes before each block and after the"
        " last.",
        columns=NOISE_COLUMNS,
        rows=found,
        is_optional=True,
        is_hole=lambda row: row.ratio is None and row.probe is None,
    )
