"""The results of a run in sentences: the fastest modes, their costs, and how far to trust them."""

import datetime
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Cell
from harness.format import duration, listed, mebibytes, scientific, significant, wall_duration
from harness.plan.label import ranks
from harness.report.disturbance import disturbance_sentences
from harness.report.hues import hue_numbers
from harness.report.onward import next_sentence, resume_command
from harness.report.ranking import Ranking
from harness.report.tables.all import Tables
from harness.report.tables.claims import sentence as claims_sentence
from harness.report.tables.memory import MemoryRow
from harness.report.tables.scaling import sentence as scaling_sentence
from harness.report.tables.steps import StepRow
from harness.report.tables.variants import sentences as variants_sentences
from harness.report.words import count, labelled, name, names
from harness.stats.estimate import FEW_BLOCKS
from harness.stats.overhead import own_share
from harness.store.facts import RunFacts
from harness.terminal import shell
from harness.validity.results import Run
from harness.validity.variants import is_reference, references

MOST_OF_A_REASON: Final = 160  # characters; the table of steps has all of it


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about the run, a name and a value."""

    name: str
    value: str


def summary(run: Run, tables: Tables, program: str = shell.NAME) -> tuple[str, ...]:
    """Return the sentences at the start of the report: of steps only what is told apart, never a verdict.

    A session too disturbed to tell anything apart starts with that. `program`: how the reader calls samestep.
    """
    timed = [row for row in tables.steps.rows if row.step_ns is not None and row.status == "ok"]
    standing = references(run)
    ranked = [row for row in timed if is_reference(row.cell, standing)]
    groups = _work_groups([row for row in ranked if not row.is_inference] or ranked)
    ranking = Ranking(run, groups[0] if len(groups) == 1 else [])
    sentences = [
        run.caveat,
        *disturbance_sentences(run, timed),
        "" if _has_time(tables) or not run.is_timed else "No cell of this run has a time.",
        ranking.fastest_sentence() if len(groups) <= 1 else _fastest_by_work_sentence(run, groups),
        scaling_sentence(tables.scaling.rows),
        *variants_sentences(tables.variants.rows),
        _memory_sentence(run, tables.memory.rows),
        ranking.by_framework_sentence(),
        ranking.first_step_sentence(),
        ranking.break_even_sentence(),
        _limits_sentence(tables),
        accuracy_sentence(tables),
        _paths_sentence(tables),
        _inference_sentence(tables),
        _reproducibility_sentence(tables),
        "" if run.is_first_look else claims_sentence(tables.claims.rows),
        _not_ranked_sentence(tables),
        skipped_sentence(tables),
        _first_look_sentence(run, program),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def about_run(run: Run) -> tuple[Fact, ...]:
    """Return the facts about the run that a reader needs: when, where and how it ran."""
    facts, host = run.facts, run.facts.host
    started = datetime.datetime.fromtimestamp(facts.started_unix_ns / 1e9, datetime.UTC)
    overhead = own_share((*run.records, *run.replaced), facts.wall_s)
    return (
        Fact("run", facts.id),
        Fact("started", started.strftime("%Y-%m-%d %H:%M UTC")),
        Fact("took", f"{wall_duration(facts.wall_s)}, {overhead:.1%} of it is the harness's own overhead"),
        Fact("profile", f"{facts.profile}, {count(facts.blocks_run or facts.blocks, 'block')}, seed {facts.seed}"),
        Fact("replicates", _replicates(run)),
        *([Fact("selection", facts.left_out)] if facts.left_out else []),
        Fact("processor", f"{host.cpu}, {host.cores} logical, {significant(host.memory_bytes / 2**30)} GiB memory"),
        Fact("accelerator", f"{host.gpu}, driver {host.driver}" if host.gpu else "none used"),
        Fact("ran on", f"{_cpus(facts.cpus)}{_seen(run)}, {count(facts.threads, 'thread')} each"),
        *((Fact("hosts", _hosts(facts)),) if facts.hosts else ()),
        Fact("system", host.os),
        Fact("launcher", facts.launcher),
        *((Fact("variables", f"{', '.join(facts.env)} (named with --env)"),) if facts.env else ()),
        Fact("processes", _turns(run)),
        Fact("Python", f"{host.python} (harness); {_pythons(run)} (replicates)"),
        Fact("samestep", _commit(facts.commit, dirty=facts.dirty)),
    )


def _hosts(facts: RunFacts) -> str:
    """Return on how many hosts a collected run was measured, in how many tasks."""
    names = dict.fromkeys(each.host for each in facts.hosts)
    return f"{count(len(names), 'host')} ({', '.join(names)}), {count(len(facts.hosts), 'task')}"


def versions(run: Run) -> tuple[Fact, ...]:
    """Return the package versions of each framework, read in its processes."""
    versions_of: dict[str, dict[str, None]] = {}
    for record in run.records:
        if record.environment is not None:
            versions_of.setdefault(record.cell.framework_id, {}).update(dict.fromkeys(record.environment.versions))
    places = {framework: at for at, framework in enumerate(hue_numbers(run))}
    ordered = sorted(versions_of, key=lambda framework: places.get(framework, len(places)))
    return tuple(
        Fact(run.title(framework), ", ".join(version.replace("==", " ") for version in versions_of[framework]))
        for framework in ordered
    )


def _has_time(tables: Tables) -> bool:
    return any(row.step_ns is not None and row.status == "ok" for row in tables.timed)


def _work_groups(rows: Sequence[StepRow]) -> list[list[StepRow]]:
    """Return the rows in groups of the same work on the same device; only rows of one group are ranked."""
    groups: dict[tuple[str, ...], list[StepRow]] = {}
    for row in rows:
        groups.setdefault(_work(row), []).append(row)
    return list(groups.values())


def _work(row: StepRow) -> tuple[str, ...]:
    cell = row.cell
    batch = f"at batch {cell.batch}" if cell.batch else ""
    return (cell.workload, cell.size, cell.optimizer, cell.precision, cell.device, batch)


def _fastest_by_work_sentence(run: Run, groups: Sequence[Sequence[StepRow]]) -> str:
    """Name the shortest step of each work; a work is named by the fields that differ between the works."""
    groups = sorted(groups, key=lambda rows: min(map(_step, rows)))
    parts = list(zip(*(_work(rows[0]) for rows in groups), strict=True))
    texts = []
    for index, rows in enumerate(groups):
        shown = (part[index] for part in parts if len(set(part)) > 1 or part is parts[0])
        work = " ".join(filter(None, shown))
        texts.append(Ranking(run, rows).shortest(f" on {work}"))
    blocks = min(len(row.paired) for rows in groups for row in rows)
    what = "calls" if all(row.cell.batch for rows in groups for row in rows) else "steps"
    return labelled(f"The shortest {what}: {listed(texts)}.", blocks)


def _memory_sentence(run: Run, rows: Sequence[MemoryRow]) -> str:
    """Name the modes with the least and the most peak memory, and those whose memory grows; empty for a timed run.

    A timed run starts with its times; its memory is in the table.
    """
    known = [(_peak(row), row) for row in rows if row.status == "ok" and _peak(row)]
    if run.is_timed or not known:
        return ""
    (least, low), (most, high) = (pick(known, key=lambda peak: peak[0]) for pick in (min, max))
    on_device = any(row.figures.reserved_peak_bytes for _, row in known)
    source = "reserved by the allocator" if on_device else "resident set"
    span = f"{mebibytes(most)} MiB ({name(high)})"
    span = span if len(known) == 1 else f"from {mebibytes(least)} MiB ({name(low)}) to {span}"
    growing = [row for _, row in known if _grows(row)]
    slopes = listed([f"{name(row)} by {_slope(row)} KiB" for row in growing])
    growth = f"Memory grows with every step: {slopes}." if growing else "No growth from step to step was observed."
    return f"Peak memory ({source}): {span}. {growth}"


def _peak(row: MemoryRow) -> int:
    return row.figures.reserved_peak_bytes or row.figures.host_peak_rss_bytes or 0


def _grows(row: MemoryRow) -> bool:
    return any(growth is not None and growth.is_seen for growth in (row.figures.growth, row.figures.host_growth))


def _slope(row: MemoryRow) -> str:
    growths = (row.figures.growth, row.figures.host_growth)
    return significant(max(growth.per_step for growth in growths if growth is not None and growth.is_seen) / 1024)


def _limits_sentence(tables: Tables) -> str:
    best = [(row.title, row.best) for row in tables.limits.rows if row.best is not None]
    products = [(title, limit) for title, limit in best if limit.kind == "matmul" and limit.precision == "float32"]
    triads = [(title, limit) for title, limit in best if limit.kind == "triad"]
    if not products or not triads:
        return ""
    largest = max(limit.size for _, limit in triads)
    product_title, product = max(products, key=lambda pair: pair[1].per_ns)
    triad_title, triad = max((pair for pair in triads if pair[1].size == largest), key=lambda pair: pair[1].per_ns)
    launches = [f"{duration(1 / limit.per_ns)} ({title})" for title, limit in best if limit.kind == "launch"]
    empty = f"; an empty launch took {listed(launches)}" if launches else ""
    return (
        f"The highest rates on this machine: {significant(product.per_ns)} Gflop/s in float32 matrix products"
        f" ({product_title}) and {significant(triad.per_ns)} GB/s from memory ({triad_title}){empty}."
    )


def accuracy_sentence(tables: Tables) -> str:
    """Return that all cells did the same arithmetic, or how many did; empty: none was compared with the reference."""
    measured = [row for row in tables.accuracy.rows if row.accuracy is not None and not row.is_inference]
    good = [row.accuracy for row in measured if row.status == "ok" and row.accuracy is not None]
    deviations = [accuracy.max_loss_deviation for accuracy in good if accuracy.max_loss_deviation is not None]
    if not deviations:
        return ""
    total = sum(row.status != "skipped" and not row.is_inference for row in tables.accuracy.rows)
    problems = {_problem(row.cell) for row in measured}
    inputs = {(*_problem(row.cell), row.data_sha256, row.init_sha256) for row in measured}
    same = len(inputs) == len(problems)
    start = "from the same data and the same initial parameters" if same else "but NOT from the same bytes"
    cells = f"All {total} cells" if len(good) == total > 1 else f"{len(good)} of {count(total, 'cell')}"
    return (
        f"{cells} did the same arithmetic in the requested mode: {start}, every loss is within"
        f" {scientific(max(deviations))} of a float64 reference."
    )


def _problem(cell: Cell) -> tuple[str, str, int]:
    """Return what has the same inputs; weak scaling has those of so many ranks."""
    return cell.workload, cell.size, cell.enlarged


def _paths_sentence(tables: Tables) -> str:
    """Return how many cells infer the trained models, and how exactly; empty: none was meant to."""
    rows = tables.inference.rows
    good = [row for row in rows if row.status == "ok" and row.deviation is not None]
    if not good:
        return ""
    total = sum(row.status != "skipped" for row in rows)
    cells = f"All {total} cells" if len(good) == total > 1 else f"{len(good)} of {count(total, 'cell')}"
    worst: dict[str, float] = {}  # by precision: what int8 loses says nothing of float32
    for row in good:
        worst[row.cell.precision] = max(worst.get(row.cell.precision, 0.0), row.deviation or 0.0)
    within = [
        scientific(deviation) + (f" ({precision})" if len(worst) > 1 else "") for precision, deviation in worst.items()
    ]
    return (
        f"{cells} infer the same trained models: every prediction is within {listed(within)} of a float64 reference,"
        " relative to the root mean square of its predictions."
    )


def _inference_sentence(tables: Tables) -> str:
    rows = [row for row in tables.accuracy.rows if row.source and not row.cell.batch and row.status == "ok"]
    rows = [row for row in rows if row.accuracy is not None]
    if not rows:
        return ""
    worst = max(row.accuracy.max_loss_deviation or 0.0 for row in rows if row.accuracy is not None)
    titles = listed(list(dict.fromkeys(row.title for row in rows)))
    return f"Inference only, not ranked with training: {titles}; the output is within {scientific(worst)} of NumPy's."


def _reproducibility_sentence(tables: Tables) -> str:
    texts = []
    for check, where in (
        ("one_process", "in one process"),
        ("two_processes", "in another process"),
        ("other_threads", "with another number of threads"),
    ):
        checked = [row for row in tables.reproducibility.rows if getattr(row, check).equal is not None]
        different = [row for row in checked if not getattr(row, check).equal]
        if checked:
            but = f" (not {names(different)})" if different else ""
            texts.append(f"{len(checked) - len(different)} of {len(checked)} {where}{but}")
    return f"Cells that are bitwise equal when repeated: {'; '.join(texts)}." if texts else ""


def _not_ranked_sentence(tables: Tables) -> str:
    rows = [row for row in tables.timed if row.status not in ("ok", "skipped")]
    cells = listed([f"{name(row)}{ranks(row.cell)} ({row.status})" for row in rows])
    reasons = {row.reason for row in rows}
    if len(reasons) == 1 and (reason := reasons.pop()):
        return f"Not ranked: {cells}: {textwrap.shorten(reason, MOST_OF_A_REASON, placeholder=' …').rstrip('.')}."
    return f"Not ranked: {cells}." if rows else ""


def skipped_sentence(tables: Tables) -> str:
    """Return what was skipped; empty: nothing was."""
    skipped = [row for row in tables.timed if row.status == "skipped"]
    where = {row.cell.ranks > 0 for row in skipped}
    table = "their tables" if len(where) > 1 else "the table of scaling" if True in where else "the table of steps"
    return f"Skipped, with the reason below {table}: {names(skipped)}." if skipped else ""


def _first_look_sentence(run: Run, program: str) -> str:
    if not run.is_first_look:
        return ""
    blocks = count(run.facts.blocks, "block")
    why = (
        f"{blocks} cannot give narrow intervals"
        if run.facts.blocks < FEW_BLOCKS
        else f"the profile {run.facts.profile} measures each of its {blocks} briefly"
    )
    return f"This is a first look: {why}, so nothing here is a verdict. {next_sentence(run.facts, program)}"


def _step(row: StepRow) -> float:
    return row.step_ns.value if row.step_ns else float("inf")


def _replicates(run: Run) -> str:
    done, planned = sum(record.cell.track != "export" for record in run.records), run.facts.replicates
    if done < planned and run.facts.ended:
        return f"{done} of up to {planned}: {run.facts.ended}"
    rest = f": interrupted, {resume_command(run.facts)} finishes it" if done < planned else ""
    return f"{done} of {planned}{rest}"


def _commit(commit: str, *, dirty: bool) -> str:
    if not commit:
        return "not run from a git repository"
    return commit[:12] + (", with uncommitted changes" if dirty else "")


def _cpus(cpus: Iterable[int]) -> str:
    numbers = ", ".join(map(str, cpus))
    return f"CPU {numbers}" if numbers else "all CPUs"


def _seen(run: Run) -> str:
    """Return on which processors the replicates were really seen; empty: nobody looked."""
    seen = sorted({cpu for record in run.records if record.environment for cpu in record.environment.ran_on})
    return f" (seen on {_cpus(seen)})" if seen else ""


def _pythons(run: Run) -> str:
    interpreters = sorted({record.environment.python for record in run.records if record.environment is not None})
    return ", ".join(interpreters) or "none"


def _turns(run: Run) -> str:
    """Return whether the processes of a block took turns, and why not."""
    if run.facts.alternates:
        return "took turns in slices of 50 ms"
    return "ran one after the other" + (f": {why}" if (why := run.facts.not_alternating) else "")
