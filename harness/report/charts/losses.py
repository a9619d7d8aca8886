"""The chart of losses: the loss with the reference, and the deviation from it with the tolerance.

All cells of a work that is trained correctly have the same losses, so a framework has one line: that of its cell which
deviates the most. Where no framework's line leaves the tolerance, no cell does.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bench.records.record import Record
from harness.format import scientific
from harness.report.charts.chart import Chart
from harness.report.charts.draw import draw
from harness.report.charts.lines import Axis, Line, Panel, panels, thin
from harness.report.charts.works import named, not_drawn
from harness.report.overview import work_of
from harness.validity.results import Run

LOSS_GATE: Final = 1e-4  # bench.reference.workload.LOSS_TOLERANCE; a test checks that they are equal
LEAST: Final = 1e-9  # smaller deviations are not drawn: float32 has seven digits

DEVIATION: Final = (
    " Deviation: |loss - reference| ÷ max(1, |reference|), with the largest value beside each name; dashed: the"
    " tolerance. A cell that exceeds it is invalid."
)

Curve = list[tuple[float, float]]


def losses(run: Run, hues: Mapping[str, int], caveat: str) -> Chart | None:
    """Draw the losses of one work, and their deviations from the reference."""
    records = [
        record
        for record in run.records
        if record.cell.track == "identical"
        and not record.cell.ranks  # weak scaling has another batch, and other losses
        and record.accuracy
        and any(map(_is_drawable, record.accuracy.losses))
    ]
    if not records:
        return None
    work = work_of(records[0].cell)
    worst = _worst(record for record in records if work_of(record.cell) == work)
    left = _losses(worst, hues)
    if not left:
        return None
    right = _deviations(run, worst, hues)
    name = named(work)
    rest = not_drawn(named(work_of(record.cell)) for record in records if work_of(record.cell) != work)
    shown = [
        _panel("Loss, and the reference", left),
        *([_panel("Deviation from the reference", right)] if right else []),
    ]
    label = f"Loss of {name} over the steps, and its deviation from the reference, one line for each framework"
    wide, narrow = (panels(shown, narrow=narrow, caveat=caveat, height=230) for narrow in (False, True))
    return Chart(
        name="losses",
        title=f"Losses, {name}",
        about="For each framework the cell that deviates the most. Loss and, dashed, the float64 reference; lines that"
        f" coincide are drawn once.{DEVIATION if right else ''}{rest}",
        spec=None,
        svg=draw(wide, name="losses", label=label),
        narrow_svg=draw(narrow, name="losses-narrow", label=label),
    )


def _is_drawable(loss: float) -> bool:
    return math.isfinite(loss) and loss > 0


def deviations(record: Record) -> Curve:
    """Return (step, deviation) of each step whose deviation is seen on a logarithmic scale."""
    if record.accuracy is None:
        return []
    pairs = zip(record.accuracy.losses, record.accuracy.reference_losses, strict=False)
    curve = [
        (float(step), abs(loss - exact) / max(1.0, abs(exact))) for step, (loss, exact) in enumerate(pairs, start=1)
    ]
    return [(step, value) for step, value in curve if math.isfinite(value) and value > LEAST]


def _worst(records: Iterable[Record]) -> dict[str, Record]:
    """Return the record of each framework that deviates the most."""
    found: dict[str, tuple[float, Record]] = {}
    for record in records:
        deviation = record.accuracy.max_loss_deviation if record.accuracy else None
        size = math.inf if deviation is None or math.isnan(deviation) else deviation
        if record.cell.framework_id not in found or size > found[record.cell.framework_id][0]:
            found[record.cell.framework_id] = (size, record)
    return {framework: record for framework, (_, record) in found.items()}


def _losses(worst: Mapping[str, Record], hues: Mapping[str, int]) -> list[Line]:
    """Return the lines of the losses; of those that cannot be told from each other, the first."""
    distinct: dict[tuple[str, ...], Line] = {}
    for framework, record in worst.items():
        if record.accuracy and (points := _curve(record.accuracy.losses)):
            seen = tuple(f"{step:g} {value:.2g}" for step, value in points)
            distinct.setdefault(seen, Line(name="", hue=hues.get(framework, 0), points=thin(points)))
    lines = list(distinct.values())
    reference = next(iter(worst.values())).accuracy
    exact = thin(_curve(reference.reference_losses)) if reference else []
    return [*lines, Line(name="", hue=0, points=exact, is_quiet=True)] if lines and exact else lines


def _curve(values: Sequence[float]) -> Curve:
    return [(float(step), value) for step, value in enumerate(values, start=1) if _is_drawable(value)]


def _deviations(run: Run, worst: Mapping[str, Record], hues: Mapping[str, int]) -> list[Line]:
    lines = [
        Line(
            name=f"{run.title(framework)} {scientific(most)}",
            hue=hues.get(framework, 0),
            points=thin(curve),
            level=most,
        )
        for framework, record in worst.items()
        if (curve := deviations(record)) and (most := max(value for _, value in curve))
    ]
    last = max((line.points[-1][0] for line in lines), default=1.0)
    return [*lines, Line(name="", hue=0, points=[(1, LOSS_GATE), (last, LOSS_GATE)], is_quiet=True)] if lines else []


def _panel(title: str, lines: Sequence[Line]) -> Panel:
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    low, high = min(ys) / 1.3, max(ys) * 1.3
    decades = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    last = max(2.0, *xs)
    every = max(1, 10 ** math.floor(math.log10(last)) // 2)
    return Panel(
        title=title,
        lines=lines,
        x=Axis(
            title="step",
            low=1,
            high=last,
            ticks=[1, *(every * number for number in range(1, int(last / every) + 1))],
            text="format(datum.value, ',')",
        ),
        y=Axis(
            title="",
            low=low,
            high=high,
            ticks=[decade for decade in decades if low <= decade <= high],
            text="datum.value < 0.001 ? format(datum.value, '.0e') : format(datum.value, ',~g')",
            is_log=True,
        ),
    )
