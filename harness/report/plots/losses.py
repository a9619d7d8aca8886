"""The plot of losses: every cell's curve over the reference, and its distance from it beside the gate."""

from collections.abc import Mapping
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.report import frames
from harness.report.plots.style import STYLE, WIDTH_IN, Plot, dash_of, key, powers
from harness.report.plots.svg import INK, QUIET, to_svg
from harness.validity.results import Run

LOSS_GATE: Final = 1e-4  # bench.reference.workload.LOSS_TOLERANCE; a test holds the two together


def losses(run: Run, hues: Mapping[str, str]) -> Plot | None:
    """Draw every cell's losses over one another, and how far each is from the reference."""
    first: dict[tuple[str, str, str, str], Any] = {}
    seen = [one for one in run.records if one.cell.track == "identical" and one.accuracy and one.accuracy.losses]
    for record in seen:
        cell = record.cell
        if cell.workload == seen[0].cell.workload:  # curves of several problems in one picture say nothing
            first.setdefault((cell.framework, cell.mode, cell.optimizer, cell.size), record)
    told = frames.losses(first.values())
    if not (told["loss"] > 0).any():
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 3.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.set_title("Loss of every cell, over the reference", fontweight="bold")
        right.set_title("Distance from the reference", fontweight="bold")
        order = list(dict.fromkeys([*hues, *(framework for framework, *_ in first)]))
        thinner = 5.5 / len(order)
        for (framework, *_), one in told.groupby(["framework", "mode", "optimizer", "size"], sort=False):
            place = order.index(str(framework))
            hue, width = hues.get(str(framework), QUIET), 0.4 + thinner * (len(order) - place)
            left.plot(one["step"], one["loss"], color=hue, linewidth=width)  # nested, so that the lowest still shows
            right.plot(
                one["step"], one["deviation"].where(one["deviation"] > 0),
                color=hue, linewidth=1.1, alpha=0.75, linestyle=dash_of(place),
            )  # fmt: skip
        for _, one in told.groupby(["optimizer", "size"], sort=False):
            reference = one.drop_duplicates("step")
            left.plot(reference["step"], reference["reference"], color=INK, linewidth=1.2, linestyle=(0, (1, 3)))
        right.axhline(LOSS_GATE, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        right.annotate(
            "gate", (1, LOSS_GATE), xytext=(-2, 4), textcoords="offset points", color=INK, ha="right", fontsize=9,
            xycoords=right.get_yaxis_transform(),
        )  # fmt: skip
        for axes in (left, right):
            axes.set_yscale("log")
            axes.set_xlabel("step")
            powers(axes)
        key(figure, run, hues, [framework for framework, *_ in first])
        return Plot(
            name="losses",
            title="Losses",
            about="Left, all curves lie on one another and on the dotted float64 reference. Right, what the eye cannot"
            " see there: |loss - reference| ÷ max(1, |reference|); a cell that crosses the gate is invalid.",
            svg=to_svg(figure, "losses", "Loss of every cell over the steps, and its distance from the reference"),
        )
