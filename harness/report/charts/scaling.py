"""The charts of scaling: the efficiency of every strategy against the work, one for strong and one for weak."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.records.record import Cell
from harness.report.charts.chart import Chart
from harness.report.charts.draw import draw
from harness.report.charts.lines import DASHES, Axis, Line, Panel, panels
from harness.report.charts.look import thinned
from harness.report.charts.works import named, not_drawn
from harness.report.overview import work_of
from harness.report.tables.scaling_row import ScalingRow
from harness.store.facts import RunFacts

MOST_PANELS: Final = 6
MARGIN: Final = 1.05
TICK: Final = 0.25
APART: Final = 0.06  # between the strategies at one size, of the distance to the next: intervals lie side by side
MEANS: Final = {
    "strong": "The ranks share the batch of one: 1 is a step over n ranks in an n-th of the time of one rank.",
    "weak": "Each rank has a batch of its own: 1 is a step over n ranks in the time of one rank.",
}

Work = tuple[str, str]  # workload and size
Kind = tuple[str, int]  # what a panel is of: a work in words, and the number of ranks


def scaling(rows: Sequence[ScalingRow], hues: Mapping[str, int], facts: RunFacts, caveat: str) -> tuple[Chart, ...]:
    """Draw a chart for strong and one for weak scaling; none without an efficiency.

    A panel is a workload over its sizes. Where each workload has one size, all are in one panel, by their operations.
    """
    known = [row for row in rows if row.status == "ok" and row.efficiency is not None]
    groups = {kind: of for kind in MEANS if (of := [row for row in known if row.cell.scaling == kind])}
    return tuple(
        _chart("scaling" if at == 1 else f"scaling-{at}", kind, of, hues, facts, caveat)
        for at, (kind, of) in enumerate(groups.items(), start=1)
    )


def _chart(
    name: str, kind: str, rows: Sequence[ScalingRow], hues: Mapping[str, int], facts: RunFacts, caveat: str
) -> Chart:
    order = _order(rows, facts)
    grows = len({workload for workload, _ in order}) < len(order)
    shown: dict[Kind, list[ScalingRow]] = {}
    for row in sorted(rows, key=lambda row: row.cell.ranks):
        shown.setdefault((_of_panel(row.cell, grows=grows), row.cell.ranks), []).append(row)
    y = _shares(rows)
    drawn = [_panel(_title(of), group, order, hues, y, grows=grows) for of, group in list(shown.items())[:MOST_PANELS]]
    rest = not_drawn(map(_title, list(shown)[MOST_PANELS:]))
    across = "the sizes of a workload" if grows else "the works"
    label = f"Efficiency of every strategy in {kind} scaling against {across}, a panel for each number of ranks"
    wide, narrow = (panels(drawn, narrow=narrow, caveat=caveat, height=230) for narrow in (False, True))
    return Chart(
        name=name,
        title=f"Efficiency, {kind} scaling",
        about=f"{MEANS[kind]} It is drawn against {across}, the fewest operations a step first; a vertical line is the"
        f" 95 % interval, the dashed one the ideal.{rest}",
        spec=None,
        svg=draw(wide, name=name, label=label),
        narrow_svg=draw(narrow, name=f"{name}-narrow", label=label),
    )


def _order(rows: Sequence[ScalingRow], facts: RunFacts) -> list[Work]:
    """Return the works of rows by the operations of a step; those that declare none come first, by name."""
    flops = {(offer.name, work.name): work.flops for offer in facts.workloads for work in offer.works}
    works = {(row.cell.workload, row.cell.size) for row in rows}
    return sorted(works, key=lambda work: (flops.get(work, 0), work))


def _of_panel(cell: Cell, *, grows: bool) -> str:
    """Return the work of a panel in words: without the size, and without the workload where all are in one panel."""
    workload, _, *rest = work_of(cell)
    return named((workload if grows else "", "base", *rest))


def _title(of: Kind) -> str:
    work, ranks = of
    return f"{work}, {ranks} ranks"


def _shares(rows: Sequence[ScalingRow]) -> Axis:
    """Return the axis of efficiencies: from 0 to 1, or to the highest one."""
    known = [row.efficiency for row in rows if row.efficiency is not None]
    high = MARGIN * max(1.0, *(of.interval.high if of.interval else of.value for of in known))
    ticks = [TICK * at for at in range(int(high / TICK) + 1)]
    return Axis(title="", low=0.0, high=high, ticks=thinned(ticks, 8), text="format(datum.value, '.2f')")


def _panel(
    title: str, rows: Sequence[ScalingRow], order: Sequence[Work], hues: Mapping[str, int], y: Axis, *, grows: bool
) -> Panel:
    has = {(row.cell.workload, row.cell.size) for row in rows}
    places = {work: float(at) for at, work in enumerate(work for work in order if work in has)}
    low, high = -0.5, len(places) - 0.5
    strategies: dict[tuple[str, str], list[ScalingRow]] = {}
    for row in rows:
        strategies.setdefault((row.cell.framework_id, row.cell.mode), []).append(row)
    drawn: list[Line] = [Line(name="", hue=0, points=[(low, 1.0), (high, 1.0)], is_quiet=True)]
    dashes: Counter[int] = Counter()  # of one hue: the strategies of a framework and of its variants
    for at, ((framework, _), of) in enumerate(strategies.items()):
        shift = APART * (at - (len(strategies) - 1) / 2)
        hue = hues.get(framework, 0)
        drawn += _lines(of, places, shift, hue=hue, dash=dashes[hue] % len(DASHES))
        dashes[hue] += 1
    return Panel(
        title=title,
        x=Axis(title="", low=low, high=high, ticks=list(places.values()), text="''"),
        y=y,
        columns={size if grows else f"{workload} {size}": at for (workload, size), at in places.items()},
        lines=drawn,
    )


def _lines(
    rows: Sequence[ScalingRow], places: Mapping[Work, float], shift: float, *, hue: int, dash: int
) -> Iterator[Line]:
    """Yield the line of one strategy, moved to the side by `shift`, and its intervals."""
    points = []
    for row in sorted(rows, key=lambda row: places[row.cell.workload, row.cell.size]):
        assert row.efficiency is not None
        x = places[row.cell.workload, row.cell.size] + shift
        points.append((x, row.efficiency.value))
        if interval := row.efficiency.interval:
            yield Line(name="", hue=hue, points=[(x, interval.low), (x, interval.high)])
    yield Line(name=rows[0].name, hue=hue, points=points, dash=dash, has_points=True)
