"""The sentences that open the page, three at most, and the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.format import duration, listed, mebibytes, significant
from harness.report.disturbance import disturbance_sentences
from harness.report.matrix import varying_fields, work_words
from harness.report.onward import next_command, next_sentence
from harness.report.overview import CellFacts, compared
from harness.report.summary import accuracy_sentence, skipped_sentence, summary
from harness.report.tables.all import Tables
from harness.report.tables.scaling import sentence as scaling_sentence
from harness.report.tables.scaling_row import ScalingRow
from harness.report.tables.variant_row import VariantRow
from harness.report.tables.variants import sentences as variants_sentences
from harness.report.words import count, labelled
from harness.validity.results import Run

MOST: Final = 3
FEW_WORKS: Final = 3  # of so many the summary names the shortest steps with their times
MOST_WORKS: Final = 6  # up to so many are named; more are counted
NAMED: Final = 5  # at most so many modes are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the page begins with."""

    top: tuple[str, ...]
    look: str  # that this is a first look; empty: it is none
    go_on: str  # how one goes on from a first look; empty: as above
    command: str  # the command for that
    rest: tuple[str, ...]


def opening(run: Run, tables: Tables, cells: Sequence[CellFacts], so_far: str) -> Opening:
    """Return the sentences of the summary in two parts.

    Without the caveat, which stands above them, and without what was skipped, which the page lists with its reasons.

    Args:
        run: what is reported.
        tables: of the run.
        cells: of its overview.
        so_far: of a run that goes on, the sentence that says how much of it there is.
    """
    elsewhere = (run.caveat, skipped_sentence(tables))
    said = [sentence for sentence in summary(run, tables) if sentence not in elsewhere]
    look = said.pop() if run.is_first_look and said else ""
    go_on = next_sentence(run.facts) if look else ""
    timed = [row for row in tables.steps.rows if row.step_ns is not None and row.status == "ok"]
    disturbed = disturbance_sentences(run, timed)
    fastest = next(iter(said[len(disturbed) :]), "") if timed else ""
    works = works_sentence(run, cells)
    others = (scaling_sentence(tables.scaling.rows), *variants_sentences(tables.variants.rows)[:1])
    first = [so_far.removeprefix(run.caveat).lstrip(), *disturbed, *others, works or fastest, accuracy_sentence(tables)]
    top = [sentence for sentence in first if sentence][: MOST - bool(look)] or said[:MOST]
    command = next_command(run.facts) if look else ""
    return Opening(
        top=tuple(top),
        look=look.removesuffix(go_on).rstrip(),
        go_on=go_on.removesuffix(command),
        command=command,
        rest=tuple(sentence for sentence in said if sentence not in top),
    )


def works_sentence(run: Run, cells: Sequence[CellFacts]) -> str:
    """Return which modes have the shortest steps of which works; empty for a few works, or inference alone."""
    groups = [group for (infers, _), group in compared(cells).items() if not infers]
    best = [cell for group in groups for cell in group if cell.is_best]
    if len(best) <= FEW_WORKS:
        return ""
    varying = varying_fields([cell.work for cell in cells])
    wins: dict[str, list[str]] = {}
    for cell in best:
        wins.setdefault(cell.name, []).append(work_words(cell.work, varying))
    order = sorted(wins, key=lambda name: -len(wins[name]))
    if len(best) <= MOST_WORKS:
        text = f"The shortest step: {listed([f'{name} on {listed(wins[name])}' for name in order])}"
    else:
        texts = [f"{name} in {len(wins[name])}" for name in order[:NAMED]]
        texts += [f"{len(order) - NAMED} other modes in the rest"] if len(order) > NAMED else []
        text = f"The shortest step in the {len(best)} columns below: {listed(texts)}"
    shared = sum(any(cell.is_tied for cell in group) for group in groups)
    also = f"; in {shared} of {len(best)} other modes may be as short" if shared else ""
    return labelled(f"{text}{also}.", run.facts.blocks)


def answers(
    cells: Sequence[CellFacts], parallel: Sequence[ScalingRow] = (), variants: Sequence[VariantRow] = ()
) -> Mapping[str, str]:
    """Return a few words for each question of the page, by its anchor: what was measured, never a verdict.

    Args:
        cells: those of the overview.
        parallel: rows of the data-parallel cells.
        variants: rows of the table of variants.
    """
    timed = [cell for cell in cells if cell.status == "ok" and cell.step_ns is not None and not cell.is_inference]
    firsts = [cell.first_step_ns for cell in timed if cell.first_step_ns is not None]
    peaks = [cell.peak_bytes for cell in cells if cell.peak_bytes is not None]
    best = [cell for cell in timed if cell.is_best]
    found = {}
    if shares := [row.efficiency.value for row in parallel if row.efficiency is not None]:
        found["scaling"] = f"efficiency from {significant(min(shares))} to {significant(max(shares))}"
    if others := [row for row in variants if row.told is not None]:
        told = sum(row.told in ("slower", "faster") for row in others)
        how = "told" if any(row.verdict for row in others) else "measured apart"
        found["variants"] = f"{told} of {count(len(others), 'step')} {how} from the reference's"
    if len(best) == 1 and best[0].step_ns is not None:
        found["overview"] = f"the shortest: {best[0].name}, {duration(best[0].step_ns)}"
    elif best:
        found["overview"] = (
            f"{count(len({cell.name for cell in best}), 'mode')} with the shortest of {len(best)} columns"
        )
    if firsts:
        found["compile"] = f"first steps from {duration(min(firsts))} to {duration(max(firsts))}"
    if peaks:
        found["memory"] = f"peaks from {mebibytes(min(peaks))} to {mebibytes(max(peaks))} MiB"
    ended = Counter([*(cell.status for cell in cells), *(row.status for row in parallel)])
    parts = [f"{number} {status}" for status, number in ended.items() if status != "ok"]
    ranked = [row for row in parallel if row.status == "ok" and row.step_ns is not None]
    warned = sum(bool(cell.flags) for cell in timed) + sum(bool(row.flags) for row in ranked)
    parts += [f"{warned} of {len(timed) + len(ranked)} with a warning"] if warned else []
    if cells:
        found["doubts"] = listed(parts) or "no cell without a result or with a warning"
    return found
