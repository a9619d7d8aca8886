"""The charts of the first step: what compiling costs beside a step after it, and when it has paid back."""

from collections.abc import Sequence
from typing import Final

from harness.report.charts import expressions
from harness.report.charts.cells import Group, known
from harness.report.charts.chart import Chart, Spec
from harness.report.charts.draw import draw
from harness.report.charts.look import HUE
from harness.report.charts.steps import duration_axis
from harness.report.charts.table import Plan, Value, across, dots, guide, table

TRANSFORMS: Final = (
    {
        "joinaggregate": [
            {"op": "min", "field": "step_ns", "as": "lowest"},
            {"op": "max", "field": "first_step_ns", "as": "highest"},
            {"op": "min", "field": "first_step_ns", "as": "least_first"},
        ]
    },
    {
        "calculate": "isValid(datum.first_step_ns) ? min(datum.lowest || datum.least_first, datum.least_first) / 1.2"
        " : null",
        "as": "start",
    },
    {"calculate": "isValid(datum.first_step_ns) ? datum.highest * 1.2 : null", "as": "end"},
    {"calculate": f"isValid(datum.step_ns) ? {expressions.duration('datum.step_ns')} : ''", "as": "step"},
    {"calculate": expressions.steps("datum.break_even"), "as": "pays_back"},
)
TIPS: Final = {
    "framework": "datum.title",
    "mode": "datum.mode",
    "first step": "datum.text_0 || datum.status",
    "a step after it": "datum.step",
    "pays back after": "datum.pays_back",
}


def first_steps(groups: Sequence[Group], caveat: str) -> tuple[Chart, ...]:
    """Draw the first step of each training cell, beside a step after it; a chart for each work."""
    return tuple(
        _chart(group, f"compile-{at}" if at > 1 else "compile", caveat) for at, group in enumerate(groups, start=1)
    )


def is_drawable(group: Group) -> bool:
    """Whether `group` is training that has a first step."""
    return not group.is_inference and bool(known(group.rows, "first_step_ns"))


def _chart(group: Group, name: str, caveat: str) -> Chart:
    label = f"First step of {group.name} beside a step after it, one row for each framework and mode"
    wide, narrow = (first_step_spec(group, narrow=narrow, caveat=caveat) for narrow in (False, True))
    pays = any(row["break_even"] is not None for row in group.rows)
    back = " “Pays back” is the number of steps from which the whole training is shorter than in the baseline mode."
    return Chart(
        name=name,
        title=f"First step and a step after it, {group.name}",
        about="Filled: the first step, with all that is traced and compiled. Hollow: a step after it. Logarithmic"
        f" scale; sorted by the first step.{back if pays else ''}",
        spec=first_step_spec(group, narrow=False, caveat=caveat, live=True),
        svg=draw(wide, name=name, label=label),
        narrow_svg=draw(narrow, name=f"{name}-narrow", label=label),
        narrow_spec=first_step_spec(group, narrow=True, caveat=caveat, live=True),
    )


def first_step_spec(group: Group, *, narrow: bool, caveat: str = "", live: bool = False) -> Spec:
    """Return the specification of the chart of first steps of `group`."""
    axis = duration_axis(group, ("step_ns", "first_step_ns"), narrow=narrow)
    marks = [
        guide(),
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"x": across("step_ns"), "x2": {"field": "first_step_ns"}, "color": HUE},
        },
        dots("step_ns", hollow=True),
        dots("first_step_ns"),
    ]
    first = f"isValid(datum.first_step_ns) ? {expressions.duration('datum.first_step_ns')} : ''"
    columns = [Value(heading="'first step'", text=first, width=80, narrow_width=66)]
    if any(row["break_even"] is not None for row in group.rows):
        columns.append(Value(heading="'pays back after'", text="datum.pays_back", width=112, narrow_width=88))
    plan = Plan(
        sort="first_step_ns",
        transforms=TRANSFORMS,
        axis=axis,
        layers=marks,
        values=tuple(columns),
        comparison="",
        tips=TIPS,
    )
    return table(group, plan, narrow=narrow, caveat=caveat, live=live)
