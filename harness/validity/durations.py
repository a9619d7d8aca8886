"""Durations that cannot be: no number, negative, or zero where something was timed."""

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from bench.records.record import Record

TIMED: Final = (  # they took some time, or were not timed
    "timing.round_ns",
    "timing.double_round_ns",
    "timing.first_step_ns",
    "repeats.first_step_ns",
    "limits.round_ns",
    "idiomatic.total_ns",
)
EMPTY: Final = {"repeats": (), "limits": ()}  # the other parts of a record are None where they are missing


def fault(record: Record) -> tuple[str, str]:
    """Return the part of `record` with an impossible duration and a sentence that names it; two empty texts: none."""
    for name, value in _durations(record):
        plain = re.sub(r"\[\d+\]", "", name)
        if wrong := _wrong(value, plain in TIMED):
            return plain.partition(".")[0], f"{name} is {value!r}: {wrong}"
    return "", ""


def without(record: Record, part: str) -> Record:
    """Return `record` without `part`, one of its fields: so it cannot reach the statistics. A number becomes 0."""
    is_number = not dataclasses.is_dataclass(getattr(record, part)) and part not in EMPTY
    change: dict[str, Any] = {part: 0 if is_number else EMPTY.get(part)}
    return dataclasses.replace(record, **change)


def _wrong(value: Any, must_be_positive: bool) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "no number of nanoseconds"
    if value < 0:
        return "a duration is not negative"
    return "what was timed took some time" if must_be_positive and value == 0 else ""


def _durations(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and value of every duration in a dataclass, at any depth, such as `timing.round_ns[3]`."""
    for field in dataclasses.fields(value):
        found, name = getattr(value, field.name), f"{above}{field.name}"
        is_many = isinstance(found, tuple)
        for label, one in ((f"{name}[{at}]", each) for at, each in enumerate(found)) if is_many else ((name, found),):
            if dataclasses.is_dataclass(one):
                yield from _durations(one, f"{label}.")
            elif field.name.endswith("_ns") and (one is not None or is_many):
                yield label, one
