"""The plot of memory: what a process held over its life, a line for each framework and mode."""

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from harness.report import frame
from harness.report.drawing import STYLE, WIDTH_IN, Plot, dash_of, key
from harness.report.facts import Run
from harness.report.svg import QUIET, to_svg


def memory(run: Run, hues: Mapping[str, str]) -> Plot | None:
    """Draw the resident memory over the life of each cell's first replicate."""
    samples = frame.resident(run.samples) if run.samples is not None else pd.DataFrame()
    cells = {record.cell.id: record.cell for record in run.records if record.cell.track == "identical"}
    if samples.empty or not samples["cell"].isin(cells).any():
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, one in samples[samples["cell"].isin(cells)].groupby("cell", sort=False):
            first = one[one["block"] == one["block"].min()]
            life = first[first["attempt"] == first["attempt"].max()].sort_values("seconds")
            framework = cells[str(name)].framework
            dash = dash_of(list(hues).index(framework) if framework in hues else 0)
            axes.plot(
                life["seconds"], life["rss_bytes"] / 2**20,
                color=hues.get(framework, QUIET), linestyle=dash, linewidth=1.4, alpha=0.8,
            )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds since the process was first seen")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f} MiB"))
        key(figure, run, hues, [cell.framework for cell in cells.values()])
        return Plot(
            name="memory",
            title="Host memory over time",
            about="Resident memory of one replicate of each mode, sampled from outside.",
            svg=to_svg(figure, "memory", "Resident memory over time, one line per framework and mode"),
        )
