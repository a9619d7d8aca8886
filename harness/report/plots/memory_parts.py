"""The plot of the parts of memory: one bar per mode, up to the peak.

On a GPU the parts are context, allocated, reserved but not allocated, and what the allocator does not count. On a CPU
they are the resident set after the imports, what building the model added, and what training added at its peak.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from harness.format import mebibytes
from harness.report.plots.style import WIDTH_IN, Plot, drawing
from harness.report.plots.svg import BACKGROUND, INK, QUIET, to_svg
from harness.report.plots.works import named, not_drawn, work_of
from harness.report.tables.memory import MemoryRow
from harness.stats.memory import Figures

MIB: Final = 2**20
ALPHAS: Final = (0.3, 0.6, 1.0, 0.15)  # of the parts, from left to right

Part = tuple[str, int]  # name, bytes


def bars(rows: Sequence[MemoryRow], hues: Mapping[str, str]) -> Plot | None:
    """Draw a bar for each row of the first work whose parts are known; None when no row has them."""
    with_parts = [(row, parts) for row in rows if row.status == "ok" and (parts := parts_of(row.figures))]
    if not with_parts:
        return None
    work = work_of(with_parts[0][0].cell)
    drawn = [(row, parts) for row, parts in with_parts if work_of(row.cell) == work]
    rest = not_drawn(named(work_of(row.cell)) for row, _ in with_parts if work_of(row.cell) != work)
    with drawing():
        figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.24 * len(drawn)), layout="constrained")
        axes = figure.subplots()
        for height, (row, parts) in enumerate(drawn):
            _bar(axes, height, parts, hues.get(row.cell.framework, QUIET))
        axes.set_yticks(range(len(drawn)), [f"{row.title}  {row.cell.mode}" for row, _ in drawn])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.09)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f} MiB"))
        names = [name for name, _ in drawn[0][1]]
        patches = [Patch(color=QUIET, alpha=alpha, linewidth=0) for alpha in ALPHAS[: len(names)]]
        figure.legend(patches, names, loc="outside lower center", labelcolor=INK, ncols=len(names))
        return Plot(
            name="memory-parts",
            title=f"Parts of the peak memory, {named(work)}",
            about=f"From left to right: {', '.join(names)}. The number is their sum in MiB.{rest}",
            svg=to_svg(figure, "memory-parts", "Peak memory of every framework and mode, divided into its parts"),
        )


def parts_of(figures: Figures) -> tuple[Part, ...]:
    """Return the parts of a bar from left to right; empty when one is not known."""
    context, allocated, reserved = figures.context_bytes, figures.allocated_peak_bytes, figures.reserved_peak_bytes
    if context is not None and allocated is not None and reserved is not None:
        unexplained = max(0, figures.unexplained_bytes or 0)
        beyond = max(0, reserved - allocated)
        return (
            ("context", context),
            ("allocated", allocated),
            ("reserved, not allocated", beyond),
            ("unexplained", unexplained),
        )
    imported, built, peak = figures.import_rss_bytes, figures.build_rss_bytes, figures.training_peak_rss_bytes
    if imported is None or built is None or peak is None:
        return ()
    return (
        ("imports", imported),
        ("device and model built", max(0, built - imported)),
        ("training, at its peak", max(0, peak - max(built, imported))),
    )


def _bar(axes: Axes, height: float, parts: Sequence[Part], hue: str) -> None:
    left = 0.0
    for (_, size), alpha in zip(parts, ALPHAS, strict=False):
        axes.barh(
            height, size / MIB, left=left, height=0.62, color=hue, alpha=alpha, edgecolor=BACKGROUND, linewidth=0.6
        )
        left += size / MIB
    axes.annotate(
        mebibytes(left * MIB), (left, height), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9
    )
