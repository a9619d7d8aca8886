"""The chart of variants: the step of each variant ÷ that of the reference, the smallest first.

A hollow dot is a ratio that the blocks do not tell from 1, which is the vertical line.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.report.charts.cells import Group
from harness.report.charts.chart import Chart, Spec
from harness.report.charts.colours import QUIET
from harness.report.charts.draw import draw
from harness.report.charts.look import HUE
from harness.report.charts.table import ROW, Layer, Plan, Value, across, dots, guide, table
from harness.report.charts.works import not_drawn
from harness.report.overview import work_of
from harness.report.tables.variant_row import VariantRow
from harness.report.tables.variants import varying, where

MOST_ROWS: Final = 40
MARGIN: Final = 1.02  # of the axis beyond the farthest end of an interval
STEPS: Final = (1, 2, 5)  # between ticks, times a power of ten
FAR: Final = 4  # times: ends of the axis farther apart have ticks at powers of ten
DECIMALS: Final = 3  # of ticks nearer to each other than a hundredth
VALUES: Final = (
    Value(
        heading="'÷ reference'",
        text="isValid(datum.times) ? format(datum.times, '.3f') : ''",
        width=92,
        narrow_width=66,
    ),
    Value(
        heading="'95 %'",
        text="isValid(datum.low) ? format(datum.low, '.3f') + ' – ' + format(datum.high, '.3f') : ''",
        width=118,
        narrow_width=100,
    ),
)


def variants(rows: Sequence[VariantRow], hues: Mapping[str, int], caveat: str) -> Chart | None:
    """Draw the ratio of each variant in each mode on each work; None where there is none.

    Of many the ones farthest from 1 are drawn.
    """
    known = [row for row in rows if row.ratio is not None and row.status == "ok"]
    if not known:
        return None
    farthest = sorted(known, key=lambda row: -abs(math.log(row.ratio.value)) if row.ratio else 0.0)
    names = varying(rows)
    group = Group(
        work=work_of(known[0].cell),
        is_inference=False,
        rows=tuple(_drawn(row, names, hues) for row in farthest[:MOST_ROWS]),
    )
    label = "Step of each variant divided by that of the reference, one row for each mode and work, the smallest first"
    wide, narrow = (_spec(group, narrow=narrow, caveat=caveat) for narrow in (False, True))
    rest = not_drawn(f"{row.title} {where(row.cell, names)}" for row in farthest[MOST_ROWS:])
    return Chart(
        name="variants",
        title="Step of each variant ÷ that of the reference",
        about="With its 95 % interval; left is faster. Hollow: not told from 1, where the vertical line is and the"
        f" reference stands.{rest}",
        spec=None,
        svg=draw(wide, name="variants", label=label),
        narrow_svg=draw(narrow, name="variants-narrow", label=label),
    )


def _drawn(row: VariantRow, names: Sequence[str], hues: Mapping[str, int]) -> Mapping[str, Any]:
    assert row.ratio is not None
    interval = row.ratio.interval
    return {
        "framework": row.cell.framework_id,
        "title": row.title,
        "mode": where(row.cell, names),
        "status": row.status,
        "reason": row.reason,
        "hue": hues.get(row.cell.framework_id, 0),
        "ratio": None,  # the charts of cells have one to a reference that a reader chose
        "times": row.ratio.value,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "is_told": row.told in ("slower", "faster"),
        "one": 1.0,
    }


def _spec(group: Group, *, narrow: bool, caveat: str) -> Spec:
    low, high = _ends(group.rows)
    transforms = (
        {"calculate": f"{low}", "as": "start"},
        {"calculate": f"{high}", "as": "end"},
    )
    plan = Plan(
        sort="times",
        transforms=transforms,
        axis=_axis(low, high, narrow=narrow),
        layers=[guide(), _one(narrow=narrow), _interval(), _told(dots("times")), _untold(dots("times", hollow=True))],
        values=VALUES,
        comparison="",
        tips={},
    )
    return table(group, plan, narrow=narrow, caveat=caveat)


def _ends(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the ends of the axis, which has 1 on it."""
    known = [row[key] for row in rows for key in ("times", "low", "high") if row[key] is not None]
    return min(1.0, *known) / MARGIN, max(1.0, *known) * MARGIN


def _axis(low: float, high: float, *, narrow: bool) -> dict[str, Any]:
    """Return a logarithmic scale with ticks at round ratios, 1 among them."""
    ticks, form = (_decades if high / low > FAR else _even)(low, high, 5 if narrow else 11)
    return {
        "scale": {"type": "log", "nice": False, "domain": [low, high]},
        "axis": {"orient": "top", "title": None, "values": ticks, "labelExpr": f"format(datum.value, '{form}')"},
    }


def _even(low: float, high: float, most: int) -> tuple[list[float], str]:
    """Return at most `most` ticks at equal differences, and how they are written."""
    sizes = (step * 10.0**power for power in range(-4, 9) for step in STEPS)
    size = next(each for each in sizes if (high - low) / each <= most)
    ticks = [size * number for number in range(math.ceil(low / size), math.floor(high / size) + 1)]
    return [tick for tick in ticks if tick > 0], f".{DECIMALS if size < 10 ** (1 - DECIMALS) else 2}f"


def _decades(low: float, high: float, most: int) -> tuple[list[float], str]:
    """Return at most `most` ticks at 1, 2 and 5 times powers of ten, or at every so many powers of ten."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps, every in ((STEPS, 1), *(((1,), every) for every in range(1, len(powers) + 1))):
        found = [step * 10.0**power for power in powers if power % every == 0 for step in steps]
        ticks = [tick for tick in found if low <= tick <= high]
        if len(ticks) <= most:
            break
    return ticks, ".3~g"


def _one(*, narrow: bool) -> Layer:
    """Return the vertical line at 1, a piece of it in each row; on a narrow page the texts stand between them."""
    return {
        "mark": {"type": "tick", "orient": "vertical", "size": 12 if narrow else ROW, "thickness": 1, "color": QUIET},
        "encoding": {"x": across("one")},
    }


def _interval() -> Layer:
    return {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 5, "strokeCap": "round", "strokeOpacity": 0.4},
        "encoding": {"x": across("low"), "x2": {"field": "high"}, "color": HUE},
    }


def _told(layer: Layer) -> Layer:
    return {"transform": [{"filter": "datum.is_told"}], **layer}


def _untold(layer: Layer) -> Layer:
    return {"transform": [{"filter": "!datum.is_told"}], **layer}
