"""What the self-test finds: a figure, its target, and whether this host meets it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the self-test's table; the numbers are those of the protocol's list, after them its gate."""

    number: int
    name: str
    target: str
    found: str
    met: bool | None  # None: it cannot be judged on this host, `found` says why
    how: str  # what was measured, how often


def markdown(figures: Sequence[Figure]) -> str:
    """Return the table in Markdown."""
    lines = ["| # | figure | target | found | met | measured |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.number} | {one.name} | {one.target} | {one.found} | {answer(one)} | {one.how} |" for one in figures
    ]
    return "\n".join(lines) + "\n"


def answer(figure: Figure) -> str:
    """Return yes, no, or a dash where nobody can say."""
    return {True: "yes", False: "no", None: "—"}[figure.met]
