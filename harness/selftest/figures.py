"""A figure of the self-test, its target, and whether this host meets it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the self-test's table, numbered as in the protocol's list; the gate comes last."""

    number: int
    name: str
    target: str
    found: str
    met: bool | None  # None: it cannot be decided on this host, `found` says why
    how: str  # what was measured, how often


def markdown(figures: Sequence[Figure]) -> str:
    """Return the table in Markdown."""
    lines = ["| # | figure | target | found | met | measured |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {figure.number} | {figure.name} | {figure.target} | {figure.found} | {answer(figure)} | {figure.how} |"
        for figure in figures
    ]
    return "\n".join(lines) + "\n"


def answer(figure: Figure) -> str:
    """Return yes, no, or a dash where it cannot be decided."""
    return {True: "yes", False: "no", None: "—"}[figure.met]
