"""The one door for JSON that others may have damaged: a frozen dataclass comes out, or one sentence with the field.

    text ─→ JSON, each name once ─→ older schemas upgraded ─→ names and types (msgspec) ─→ texts made safe

bench writes these dataclasses with the standard library alone; here every value is held to its type. What types cannot
say, `harness.store.rules` says.
"""

import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from json.decoder import WHITESPACE  # type: ignore[attr-defined]  # the blanks of JSON, as a pattern
from typing import Any, Final, TypeVar

import msgspec

from bench.records import codec, text
from bench.records.codec import RecordError
from bench.records.record import Record

T = TypeVar("T")
Step = str | int  # a name in an object, or an index in a list

PROBLEM: Final = 200  # characters of a sentence about one value: the value may be long
STEPS: Final = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)")
ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")  # half of a character; most have their other half
MSGSPEC_PATH: Final = re.compile(r" - at `\$\.?(.*)`$")


class FieldError(RecordError):
    """A value that is not what its field holds."""

    def __init__(self, path: str, problem: str) -> None:
        """Take the path of the field, such as "timing.round_ns[3]", empty for the whole, and what is wrong with it."""
        between = " " if problem.startswith(("is ", "has ", "adds ")) else ": "
        super().__init__(text.line(f"{path}{between}{problem}" if path else problem, PROBLEM))
        self.path = path


class JsonError(RecordError):
    """Text that is not JSON."""

    def __init__(self, problem: str, line: int) -> None:
        """Take what is wrong, and the line from 1."""
        super().__init__(text.line(f"not JSON: {problem}", PROBLEM))
        self.line = line


def record(source: str) -> Record:
    """Return the record in `source`, upgraded to the current schema, its texts safe.

    Raises:
        RecordError: it is damaged, or of a newer schema.
    """
    read = decoded(Record, codec.upgraded(parsed(source)))
    path = codec.infinite_number(read)
    if path and read.status == "ok":  # of any other, the part is left out
        raise FieldError(path, "is not a finite number")
    return codec.keepable(read) if path else text.safe(read)


def value(kind: type[T], source: str) -> T:
    """Return the dataclass `kind` in `source`, its texts safe; raises RecordError."""
    return text.safe(decoded(kind, parsed(source)))


def parsed(source: str) -> Any:
    """Return the data of JSON text.

    Raises:
        JsonError: it is not JSON, or too deep, or an object has a name twice, of which one would be lost.
    """
    if not source.strip():
        raise JsonError("it is empty", 1)
    try:
        data = json.loads(source, object_pairs_hook=_once)
        return _encodable(data) if ESCAPED_SURROGATE.search(source) else data
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg}, column {error.colno}", error.lineno) from error
    except RecursionError as error:
        raise JsonError("too many lists or objects within each other", 1) from error
    except ValueError as error:  # a number of more digits than Python reads, or a name that is there twice
        too_long = "a number has thousands of digits" if "digits" in str(error) else str(error)
        raise JsonError(too_long, 1) from error


def decoded(kind: type[T], data: Any) -> T:
    """Return the dataclass `kind` from the data of JSON, every value of the type that its field has.

    Raises:
        FieldError: a name is unknown or missing, or a value has another type.
    """
    if unknown := next(_unknown(kind, data), ""):
        raise FieldError(unknown, "is not a field of this schema")
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from error
    except (OverflowError, RecursionError) as error:
        raise FieldError("", f"a number is out of range ({error})") from error


def line_of(source: str, path: str) -> int:
    """Return the line, from 1, of the value at `path` in JSON text; of the innermost part of the path that is there."""
    position = _skip(source, 0)
    with_end = json.JSONDecoder()
    for step in steps(path):
        for key, at in _entries(source, position, with_end):
            if key == step:
                position = at
                break
        else:
            break
    return source.count("\n", 0, position) + 1


def steps(path: str) -> Sequence[Step]:
    """Return the steps of a path: "timing.round_ns[3]" is ("timing", "round_ns", 3)."""
    return tuple(int(index) if index else name for index, name in STEPS.findall(path))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _encodable(data: Any) -> Any:
    """Return the data of JSON with every text in it, names too, as a file can hold it."""
    if isinstance(data, str):
        return text.encodable(data)
    if isinstance(data, dict):
        return {text.encodable(name): _encodable(item) for name, item in data.items()}
    return [_encodable(item) for item in data] if isinstance(data, list) else data


def _entries(source: str, position: int, decoder: json.JSONDecoder) -> Iterator[tuple[Step, int]]:
    """Yield the name or the index of each value of the object or list at `position`, and where the value begins."""
    is_object = source[position] == "{"
    if not is_object and source[position] != "[":
        return
    index = 0
    position = _skip(source, position + 1)
    while source[position] not in "}]":
        key: Step = index
        if is_object:
            key, position = decoder.raw_decode(source, position)
            position = _skip(source, _skip(source, position) + 1)  # the colon
        yield key, position
        _, position = decoder.raw_decode(source, position)
        position = _skip(source, position)
        if source[position] == ",":
            position = _skip(source, position + 1)
        index += 1


def _skip(source: str, position: int) -> int:
    end: int = WHITESPACE.match(source, position).end()
    return end


def _explained(message: str) -> FieldError:
    """Return the error for a message of msgspec: "Expected `int`, got `null` - at `$.timing.round_ns[3]`"."""
    match = MSGSPEC_PATH.search(message)
    path = match[1] if match else ""
    problem = MSGSPEC_PATH.sub("", message).replace("`", "")
    if missing := re.fullmatch(r"Object missing required field (\w+)", problem):
        return FieldError(path, f"{missing[1]} is missing")
    return FieldError(path, problem[:1].lower() + problem[1:])


def _unknown(kind: Any, data: Any, above: str = "") -> Iterator[str]:
    """Yield the path of each value in `data` that its dataclass has no field for."""
    if not isinstance(data, dict):
        return
    inner = _inner(kind)
    for name, item in data.items():
        if name not in inner:
            yield f"{above}{name}"
        elif nested := inner[name]:
            parts = [(f"[{at}]", part) for at, part in enumerate(item)] if isinstance(item, list) else [("", item)]
            for index, part in parts:
                yield from _unknown(nested, part, f"{above}{name}{index}.")


@functools.cache
def _inner(kind: type) -> Mapping[str, type | None]:
    """Return, for each field of a dataclass, the dataclass that it holds, alone or several; None: it holds none."""
    return {name: _dataclass_in(hint) for name, hint in typing.get_type_hints(kind).items()}


def _dataclass_in(hint: Any) -> type | None:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint
    if typing.get_origin(hint) in (types.UnionType, typing.Union, tuple):
        return next(filter(None, map(_dataclass_in, typing.get_args(hint))), None)
    return None
