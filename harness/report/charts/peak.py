"""The charts of peak memory: what each mode takes at one work, the least first."""

import math
from collections.abc import Sequence
from typing import Any, Final

from harness.report.charts import expressions
from harness.report.charts.cells import Group, known
from harness.report.charts.chart import Chart, Spec
from harness.report.charts.draw import draw
from harness.report.charts.look import HUE
from harness.report.charts.table import Plan, Value, across, table

TIPS: Final = {"framework": "datum.title", "mode": "datum.mode", "peak": "datum.text_0 || datum.status"}
MIB: Final = 2**20
PEAK: Final = f"isValid(datum.peak_bytes) ? {expressions.mebibytes('datum.peak_bytes')} : ''"


def peaks(groups: Sequence[Group], caveat: str) -> tuple[Chart, ...]:
    """Draw the peak memory of each cell as a bar; a chart for each work."""
    return tuple(_chart(group, f"peak-{at}" if at > 1 else "peak", caveat) for at, group in enumerate(groups, start=1))


def is_drawable(group: Group) -> bool:
    """Whether a cell of `group` has a peak."""
    return bool(known(group.rows, "peak_bytes"))


def _chart(group: Group, name: str, caveat: str) -> Chart:
    label = f"Peak memory of {group.name}, one row for each framework and mode, the least first"
    wide, narrow = (peak_spec(group, narrow=narrow, caveat=caveat) for narrow in (False, True))
    on_device = group.rows[0]["device"] != "cpu"
    what = "what the framework's allocator reserved on the device" if on_device else "resident set of the process"
    return Chart(
        name=name,
        title=f"Peak memory, {group.name}",
        about=f"The highest {what} over the replicates.",
        spec=peak_spec(group, narrow=False, caveat=caveat, live=True),
        svg=draw(wide, name=name, label=label),
        narrow_svg=draw(narrow, name=f"{name}-narrow", label=label),
        narrow_spec=peak_spec(group, narrow=True, caveat=caveat, live=True),
    )


def peak_spec(group: Group, *, narrow: bool, caveat: str = "", live: bool = False) -> Spec:
    """Return the specification of the chart of peak memory of `group`."""
    axis = memory_axis(max(known(group.rows, "peak_bytes"), default=MIB), narrow=narrow)
    bar = {
        "mark": {"type": "bar", "height": 10},
        "encoding": {"x": across("peak_bytes"), "color": HUE},
    }
    value = Value(heading="'peak'", text=PEAK, width=92, narrow_width=66)
    plan = Plan(
        sort="peak_bytes", transforms=(), axis=axis, layers=[bar], values=(value,), comparison="least", tips=TIPS
    )
    return table(group, plan, narrow=narrow, caveat=caveat, live=live)


def memory_axis(most: float, *, narrow: bool) -> dict[str, Any]:
    """Return a scale of bytes from 0 that reaches to `most`, with ticks at round numbers of MiB."""
    return {
        "scale": {"nice": False, "zero": True},
        "axis": {
            "orient": "top",
            "title": None,
            "values": round_bytes(most, 3 if narrow else 6),
            "labelExpr": f"datum.value == 0 ? '0' : {expressions.mebibytes('datum.value', expressions.FEW_DIGITS)}",
        },
    }


def round_bytes(most: float, count: int) -> list[float]:
    """Return at most about `count` numbers of bytes from 0 to `most`, a power of two MiB apart."""
    step = MIB * 2.0 ** max(0, math.ceil(math.log2(most / count / MIB)))
    return [step * number for number in range(int(most / step) + 1)]
