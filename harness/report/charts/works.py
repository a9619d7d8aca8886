"""Which work a plot draws: a plot of one work says its name, and names what it leaves to the tables."""

from collections.abc import Iterable

from bench.catalogue import DEFAULT_POLICY
from bench.reference.precision import FLOAT32
from harness.format import listed
from harness.report.overview import Work

NAMED = 4  # at most this many are listed in a sentence


def named(work: Work) -> str:
    """Return a work in words: what differs from the defaults is in it."""
    workload, size, optimizer, precision, device, allocator, batch = work
    parts = (
        workload,
        "" if size == "base" else size,  # of a workload with one size
        optimizer,
        "" if precision == FLOAT32 else precision,
        "" if device == "cpu" else device,
        "" if allocator == DEFAULT_POLICY else allocator,
        f"batch {batch}" if batch else "",
    )
    return " ".join(filter(None, parts))


def not_drawn(names: Iterable[str]) -> str:
    """Return the sentence on what only the tables have, with a space before it; empty where there is nothing."""
    rest = list(dict.fromkeys(names))
    if not rest:
        return ""
    more = f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
    return f" Not drawn: {listed(rest[:NAMED])}{more}."
