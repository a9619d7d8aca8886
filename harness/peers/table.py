"""The figures of each tool, and the tables that show them."""

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from harness import format
from harness.peers.comparison import CONDITIONS, Comparison, Facts
from harness.peers.tool import WITHIN
from harness.stats.distributions import normal_quantile

TITLES: Final = {"quiet": "Without the load", "load": "With a load on the measured core"}
HEADS: Final = ("known", "wall time", "true ±3 %", "error of +5 %", "held", "A/A different")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What some comparisons of one tool say about it."""

    count: int
    within: int  # known within ±3 % before the cap, by the tool's own interval
    wall_s: float | None  # median until then; of those that were given up, the time that they were given
    true_s: float | None  # until 95 % of its answers are within ±3 % of the truth; None: no answer
    errors: tuple[float, ...]  # measured ratio - true ratio where 5 % were planted
    held: int  # intervals that hold the truth
    answers: int  # comparisons with a ratio
    called_different: int  # of identical variants
    identical: int  # comparisons of identical variants with a ratio


def figures(comparisons: Sequence[Comparison]) -> Figures:
    """Return the figures of comparisons by one tool under one condition."""
    answers = [(each.planned, each.known) for each in comparisons if each.known]
    identical = [known for planned, known in answers if not planned.is_planted]
    return Figures(
        count=len(comparisons),
        within=sum(known.is_within for _, known in answers),
        wall_s=statistics.median(each.wall_s for each in comparisons) if comparisons else None,
        true_s=_true_s(comparisons),
        errors=tuple(known.ratio - planned.truth for planned, known in answers if planned.is_planted),
        held=sum(abs(known.ratio - planned.truth) <= known.half_width * known.ratio for planned, known in answers),
        answers=len(answers),
        called_different=sum(known.is_different for known in identical),
        identical=len(identical),
    )


def _true_s(comparisons: Sequence[Comparison]) -> float | None:
    """Return the median over the steps of `time_to_truth`."""
    by_step: dict[str, list[Comparison]] = {}
    for each in comparisons:
        by_step.setdefault(each.planned.step, []).append(each)
    times = [time for of_step in by_step.values() if (time := time_to_truth(of_step)) is not None]
    return statistics.median(times) if times else None


def time_to_truth(comparisons: Sequence[Comparison]) -> float | None:
    """Return the wall time in s after which 95 % of the answers are within ±3 % of the truth; None: no answers.

    The same yardstick for all tools, whatever they say of themselves. One answer misses the truth by σ, the root mean
    square of the logarithms of answer ÷ truth. The mean of n answers takes n times as long and misses it by σ / √n: n
    is the smallest number with 1.96 σ / √n ≤ log 1.03. (An error that all answers share, such as the start of a
    process, does not shrink so: that shows in the error of the planted difference.)
    """
    logs = [math.log(each.known.ratio / each.planned.truth) for each in comparisons if each.known]
    if not logs:
        return None
    off = math.sqrt(statistics.fmean(log**2 for log in logs))
    answers = max(1, math.ceil((normal_quantile(0.975) * off / math.log1p(WITHIN)) ** 2))
    return answers * statistics.median(each.wall_s for each in comparisons)


def markdown(facts: Facts, comparisons: Sequence[Comparison]) -> str:
    """Return the section of docs/peers.md: date and host, for each condition all steps together and each alone."""
    form = " in its short form" if facts.is_short else ""
    cpus = ",".join(map(str, facts.cpus))
    lines = [
        f"`make peers`{form} on {facts.date}, commit {facts.commit[:7]}, {facts.cores} cores of {facts.cpu},",
        f"{facts.os}, CPU set {cpus}. A comparison was given up after {format.wall_duration(facts.cap_s)}.",
    ]
    if facts.busy is not None:
        lines.append(f"Before it, other programs kept {facts.busy:.1f} of its processors busy.")
    for condition in CONDITIONS:
        of_condition = [each for each in comparisons if each.planned.condition == condition]
        if not of_condition:
            continue
        lines += ["", f"### {TITLES[condition]}", "", *_rows_of_tools(facts, of_condition)]
        lines += ["", "Step by step:", "", *_rows_of_steps(of_condition)]
    failures = {f"{each.planned.tool}, {each.planned.step}: {each.reason}" for each in comparisons if each.reason}
    lines += ["", *(f"- {failure}" for failure in sorted(failures))] if failures else []
    missing = [f"{tool}: {version}" for tool, version in facts.versions.items() if " " in version]
    lines += ["", *(f"- {sentence}" for sentence in missing)] if missing else []
    return "\n".join(lines) + "\n"


def text(facts: Facts, comparisons: Sequence[Comparison]) -> str:
    """Return the tables of all steps together, aligned for a terminal."""
    parts = []
    for condition in CONDITIONS:
        of_condition = [each for each in comparisons if each.planned.condition == condition]
        if of_condition:
            parts += ["", TITLES[condition], *_aligned(_rows_of_tools(facts, of_condition))]
    return "\n".join(parts[1:]) + "\n" if parts else ""


def _rows_of_tools(facts: Facts, comparisons: Sequence[Comparison]) -> list[str]:
    def name(tool: str) -> str:
        return f"{tool} {facts.versions.get(tool, '')}".strip()

    found = _grouped(comparisons, lambda each: name(each.planned.tool))
    return _table(("tool", *HEADS), ([tool, *_cells(figures(of_tool))] for tool, of_tool in found))


def _rows_of_steps(comparisons: Sequence[Comparison]) -> list[str]:
    rows = []
    for step, of_step in _grouped(comparisons, lambda each: each.planned.step):
        for tool, of_both in _grouped(of_step, lambda each: each.planned.tool):
            rows.append([step, tool, *_cells(figures(of_both))])
    return _table(("step", "tool", *HEADS), rows)


def _grouped(comparisons: Sequence[Comparison], key: Callable[[Comparison], str]) -> list[tuple[str, list[Comparison]]]:
    groups = itertools.groupby(sorted(comparisons, key=key), key)
    return sorted(((name, list(group)) for name, group in groups), key=lambda pair: _place(pair[0]))


def _place(name: str) -> tuple[bool, str]:
    return not name.startswith("samestep"), name.lower()


def _cells(found: Figures) -> list[str]:
    errors = found.errors
    mean = f"{100 * statistics.fmean(errors):+.1f}" if errors else format.NONE
    worst = f" (at most {100 * max(map(abs, errors)):.1f})" if len(errors) > 1 else ""
    return [
        f"{found.within} of {found.count}",
        format.NONE if found.wall_s is None else f"{found.wall_s:.0f} s",
        format.NONE if found.true_s is None else f"{found.true_s:.0f} s",
        mean + worst,
        f"{found.held} of {found.answers}",
        f"{found.called_different} of {found.identical}",
    ]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_line(heads), "|" + "---|" * len(heads), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _aligned(lines: Sequence[str]) -> list[str]:
    """Return the rows of a Markdown table as columns of a terminal."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
