"""A record to JSON and back. Strict about names and types: a damaged file gives one sentence, the RecordError."""

import dataclasses
import json
import types
import typing
from typing import Any, TypeVar

from bench.records.record import Record
from bench.records.schema import SCHEMA, UPGRADES

T = TypeVar("T")


class RecordError(ValueError):
    """A record that cannot be read: damaged, or written by a newer samestep."""


def to_json(value: Any) -> str:
    """Return one line of JSON for a record, or for any dataclass of plain fields."""
    return json.dumps(dataclasses.asdict(value), separators=(",", ":"))


def from_json(line: str) -> Record:
    """Return the record that `line` holds, upgraded to the current schema.

    Raises:
        RecordError: the line is not JSON, lacks a field, or comes from a newer schema.
    """
    try:
        data = json.loads(line)
    except ValueError as error:
        raise RecordError(f"not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
        raise RecordError("not a record: it has no schema number")
    if data["schema"] > SCHEMA:
        raise RecordError(f"schema {data['schema']} is newer than this samestep reads ({SCHEMA}): update samestep")
    while data["schema"] < SCHEMA:
        data = UPGRADES[data["schema"]](data)
    return decode(Record, data)


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
