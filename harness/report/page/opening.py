"""The sentences that open the page, three at most, and the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.format import listed
from harness.report.disturbance import disturbance_sentences
from harness.report.overview import CellFacts, compared
from harness.report.summary import accuracy_sentence, summary
from harness.report.tables.all import Tables
from harness.report.words import count, labelled
from harness.validity.results import Run

MOST: Final = 3
FEW_WORKS: Final = 3  # so many are named with their shortest steps
NAMED: Final = 5  # at most so many modes are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the page begins with."""

    top: tuple[str, ...]
    look: str  # that this is a first look, and how to go on; empty: it is none
    rest: tuple[str, ...]


def opening(run: Run, tables: Tables, cells: Sequence[CellFacts], so_far: str) -> Opening:
    """Return the sentences of the summary in two parts, without the caveat, which stands above them.

    `so_far`: of a run that goes on, the sentence that says how much of it there is.
    """
    said = [sentence for sentence in summary(run, tables) if sentence != run.caveat]
    look = said.pop() if run.is_first_look and said else ""
    timed = [row for row in tables.steps.rows if row.step_ns is not None and row.status == "ok"]
    disturbed = disturbance_sentences(run, timed)
    fastest = said[len(disturbed)] if timed else ""
    works = works_sentence(run, cells)
    first = [so_far.removeprefix(run.caveat).lstrip(), *disturbed, works or fastest, accuracy_sentence(tables)]
    top = [sentence for sentence in first if sentence][: MOST - bool(look)] or said[:MOST]
    return Opening(top=tuple(top), look=look, rest=tuple(sentence for sentence in said if sentence not in top))


def works_sentence(run: Run, cells: Sequence[CellFacts]) -> str:
    """Return which modes have the shortest steps of how many works; empty for a few works, or inference alone."""
    groups = [group for (infers, _), group in compared(cells).items() if not infers]
    best = [cell for group in groups for cell in group if cell.is_best]
    if len(best) <= FEW_WORKS:
        return ""
    wins: dict[str, int] = {}
    for cell in best:
        wins[cell.name] = wins.get(cell.name, 0) + 1
    order = sorted(wins, key=lambda name: -wins[name])
    texts = [f"{name} on {wins[name]}" for name in order[:NAMED]]
    texts += [f"{len(order) - NAMED} more modes on the others"] if len(order) > NAMED else []
    shared = sum(any(cell.is_tied for cell in group) for group in groups)
    also = f"; on {shared} of them other modes may be as short" if shared else ""
    return labelled(f"The shortest step of {count(len(best), 'work')}: {listed(texts)}{also}.", run.facts.blocks)
