"""The chart of streamed input: the time of one sample in training, divided into the step and the wait for data."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.report.charts import expressions
from harness.report.charts.cells import Group
from harness.report.charts.chart import Chart, Spec
from harness.report.charts.draw import draw
from harness.report.charts.look import HUE, thinned
from harness.report.charts.table import Layer, Plan, Value, across, table
from harness.report.charts.works import named, not_drawn
from harness.report.overview import work_of
from harness.report.tables.streaming import StreamingRow

MOST_CHARTS: Final = 4
OPACITIES: Final = (1.0, 0.3)  # the step, the wait

Work = tuple[str, ...]


def streaming(rows: Sequence[StreamingRow], hues: Mapping[str, int], caveat: str) -> tuple[Chart, ...]:
    """Draw a chart for each model and data set; none without a row that trained."""
    groups: dict[Work, list[StreamingRow]] = {}
    for row in rows:
        if row.status == "ok" and row.both is not None and row.stall is not None:
            groups.setdefault((*work_of(row.cell), row.cell.stream), []).append(row)
    names = list(groups)
    rest = not_drawn(_named(work) for work in names[MOST_CHARTS:])
    return tuple(
        _chart(number, work, groups[work], hues, caveat, rest if work == names[:MOST_CHARTS][-1] else "")
        for number, work in enumerate(names[:MOST_CHARTS], start=1)
    )


def _named(work: Work) -> str:
    *model, stream = work
    return f"{named(tuple(model))} from {stream}"


def _chart(
    number: int, work: Work, rows: Sequence[StreamingRow], hues: Mapping[str, int], caveat: str, rest: str
) -> Chart:
    group = Group(work=work, is_inference=False, rows=tuple(_row(row, hues) for row in rows))
    wide, narrow = (spec(group, narrow=narrow, caveat=caveat) for narrow in (False, True))
    name = "streaming" if number == 1 else f"streaming-{number}"
    label = "Time of one sample in training, of every pipeline: the step, and the wait for data"
    return Chart(
        name=name,
        title=f"Streamed input, {_named(work)}",
        about="Time of one sample in training: the step in full colour, then, pale, the wait for a batch. The name"
        " of a pipeline opens with where the data lie: in memory, in memory-mapped files, in records, in tar files"
        f" (webdataset), in Parquet.{rest}",
        spec=None,
        svg=draw(wide, name=name, label=label),
        narrow_svg=draw(narrow, name=f"{name}-narrow", label=label),
    )


def spec(group: Group, *, narrow: bool, caveat: str = "") -> Spec:
    """Return the specification of the chart."""
    most = max(row["end"] for row in group.rows)
    bars: list[Layer] = [
        {
            "mark": {"type": "rect", "height": 10, "fillOpacity": opacity},
            "encoding": {"x": across(f"part_{at}"), "x2": {"field": f"part_{at + 1}"}, "color": HUE},
        }
        for at, opacity in enumerate(OPACITIES)
    ]
    values = (
        Value(heading="'samples/s'", text="format(1e9 / datum.end, ',.3r')", width=92, narrow_width=70),
        Value(heading="'waiting'", text="format(datum.stall, '.0%')", width=70, narrow_width=56),
    )
    axis = {
        "scale": {"nice": False, "zero": True},
        "axis": {
            "orient": "top",
            "title": None,
            "values": _ticks(most, narrow=narrow),
            "labelExpr": f"datum.value == 0 ? '0' : {expressions.duration('datum.value', expressions.FEW_DIGITS)}",
        },
    }
    plan = Plan(sort="end", transforms=(), axis=axis, layers=bars, values=values, comparison="", tips={})
    return table(group, plan, narrow=narrow, caveat=caveat)


def _ticks(most: float, *, narrow: bool) -> list[float]:
    step = next(size * 10**power for power in range(12) for size in (1, 2, 5) if most <= 6 * size * 10**power)
    return thinned([step * at for at in range(int(most // step) + 1)], 3 if narrow else 6)


def _row(row: StreamingRow, hues: Mapping[str, int]) -> Mapping[str, Any]:
    """Return the row of a bar: its names, and the ends of its parts in ns."""
    assert row.both is not None
    assert row.stall is not None
    end = row.both.value
    return {
        "framework": row.cell.framework_id,
        "title": row.title,
        "mode": row.cell.mode,
        "status": row.status,
        "reason": "",
        "ratio": None,
        "hue": hues.get(row.cell.framework, 0),
        "stall": row.stall,
        "part_0": 0.0,
        "part_1": end * (1 - row.stall),
        "part_2": end,
        "end": end,
    }
