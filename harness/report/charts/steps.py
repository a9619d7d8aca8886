"""The charts of steps: which mode is fastest at one work; the frameworks' modes side by side, the fastest first."""

from collections.abc import Sequence
from typing import Any, Final

from harness.report.charts import expressions
from harness.report.charts.cells import Group, known
from harness.report.charts.chart import Chart, Spec
from harness.report.charts.draw import draw
from harness.report.charts.look import HUE, thinned, ticks
from harness.report.charts.table import Layer, Plan, Value, across, dots, guide, table

ROOM: Final = "max(1.05, pow(datum.highest / datum.lowest, 0.03), sqrt(2 * datum.lowest / datum.highest))"
TRANSFORMS: Final = (  # the ends of the interval, and those of the axis: a factor of two apart or more
    {"calculate": "isValid(datum.low_ns) ? datum.low_ns : datum.step_ns", "as": "low"},
    {"calculate": "isValid(datum.high_ns) ? datum.high_ns : datum.step_ns", "as": "high"},
    {
        "joinaggregate": [
            {"op": "min", "field": "low", "as": "lowest"},
            {"op": "max", "field": "high", "as": "highest"},
        ]
    },
    {"calculate": ROOM, "as": "room"},
    {"calculate": "isValid(datum.step_ns) ? datum.lowest / datum.room : null", "as": "start"},
    {"calculate": "isValid(datum.step_ns) ? datum.highest * datum.room : null", "as": "end"},
)
LOW, HIGH = (expressions.duration(f"datum.{end}_ns") for end in ("low", "high"))
TIPS: Final = {
    "framework": "datum.title",
    "mode": "datum.mode",
    "step": "datum.text_0 || datum.status",
    "95 % interval": f"isValid(datum.low_ns) ? {LOW} + ' to ' + {HIGH} : 'none'",
}


def steps(groups: Sequence[Group], caveat: str) -> tuple[Chart, ...]:
    """Draw the time per step of each cell: a dot, its interval, its value; a chart for each work that has a time."""
    timed = [group for group in groups if known(group.rows, "step_ns")]
    return tuple(_chart(group, f"steps-{at}" if at > 1 else "steps", caveat) for at, group in enumerate(timed, start=1))


def _chart(group: Group, name: str, caveat: str) -> Chart:
    has_interval = bool(known(group.rows, "low_ns"))
    interval = ", with its 95 % interval" if has_interval else ""
    kind = "Hollow: inference, one forward pass, not a training step. " if group.is_inference else ""
    label = f"Time per step of {group.name}, one row for each framework and mode, the fastest first"
    wide, narrow = (step_spec(group, narrow=narrow, caveat=caveat) for narrow in (False, True))
    return Chart(
        name=name,
        title=f"Time per {'forward pass' if group.is_inference else 'step'}, {group.name}",
        about=f"{kind}Geometric mean of the medians of the replicates{interval}. Logarithmic scale; left is faster.",
        spec=step_spec(group, narrow=False, caveat=caveat, live=True),
        svg=draw(wide, name=name, label=label),
        narrow_svg=draw(narrow, name=f"{name}-narrow", label=label),
        narrow_spec=step_spec(group, narrow=True, caveat=caveat, live=True),
    )


def step_spec(group: Group, *, narrow: bool, caveat: str = "", live: bool = False) -> Spec:
    """Return the specification of the chart of steps of `group`."""
    axis = duration_axis(group, ("step_ns", "low_ns", "high_ns"), narrow=narrow)
    marks = [
        guide(),
        _interval(),
        dots("step_ns", hollow=group.is_inference),
    ]
    value = Value(
        heading="'step'",
        text=f"isValid(datum.step_ns) ? {expressions.duration('datum.step_ns')} : ''",
        width=80,
        narrow_width=66,
    )
    plan = Plan(
        sort="step_ns", transforms=TRANSFORMS, axis=axis, layers=marks, values=(value,), comparison="fastest", tips=TIPS
    )
    return table(group, plan, narrow=narrow, caveat=caveat, live=live)


def duration_axis(group: Group, keys: Sequence[str], *, narrow: bool) -> dict[str, Any]:
    """Return a logarithmic scale of durations in ns, with its ticks above the plot."""
    values = thinned(ticks(value for key in keys for value in known(group.rows, key)), 5 if narrow else 12)
    return {
        "scale": {"type": "log", "nice": False},
        "axis": {
            "orient": "top",
            "title": None,
            "values": values,
            "labelExpr": expressions.duration("datum.value", expressions.FEW_DIGITS),
        },
    }


def _interval() -> Layer:
    return {
        "transform": [{"filter": "isValid(datum.low_ns)"}],
        "mark": {"type": "rule", "strokeWidth": 5, "strokeCap": "round", "strokeOpacity": 0.4},
        "encoding": {"x": across("low"), "x2": {"field": "high"}, "color": HUE},
    }
