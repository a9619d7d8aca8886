"""A record to JSON and back, with the standard library alone: what bench writes, and reads of its own files.

The harness reads what others may have damaged through `harness.strict`, which also holds every value to its type.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from bench.records import text
from bench.records.record import Record
from bench.records.schema import SCHEMA, UPGRADES

T = TypeVar("T")

FINITE: Final = frozenset({int, str, bool, types.NoneType})  # whose values are no number that is not finite


class RecordError(ValueError):
    """A record that cannot be read: damaged, or written by a newer samestep."""


def to_json(value: Any) -> str:
    """Return one line of JSON for a record as `keepable` leaves it, or for any dataclass of plain fields."""
    value = keepable(value) if isinstance(value, Record) else text.safe(value)
    return json.dumps(dataclasses.asdict(value), separators=(",", ":"), allow_nan=False)


def keepable(record: Record) -> Record:
    """Return `record` as a file can hold it: its texts safe, and no number in it that is not finite, which JSON lacks.

    A part with such a number is left out. It is no result, so a record that calls itself ok is invalid.
    """
    record = text.safe(record)
    parts = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    infinite = {name: path for name, part in parts.items() if (path := infinite_number(part, name))}
    if not infinite:
        return record
    without: dict[str, Any] = {name: () if isinstance(parts[name], tuple) else None for name in infinite}
    if record.status != "ok":
        return dataclasses.replace(record, **without)
    reason = f"{next(iter(infinite.values()))} is not a finite number"
    return dataclasses.replace(record, **without, status="invalid", reason=reason)


def infinite_number(value: Any, path: str = "") -> str:
    """Return the path of the first number in `value` that is not finite, such as `accuracy.losses[3]`; empty: none."""
    if isinstance(value, float):
        return "" if math.isfinite(value) else path
    if isinstance(value, tuple):
        kinds = set(map(type, value))  # rounds and losses: there are thousands, so not one by one
        if kinds <= FINITE or (kinds == {float} and all(map(math.isfinite, value))):
            return ""
        inner: Iterable[tuple[str, Any]] = ((f"{path}[{at}]", item) for at, item in enumerate(value))
    else:
        above = f"{path}." if path else ""
        inner = [
            (f"{above}{name}", item)
            for name in text.field_names(type(value))
            if type(item := getattr(value, name)) not in FINITE
        ]
    for below, item in inner:
        if found := infinite_number(item, below):
            return found
    return ""


def from_json(line: str) -> Record:
    """Return the record that `line` holds, upgraded to the current schema.

    Raises:
        RecordError: the line is not JSON, lacks a field, or comes from a newer schema.
    """
    try:
        data = json.loads(line)
    except ValueError as error:
        raise RecordError(f"not JSON: {error}") from error
    return decode(Record, upgraded(data))


def upgraded(data: Any) -> dict[str, Any]:
    """Return the JSON data of a record with the fields and names of the current schema.

    Raises:
        RecordError: it has no number of a schema, or that of a newer one.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < min(UPGRADES):
        raise RecordError("not a record: it has no schema number")
    if schema > SCHEMA:
        shown = text.line(str(schema), 20)
        raise RecordError(f"schema {shown} is newer than this samestep reads ({SCHEMA}): update samestep")
    while data["schema"] < SCHEMA:
        data = UPGRADES[data["schema"]](data)
    return dict(data)


def decode(kind: type[T], data: Any) -> T:
    """Build the dataclass `kind` from plain JSON data.

    Raises:
        RecordError: it is not an object, or its fields are not those of `kind`.
    """
    if not isinstance(data, dict):
        raise RecordError(f"{kind.__name__} should be an object, not {type(data).__name__}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise RecordError(f"{kind.__name__} has no field {unknown[0]!r}")
    try:
        return kind(**{name: _value(hints[name], item) for name, item in data.items()})
    except TypeError as error:
        raise RecordError(f"{kind.__name__}: {error}") from error


def _value(hint: Any, item: Any) -> Any:
    """Turn JSON's lists and objects into the tuples and dataclasses that `hint` names."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if item is None:
            return None
        (hint,) = (option for option in typing.get_args(hint) if option is not types.NoneType)
        return _value(hint, item)
    if origin is tuple:
        return tuple(_value(typing.get_args(hint)[0], element) for element in item)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return decode(hint, item)
    return item
