r"""Text from elsewhere, made safe to keep and to show. Standard library only.

What a framework, a compiler or a program prints may hold anything: bytes that are no UTF-8 (Python keeps them as lone
surrogates, which no file takes), sequences that move a terminal's cursor, characters that turn the direction of
writing, thirty megabytes. `safe` is applied where a text enters a record and again where a record is read, because an
older samestep kept texts as they came. It changes nothing in what it has made itself.

    \x1b[31mred\x1b[0m      red           sequences for a terminal are left out
    caf\udce9               caf\xe9       what cannot be printed is shown as Python writes it
    one\ntwo                one two       a field holds one line; `PAGES` names those that hold several
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

REASON: Final = 500  # characters of a reason, which is one sentence
TAIL_LINE: Final = 500  # characters of a line that a process printed last
TAIL_LINES: Final = 20
NAME: Final = 1000  # characters of any other text, such as a version or a sentence of evidence
ITEMS: Final = 10_000  # texts of one field
LOG_CHARACTERS: Final = 64 << 10  # kept of a replicate's log
LONGEST: Final[Mapping[str, int]] = {  # characters of a field whose texts are not names
    "reason": REASON,
    "flags": 1 << 15,
    "variables": 1 << 15,
    "named": 1 << 15,
}
WHOLE: Final = ("model_base64", "base64")  # fields that are of no use when they are cut
PAGES: Final = ("hello", "program")  # fields of several lines
SEQUENCES: Final = re.compile(  # what moves a terminal's cursor, sets its colour or its title (ECMA-48)
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]"
)
STEERING: Final = re.compile(  # characters that a terminal or an editor obeys; CR LF is the end of a line
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\r(?!\n)"
)
SURROGATE: Final = re.compile("[\ud800-\udfff]")
CUT: Final = "…"


def line(text: str, most: int = NAME) -> str:
    """Return `text` as one line that can be printed, of at most `most` characters."""
    if len(text) > 8 * most:  # what is cut away is not looked at: it may be long
        text = text[: 8 * most]
    flat = " ".join(_printable(text).split())
    return flat if len(flat) <= most else flat[: most - len(CUT)] + CUT


def indented(text: str, most: int = TAIL_LINE) -> str:
    """Return `text` as `line` does, with the blanks at its beginning and within it."""
    flat = _printable(text[: 8 * most]).rstrip()
    return flat if len(flat) <= most else flat[: most - len(CUT)] + CUT


def page(text: str) -> str:
    """Return `text` with its lines and tabs, and all else as it can be printed."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("\t".join(map(_printable, line.split("\t"))) for line in lines)


def harmless(text: str) -> str:
    """Return `text` as it is, or as `page` where something in it would steer a terminal."""
    return page(text) if STEERING.search(text) else text


def last_line(printed: str) -> str:
    """Return the last line that a program printed and that is not blank, as `line`; empty: it printed none."""
    return next((line(each) for each in reversed(page(printed).split("\n")) if each.strip()), "")


def log(text: str) -> str:
    """Return the end of what a process printed, as `page`, of at most `LOG_CHARACTERS`."""
    return page(text[-LOG_CHARACTERS:])[-LOG_CHARACTERS:]


def file_name(text: str) -> str:
    """Return `text` as a part of a file's name: letters, digits, dots, hyphens and underlines."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:80].lstrip(".") or "_"


def encodable(text: str) -> str:
    """Return `text` with its lone surrogates written out, so that a file or another program takes it."""
    return SURROGATE.sub(lambda found: _shown(found[0]), text)


def safe(value: T) -> T:
    """Return the dataclass `value` with every text in it, at any depth, safe; itself where they are."""
    whole: Any = value
    changes: dict[str, Any] = {}
    for name in field_names(type(whole)):
        before = getattr(whole, name)
        if before is None or isinstance(before, int | float):
            continue
        after = _safe(name, before)
        if after is not before:
            changes[name] = after
    return dataclasses.replace(whole, **changes) if changes else value


_names: dict[type, tuple[str, ...]] = {}


def field_names(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass; none of any other type."""
    if kind not in _names:
        fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
        _names[kind] = tuple(field.name for field in fields)
    return _names[kind]


def _safe(field: str, value: object) -> object:
    if isinstance(value, str):
        text = _text(field, value)
        return value if text == value else text
    if isinstance(value, tuple):
        if not value or isinstance(value[0], int | float):  # rounds and losses are long
            return value
        parts = tuple(_safe(field, part) for part in value[:ITEMS])
        parts = parts[-TAIL_LINES:] if field == "tail" else parts
        is_same = len(parts) == len(value) and all(one is other for one, other in zip(parts, value, strict=True))
        return value if is_same else parts
    return safe(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _text(field: str, text: str) -> str:
    if field in PAGES:
        return page(text)
    if field == "tail":
        return indented(text)
    return line(text, len(text) + 1 if field in WHOLE else LONGEST.get(field, NAME))


def _printable(text: str) -> str:
    """Return `text` without sequences for a terminal; white space is a blank, what cannot be printed is written out."""
    if text.isprintable():
        return text
    return "".join(map(_shown, SEQUENCES.sub("", text)))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as os.fsdecode keeps it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
