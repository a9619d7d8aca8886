"""The plot of losses: the loss of every cell with the reference, and its deviation from it with the tolerance."""

from collections.abc import Mapping
from typing import Any, Final

from matplotlib.figure import Figure

from harness.report.frames import losses as loss_frame
from harness.report.plots.style import WIDTH_IN, Plot, dash_of, drawing, framework_legend, powers
from harness.report.plots.svg import INK, QUIET, to_svg
from harness.report.plots.works import not_drawn
from harness.validity.results import Run

LOSS_GATE: Final = 1e-4  # bench.reference.workload.LOSS_TOLERANCE; a test checks that they are equal


def losses(run: Run, hues: Mapping[str, str]) -> Plot | None:
    """Draw the losses of all cells of one workload, and their deviations from the reference."""
    first: dict[tuple[str, str, str, str], Any] = {}
    records = [
        record
        for record in run.records
        if record.cell.track == "identical" and record.accuracy and record.accuracy.losses
    ]
    for record in records:
        cell = record.cell
        if cell.workload == records[0].cell.workload:  # losses of different workloads cannot be compared
            first.setdefault((cell.framework, cell.mode, cell.optimizer, cell.size), record)
    frame = loss_frame(first.values())
    if not (frame["loss"] > 0).any():
        return None
    with drawing():
        figure = Figure(figsize=(WIDTH_IN, 3.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.set_title("Loss of every cell, and the reference", fontweight="bold")
        right.set_title("Deviation from the reference", fontweight="bold")
        order = list(dict.fromkeys([*hues, *(framework for framework, *_ in first)]))
        thinner = 5.5 / len(order)
        for (framework, *_), curve in frame.groupby(["framework", "mode", "optimizer", "size"], sort=False):
            position = order.index(str(framework))
            hue, width = hues.get(str(framework), QUIET), 0.4 + thinner * (len(order) - position)
            left.plot(
                curve["step"], curve["loss"], color=hue, linewidth=width
            )  # later lines are thinner, so all stay visible
            right.plot(
                curve["step"], curve["deviation"].where(curve["deviation"] > 0),
                color=hue, linewidth=1.1, alpha=0.75, linestyle=dash_of(position),
            )  # fmt: skip
        for _, curve in frame.groupby(["optimizer", "size"], sort=False):
            reference = curve.drop_duplicates("step")
            left.plot(reference["step"], reference["reference"], color=INK, linewidth=1.2, linestyle=(0, (1, 3)))
        right.axhline(LOSS_GATE, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        right.annotate(
            "tolerance", (1, LOSS_GATE), xytext=(-2, 4), textcoords="offset points", color=INK, ha="right", fontsize=9,
            xycoords=right.get_yaxis_transform(),
        )  # fmt: skip
        for axes in (left, right):
            axes.set_yscale("log")
            axes.set_xlabel("step")
            powers(axes)
        framework_legend(figure, run, hues, [framework for framework, *_ in first])
        workload = records[0].cell.workload
        rest = not_drawn(record.cell.workload for record in records if record.cell.workload != workload)
        return Plot(
            name="losses",
            title=f"Losses, {workload}",
            about="Left: the loss of every cell and, dotted, the float64 reference. Right: the deviation,"
            f" |loss - reference| ÷ max(1, |reference|). A cell that exceeds the tolerance is invalid.{rest}",
            svg=to_svg(figure, "losses", "Loss of every cell over the steps, and its deviation from the reference"),
        )
