"""Impossible durations: not a number, negative, or zero where something was timed."""

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bench.records.record import Record
from bench.records.text import field_names
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of

TIMED: Final = (  # these took some time, or were not timed
    "timing.round_ns",
    "timing.double_round_ns",
    "timing.first_step_ns",
    "timing.settling_ns",
    "repeats.first_step_ns",
    "repeats.settling_ns",
    "limits.round_ns",
    "idiomatic.total_ns",
)
EMPTY: Final = {"repeats": (), "limits": ()}  # the other parts of a record are None where they are missing


def impossible(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the first impossible duration of each good record, with the part of the record that holds it."""
    for record in records:
        part, sentence = _fault(record) if record.status == "ok" else ("", "")
        if part:
            yield Finding(key=key_of(record), reason=sentence, part=part)


def without(record: Record, part: str) -> Record:
    """Return `record` without `part`, one of its fields, so that it cannot reach the statistics; a number becomes 0."""
    is_number = not dataclasses.is_dataclass(getattr(record, part)) and part not in EMPTY
    change: dict[str, Any] = {part: 0 if is_number else EMPTY.get(part)}
    return dataclasses.replace(record, **change)


def _fault(record: Record) -> tuple[str, str]:
    """Return the part with an impossible duration and a sentence that names it; ("", ""): there is none."""
    for name, value in _durations(record):
        plain = re.sub(r"\[\d+\]", "", name)
        if problem := _problem(value, must_be_positive=plain in TIMED):
            return plain.partition(".")[0], f"{name} is {value!r}: {problem}"
    return "", ""


def _problem(value: Any, *, must_be_positive: bool) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "not a number of nanoseconds"
    if value < 0:
        return "a duration is not negative"
    return "what was timed took some time" if must_be_positive and value == 0 else ""


def _durations(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and value of every duration in a dataclass, at any depth, such as `timing.round_ns[3]`.

    Those of whole numbers above 0 throughout are left out: nothing is wrong with them.
    """
    for field in field_names(type(value)):
        content = getattr(value, field)
        is_many, is_duration = isinstance(content, tuple), field.endswith("_ns")
        kinds = set(map(type, content)) if is_many else {type(content)}
        if not is_duration and not any(map(field_names, kinds)):
            continue
        if is_many and kinds == {int} and min(content) > 0:
            continue  # thousands of rounds, of which none can be named
        name = f"{above}{field}"
        items = ((f"{name}[{at}]", item) for at, item in enumerate(content)) if is_many else ((name, content),)
        for label, item in items:
            if field_names(type(item)):
                yield from _durations(item, f"{label}.")
            elif is_duration and (item is not None or is_many):
                yield label, item
