"""Two runs, cell by cell: the ratio of their steps, paired by block, with its interval and a verdict.

Runs made side by side (`samestep run --launcher venv,docker`) share their plan, so replicate k of a cell met the same
machine in both. A verdict needs three things at once: six blocks, the whole interval outside ±1 %, and a place among
what Holm's procedure rejects over the printed table (Holm 1979, "A simple sequentially rejective multiple test
procedure", Scand. J. Statist. 6).
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from scipy import special

from bench.record import Cell
from harness.errors import SelectionError
from harness.progress import name
from harness.report import stats
from harness.report.facts import Run
from harness.report.rows import step_rows
from harness.report.stats import Cost, Estimate, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One cell in both runs; ratios are b / a."""

    what: str
    a_step_ns: float
    b_step_ns: float
    step: Estimate
    first_step: Estimate
    verdict: Verdict  # of b


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All cells that both runs have, and what they say together."""

    cells: tuple[Compared, ...]
    together: Estimate  # geometric mean of the cells' ratios in each block, b / a
    first_steps_together: Estimate
    launch_a_s: float  # median seconds of a replicate before its protocol began and after it had ended
    launch_b_s: float
    unlike: tuple[str, ...]  # what else differs between the two: interpreters, versions


def compare(a: Run, b: Run) -> Comparison:
    """Compare the cells that both runs have valid times of.

    Raises:
        SelectionError: there is none, or no block in common.
    """
    costs_a, costs_b = _costs(a), _costs(b)
    shared = [cell for cell in costs_a if cell in costs_b and costs_a[cell].keys() & costs_b[cell].keys()]
    if not shared:
        raise SelectionError(f"{a.facts.id} and {b.facts.id} have no cell with a valid time in the same block.")
    steps = {cell: _ratios(costs_a[cell], costs_b[cell], first=False) for cell in shared}
    firsts = {cell: _ratios(costs_a[cell], costs_b[cell], first=True) for cell in shared}
    estimates = [stats.estimate(list(steps[cell].values())) for cell in shared]
    rejected = holm([p_value(list(steps[cell].values())) for cell in shared])
    return Comparison(
        cells=tuple(
            Compared(
                what=name(cell),
                a_step_ns=_step(costs_a[cell]),
                b_step_ns=_step(costs_b[cell]),
                step=estimate,
                first_step=stats.estimate(list(firsts[cell].values())),
                verdict=_verdict(estimate, told_apart),
            )
            for cell, estimate, told_apart in zip(shared, estimates, rejected, strict=True)
        ),
        together=_together(steps.values()),
        first_steps_together=_together(firsts.values()),
        launch_a_s=_launch_s(a),
        launch_b_s=_launch_s(b),
        unlike=_unlike(a, b),
    )


def p_value(ratios: Sequence[float]) -> float:
    """Return the two-sided p of the paired t test that the mean logarithm of `ratios` is 0; 1 with fewer than two."""
    logs = [math.log(ratio) for ratio in ratios]
    if len(logs) < 2:
        return 1.0
    spread = statistics.stdev(logs)
    if spread == 0:
        return 0.0 if logs[0] else 1.0
    t = statistics.fmean(logs) / (spread / math.sqrt(len(logs)))
    return float(2 * special.stdtr(len(logs) - 1, -abs(t)))


def holm(p_values: Sequence[float], alpha: float = stats.ALPHA) -> list[bool]:
    """Return which hypotheses Holm's procedure rejects at the family-wise level `alpha`."""
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


def show(a: Run, b: Run, found: Comparison, console: Console) -> None:
    """Print the comparison."""
    label_a, label_b = _labels(a, b)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("cell", no_wrap=True)
    for heading in (f"{label_a} µs", f"{label_b} µs", "step ratio, 95 %", "first step ratio, 95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(f"{label_b} is")
    for cell in found.cells:
        steps = (f"{cell.a_step_ns / 1e3:.4g}", f"{cell.b_step_ns / 1e3:.4g}")
        table.add_row(cell.what, *steps, _shown(cell.step), _shown(cell.first_step), cell.verdict)
    table.add_row("all together", "", "", _shown(found.together), _shown(found.first_steps_together), "")
    console.print(table)
    blocks = found.together.count
    print(
        f"Ratios are {label_b} / {label_a}, paired over {blocks} blocks. Outside the protocol a replicate takes"
        f" {found.launch_a_s:.2f} s ({label_a}) and {found.launch_b_s:.2f} s ({label_b})."
    )
    for sentence in found.unlike:
        print(f"Not the same software, so part of the ratio is its: {sentence}.")
    if blocks < stats.FEW_BLOCKS:
        print(f"Fewer than {stats.FEW_BLOCKS} blocks: a first look, no verdicts.")


def _unlike(a: Run, b: Run) -> tuple[str, ...]:
    """Return one sentence for each framework whose interpreter or packages are not the same in both runs."""
    label_a, label_b = _labels(a, b)
    found_a, found_b = _software(a), _software(b)
    sentences: dict[str, list[str]] = {}
    for framework in sorted(found_a.keys() & found_b.keys()):
        for one, other in zip(found_a[framework], found_b[framework], strict=True):
            if one != other:
                sentences.setdefault(f"{one} ({label_a}), {other} ({label_b})", []).append(framework)
    return tuple(f"{', '.join(frameworks)}: {what}" for what, frameworks in sentences.items())


def _software(run: Run) -> dict[str, tuple[str, str]]:
    return {
        record.cell.framework: (f"Python {record.environment.python}", " ".join(record.environment.versions))
        for record in run.records
        if record.environment and record.timing
    }


def _labels(a: Run, b: Run) -> tuple[str, str]:
    return (a.facts.launcher, b.facts.launcher) if a.facts.launcher != b.facts.launcher else ("A", "B")


def _shown(estimate: Estimate) -> str:
    interval = estimate.interval
    return f"{estimate.value:.3f}" + (f" ({interval.low:.3f} to {interval.high:.3f})" if interval else "")


def _costs(run: Run) -> dict[Cell, Mapping[int, Cost]]:
    return {row.cell: row.costs for row in step_rows(run) if row.step_ns is not None}


def _ratios(a: Mapping[int, Cost], b: Mapping[int, Cost], *, first: bool) -> dict[int, float]:
    blocks = sorted(a.keys() & b.keys())
    if first:
        return {block: b[block].first_ns / a[block].first_ns for block in blocks}
    return {block: b[block].step_ns / a[block].step_ns for block in blocks}


def _step(costs: Mapping[int, Cost]) -> float:
    return stats.estimate([cost.step_ns for cost in costs.values()]).value


def _together(ratios: Iterable[Mapping[int, float]]) -> Estimate:
    """Return the estimate over the blocks that all cells have of the geometric mean over cells."""
    cells = list(ratios)
    blocks = set.intersection(*(set(cell) for cell in cells)) or set(cells[0])
    return stats.estimate(
        [stats.estimate([cell[block] for cell in cells if block in cell]).value for block in sorted(blocks)]
    )


def _verdict(step: Estimate, told_apart: bool) -> Verdict:
    said = stats.verdict(step)
    if step.count < stats.FEW_BLOCKS or (said in ("faster", "slower") and not told_apart):
        return "undetermined"
    return said


def _launch_s(run: Run) -> float:
    outside = [
        record.wall_ns - record.phases.total_ns() + record.phases.startup_ns
        for record in run.records
        if record.phases and record.timing
    ]
    return statistics.median(outside) / 1e9
