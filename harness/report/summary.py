"""What a run says, in sentences: which framework, which mode, at what cost, and how far to trust it."""

import datetime
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from harness.format import duration, listed, mebibytes, rounded, scientific, significant
from harness.report.tables.all import Tables
from harness.report.tables.memory import MemoryRow
from harness.report.tables.row import Row
from harness.report.tables.steps import StepRow
from harness.stats import pairs
from harness.stats.breakeven import NEVER, BreakEven
from harness.stats.overhead import own_share
from harness.validity.noise_floor import floor_of
from harness.validity.results import Run

FEW: Final = 4  # as many are named one by one in a sentence


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about the run."""

    name: str
    value: str


def summary(run: Run, tables: Tables) -> tuple[str, ...]:
    """Return the sentences that open the report; none of them is a verdict when the run is a first look."""
    timed = [row for row in tables.steps.rows if row.step_ns is not None and row.status == "ok"]
    works = _works([row for row in timed if not row.is_inference] or timed)
    ranked = works[0] if len(works) == 1 else []
    sentences = [
        _fastest(run, ranked) if len(works) <= 1 else _fastest_of_each(works),
        memory_words(run, tables.memory.rows),
        _by_framework(ranked),
        _first_steps(ranked),
        _paying_back(ranked),
        _limits(tables),
        _accuracy(tables),
        _inferred(tables),
        _reproduced(tables),
        _holes(tables),
        _skipped(tables),
        _first_look(run),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def about_run(run: Run) -> tuple[Fact, ...]:
    """Return what a reader has to know about the run: when, where, how."""
    facts, host = run.facts, run.facts.host
    started = datetime.datetime.fromtimestamp(facts.started_unix_ns / 1e9, datetime.UTC)
    own = own_share((*run.records, *run.replaced), facts.wall_s)
    found = [
        Fact("run", facts.id),
        Fact("started", started.strftime("%Y-%m-%d %H:%M UTC")),
        Fact("took", f"{_clock(facts.wall_s)}, {own:.1%} of it the harness's own"),
        Fact("profile", f"{facts.profile}, {_count(facts.blocks_run or facts.blocks, 'block')}, seed {facts.seed}"),
        Fact("replicates", _done(run)),
        Fact("processor", f"{host.cpu}, {host.cores} logical, {significant(host.memory_bytes / 2**30)} GiB memory"),
        Fact("accelerator", f"{host.gpu}, driver {host.driver}" if host.gpu else "none used"),
        Fact("ran on", f"{_cpus(facts.cpus)}, {_count(facts.threads, 'thread')} each"),
        Fact("system", host.os),
        Fact("launcher", facts.launcher),
        Fact("Python", f"{host.python} (harness); {_pythons(run)} (replicates)"),
        Fact("samestep", _code(facts.commit, dirty=facts.dirty)),
    ]
    return tuple(found)


def versions(run: Run) -> tuple[Fact, ...]:
    """Return for each framework what it computed with, read back from inside its processes."""
    found: dict[str, dict[str, None]] = {}
    for record in run.records:
        if record.environment is not None:
            found.setdefault(record.cell.framework, {}).update(dict.fromkeys(record.environment.versions))
    order = [facts.name for facts in run.facts.frameworks]
    names = sorted(found, key=lambda name: order.index(name) if name in order else len(order))
    return tuple(Fact(run.title(name), ", ".join(one.replace("==", " ") for one in found[name])) for name in names)


def _works(rows: Sequence[StepRow]) -> list[list[StepRow]]:
    """Return the rows in groups that may be ranked: same work, same device."""
    groups: dict[tuple[str, ...], list[StepRow]] = {}
    for row in rows:
        groups.setdefault(_work(row), []).append(row)
    return list(groups.values())


def _work(row: StepRow) -> tuple[str, ...]:
    return (row.cell.workload, row.cell.size, row.cell.optimizer, row.cell.precision, row.cell.device)


def _fastest_of_each(works: Sequence[Sequence[StepRow]]) -> str:
    """Name the shortest step of each work, by what tells the works apart."""
    shortest = sorted((min(rows, key=_step) for rows in works), key=_step)
    parts = list(zip(*(_work(row) for row in shortest), strict=True))
    told = []
    for at, first in enumerate(shortest):
        work = " ".join(part[at] for part in parts if len(set(part)) > 1 or part is parts[0])
        told.append(f"{_name(first)} on {work} with {duration(_step(first))}")
    return f"The shortest steps: {listed(told)}."


def _fastest(run: Run, rows: Sequence[StepRow]) -> str:
    if not rows:
        return "No cell of this run has a time." if run.is_timed else ""
    first, *others = sorted(rows, key=_step)
    if not others:
        return f"One step of {_name(first)} takes {duration(_step(first))}."
    second = others[0]
    found = pairs.pair(first.steps_ns, second.steps_ns)
    beside = f"{_name(first)} with {duration(_step(first))}, then {_name(second)} with {duration(_step(second))}"
    if run.is_first_look:
        return f"The shortest steps of this first look: {beside}."
    if found is None or pairs.verdicts([found], floor_of(run)) != ["faster"]:
        return f"The fastest steps, which this run cannot tell apart: {beside}."
    return f"The fastest step: {beside}, {significant(1 / found.ratio.value)} times as long."


def memory_words(run: Run, rows: Sequence[MemoryRow]) -> str:
    """Return who takes most and least, of the device where it was seen, and whose memory grows; empty of a timed run.

    A timed run opens with its times, and its memory has a table.
    """
    known = [(_peak(row), row) for row in rows if row.status == "ok" and _peak(row)]
    if run.is_timed or not known:
        return ""
    (least, low), (most, high) = (pick(known, key=lambda one: one[0]) for pick in (min, max))
    what = "the allocator's" if any(row.figures.reserved_peak_bytes for _, row in known) else "the resident set's"
    span = f"{mebibytes(most)} MiB ({_mode_name(high)})"
    span = span if len(known) == 1 else f"from {mebibytes(least)} MiB ({_mode_name(low)}) to {span}"
    growing = [row for _, row in known if _grows(row)]
    told = listed([f"{_mode_name(row)} by {_slope(row)} KiB" for row in growing])
    grow = f"With every step grows {told}." if growing else "None is seen to grow from step to step."
    return f"Peak memory, {what}: {span}. {grow}"


def _peak(row: MemoryRow) -> int:
    return row.figures.reserved_peak_bytes or row.figures.host_peak_rss_bytes or 0


def _grows(row: MemoryRow) -> bool:
    return any(found is not None and found.is_seen for found in (row.figures.growth, row.figures.host_growth))


def _slope(row: MemoryRow) -> str:
    seen = [one.per_step for one in (row.figures.growth, row.figures.host_growth) if one is not None and one.is_seen]
    return significant(max(seen) / 1024)


def _mode_name(row: MemoryRow) -> str:
    return f"{row.title} {row.cell.mode}"


def _by_framework(rows: Sequence[StepRow]) -> str:
    best: dict[str, StepRow] = {}
    for row in sorted(rows, key=_step):
        best.setdefault(row.cell.framework, row)
    if len(best) < FEW or len(best) == len(rows):
        return ""
    told = [f"{_name(row)} {duration(_step(row))}" for row in best.values()]
    return f"The shortest step of each framework: {listed(told)}."


def _first_steps(rows: Sequence[StepRow]) -> str:
    if len(rows) < 2:
        return ""
    low, high = min(rows, key=_first), max(rows, key=_first)
    return (
        f"The first step, with all it traces and compiles, costs from {duration(_first(low))} ({_name(low)})"
        f" to {duration(_first(high))} ({_name(high)})."
    )


def _paying_back(rows: Sequence[StepRow]) -> str:
    paid = sorted((row for row in rows if isinstance(row.break_even, BreakEven)), key=_break_even)
    at_once = [row for row in paid if _break_even(row) <= 1]
    later = [row for row in paid if _break_even(row) > 1]
    never = [row for row in rows if row.break_even == NEVER]
    parts = [
        told
        for those, told in (
            (at_once, f"at once ({_names(at_once) if len(at_once) <= FEW else f'{len(at_once)} modes'})"),
            (later, f"after {_after(later)}"),
            (never, f"never, as far as this run can see, {_names(never)}"),
        )
        if those
    ]
    if not parts:
        return ""
    return f"Against the baseline of its framework, a mode has earned back its first step {'; '.join(parts)}."


def _break_even(row: StepRow) -> float:
    return row.break_even.steps if isinstance(row.break_even, BreakEven) else math.inf


def _after(rows: Sequence[StepRow]) -> str:
    """Return the steps after which `rows`, in that order, are ahead: each of a few, the first and last of many."""
    told = [f"{rounded(math.ceil(_break_even(row)))} steps ({_name(row)})" for row in rows]
    return listed(told) if len(rows) <= FEW else f"{told[0]} to {told[-1]}, {len(rows)} modes in all"


def _limits(tables: Tables) -> str:
    best = [(row.title, row.best) for row in tables.limits.rows if row.best is not None]
    products = [one for one in best if one[1].kind == "matmul" and one[1].precision == "float32"]
    traffic = [one for one in best if one[1].kind == "triad"]
    if not products or not traffic:
        return ""
    largest = max(one.size for _, one in traffic)
    title, product = max(products, key=lambda one: one[1].per_ns)
    copier, copy = max((one for one in traffic if one[1].size == largest), key=lambda one: one[1].per_ns)
    launches = [f"{duration(1 / one.per_ns)} ({title})" for title, one in best if one.kind == "launch"]
    return (
        f"At most this machine gave {significant(product.per_ns)} Gflop/s in float32 products ({title}) and"
        f" {significant(copy.per_ns)} GB/s from memory ({copier}); the emptiest launch took {listed(launches)}."
    )


def _accuracy(tables: Tables) -> str:
    seen = [row for row in tables.accuracy.rows if row.accuracy is not None and not row.is_inference]
    good = [row.accuracy for row in seen if row.status == "ok" and row.accuracy is not None]
    off = [one.max_loss_deviation for one in good if one.max_loss_deviation is not None]
    if not off:
        return ""
    asked = sum(row.status != "skipped" and not row.is_inference for row in tables.accuracy.rows)
    problems = {(row.cell.workload, row.cell.size) for row in seen}
    bytes_of = {(row.cell.workload, row.cell.size, row.data_sha256, row.init_sha256) for row in seen}
    same = len(bytes_of) == len(problems)
    start = "from the same data and the same initial parameters" if same else "though NOT from the same bytes"
    who = f"All {asked} cells" if len(good) == asked > 1 else f"{len(good)} of {_count(asked, 'cell')}"
    return (
        f"{who} did the same arithmetic in the mode that was asked for: {start}, every loss lies within"
        f" {scientific(max(off))} of a float64 reference."
    )


def _inferred(tables: Tables) -> str:
    rows = [row for row in tables.accuracy.rows if row.source and row.status == "ok" and row.accuracy is not None]
    if not rows:
        return ""
    worst = max(row.accuracy.max_loss_deviation or 0.0 for row in rows if row.accuracy is not None)
    return (
        f"{listed(list(dict.fromkeys(row.title for row in rows)))} only infers, so it stands apart: its output lies"
        f" within {scientific(worst)} of NumPy's."
    )


def _reproduced(tables: Tables) -> str:
    told = []
    for name, where in (
        ("one_process", "in one process"),
        ("two_processes", "in another process"),
        ("other_threads", "at another number of threads"),
    ):
        checked = [row for row in tables.reproducibility.rows if getattr(row, name).equal is not None]
        different = [row for row in checked if not getattr(row, name).equal]
        if checked:
            names = f" (not {_names(different)})" if different else ""
            told.append(f"{len(checked) - len(different)} of {len(checked)} {where}{names}")
    return f"Run again, cells are equal to the last bit: {'; '.join(told)}." if told else ""


def _holes(tables: Tables) -> str:
    holes = [f"{_name(row)} ({row.status})" for row in tables.steps.rows if row.status not in ("ok", "skipped")]
    return f"Not ranked: {listed(holes)}." if holes else ""


def _skipped(tables: Tables) -> str:
    skipped = [row for row in tables.steps.rows if row.status == "skipped"]
    return f"Skipped, for the reason given below the steps: {_names(skipped)}." if skipped else ""


def _first_look(run: Run) -> str:
    if not run.is_first_look:
        return ""
    return (
        f"This is a first look: {_count(run.facts.blocks, 'block')} cannot make narrow intervals, so nothing here is"
        " a verdict; samestep run --profile default makes six."
    )


def _name(row: Row) -> str:
    return f"{row.title} {row.cell.mode}"


def _names(rows: Sequence[Row]) -> str:
    """Name `rows`: each by itself, or many of them framework by framework."""
    if len(rows) <= FEW:
        return listed(_counted(_name(row) for row in rows))
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row.title, []).append(row.cell.mode)
    return "; ".join(f"{title} {listed(_counted(modes))}" for title, modes in groups.items())


def _counted(names: Iterable[str]) -> list[str]:
    """Return each name once: those of several cells, as of two sizes or precisions, with their number."""
    return [name if count == 1 else f"{name} ({count} cells)" for name, count in Counter(names).items()]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _step(row: StepRow) -> float:
    return row.step_ns.value if row.step_ns else float("inf")


def _first(row: StepRow) -> float:
    return row.first_step_ns.value if row.first_step_ns else float("inf")


def _done(run: Run) -> str:
    done, planned = sum(record.cell.track != "export" for record in run.records), run.facts.replicates
    if done < planned and run.facts.ended:
        return f"{done} of up to {planned}: {run.facts.ended}"
    return f"{done} of {planned}" + (": interrupted, samestep run --resume finishes it" if done < planned else "")


def _code(commit: str, *, dirty: bool) -> str:
    if not commit:
        return "not run from a git repository"
    return commit[:12] + (", with changes not committed" if dirty else "")


def _cpus(cpus: Iterable[int]) -> str:
    numbers = ", ".join(map(str, cpus))
    return f"CPU {numbers}" if numbers else "all CPUs"


def _pythons(run: Run) -> str:
    seen = sorted({record.environment.python for record in run.records if record.environment is not None})
    return ", ".join(seen) or "none"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
