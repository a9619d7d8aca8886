"""The rows of the page's tables as lean HTML, and packed where a large run would make the page too large.

HTML lets many end tags be left out, a style sheet knows the heading of a column by its number, and a script can read a
number from its text. So a value costs little more than its digits. A run of some hundred cells has still too many: from
`INLINE_BYTES` on, the least important tables are compressed, and the script unpacks one when it is opened. Without
scripts a sentence names the file that has the table.
"""

import base64
import gzip
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Final

from markupsafe import Markup

from harness.report.view import ShownValue, View, ViewRow

INLINE_BYTES: Final = 300_000  # of rows that stand in the page as they are
LEAST_FIRST: Final = (
    "hosts", "accuracy", "limits", "proof", "reproducibility", "growth", "claims", "cold_start", "memory", "compile",
    "energy", "streaming", "inference", "scaling", "variants", "steps",
)  # fmt: skip
NO_NUMBER: Final = re.compile(r"[,×%±\s]")  # what the script leaves out of a number's text (templates/tables.js)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The rows of one table."""

    view: View
    html: Markup  # one or more `tbody`; empty: packed, or no rows
    packed: str  # the same HTML by gzip and base64; empty: not packed

    @property
    def width(self) -> int:
        """Its number of columns."""
        return len(self.view.names) + len(self.view.values)


def bodies(views: Iterable[View], hues: Mapping[str, int], failed: frozenset[str]) -> Mapping[str, Body]:
    """Return the rows of each table by its name.

    Args:
        views: of the tables.
        hues: number of the hue of each framework, by its title.
        failed: statuses whose replicates have an entry among the failures.
    """
    found = {each.name: Body(view=each, html=_rows(each, hues, failed), packed="") for each in views}
    size = sum(len(body.html) for body in found.values())
    for name in LEAST_FIRST:
        if size > INLINE_BYTES and name in found:
            size -= len(found[name].html)
            found[name] = _packed(found[name])
    return found


def packed(text: str) -> str:
    """Return a text compressed, as ASCII; the same text gives the same."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")


def ordered(view: View) -> list[ViewRow]:
    """Return the rows as the page has them: inference below training."""
    return sorted(view.rows, key=lambda row: row.is_inference)


def labels(views: Iterable[View]) -> Markup:
    """Return the style sheet that sets each value's heading above it on a narrow page.

    Parts of a name that do not say what they are, such as the ranks, stand among the values and have a heading, too.
    """
    return Markup("\n".join(rule for view in views if view.rows for rule in _labels(view)))


def _labels(view: View) -> Iterator[str]:
    for index, heading in enumerate((*view.names, *view.values), start=1):
        field = f"#t-{view.name} td:nth-child({index})"
        text = f"{heading.text} {heading.unit}".strip()
        if heading.is_context:
            yield f"{field}{{grid-column:auto}}"
        if text and (heading.is_context or index > len(view.names)):
            yield f"{field}:not(.r)::before{{content:{_css_string(text)}}}"


def _css_string(text: str) -> str:
    """Return a text as a string of CSS, also safe within an element `style`."""
    return '"' + re.sub(r'["\\<>&\x00-\x1f]', lambda found: f"\\{ord(found[0]):x} ", text) + '"'


def _packed(body: Body) -> Body:
    return replace(body, html=Markup(), packed=packed(body.html)) if body.html else body


def _rows(view: View, hues: Mapping[str, int], failed: frozenset[str]) -> Markup:
    is_read = [_is_read(index, view.rows) for index in range(len(view.values))]
    width = len(view.names) + len(view.values)
    parts: list[str] = []
    was_inference = None
    for row in ordered(view):
        if row.is_inference and not was_inference:
            parts.append(f'<tbody class="group"><tr><th scope="rowgroup" colspan="{width}">Inference, not training')
        if row.is_inference != was_inference:
            parts.append("<tbody>")
        was_inference = row.is_inference
        parts.append(_row(view, row, is_read, hues, failed))
    return Markup("".join(parts))


def _row(view: View, row: ViewRow, is_read: Sequence[bool], hues: Mapping[str, int], failed: frozenset[str]) -> str:
    status = "" if row.status == "ok" else f' class="{escape(row.status)}"'
    first, *names = row.names
    hue = f'<i class="h{hues[first.text]}"></i>' if first.text in hues else ""
    parts = [f"\n<tr{status}><th>{hue}{_text(first, row)}"]
    parts += [f'<td class="n">{_text(name, row)}' for name in names]
    if row.is_hole:
        reason = escape(row.reason) if row in view.notes else ""
        parts.append(f'<td class="r" colspan="{len(view.values)}">{_chip(row, failed)} {reason}')
        return "".join(parts)
    if row.note:
        parts.append(f" {_chip(row, failed)}")
    for value, reads in zip(row.values, is_read, strict=True):
        key = (
            "" if _is_plain(value) or (reads and _number(value.text) is not None) else f' data-sort="{value.sort:.6g}"'
        )
        hint = f' title="{escape(value.hint)}"' if value.hint else ""
        parts.append(f"<td{key}{hint}>{'' if _is_nothing(value) else _text(value, row)}")
    return "".join(parts)


def _chip(row: ViewRow, failed: frozenset[str]) -> str:
    hint = f' title="{escape(row.note)}"' if row.note and not row.is_hole else ""
    status = escape(row.status)
    if row.status in failed:
        return f'<a class="chip" href="#failures"{hint}>{status}</a>'
    return f'<span class="chip"{hint}>{status}</span>'


def _text(value: ShownValue, row: ViewRow) -> str:
    text = escape(value.text, quote=False)
    return f"<s>{text}</s>" if row.is_struck else text


def _is_nothing(value: ShownValue) -> bool:
    """Whether there is no value: the style sheet draws the dash."""
    return value.sort == float("inf") and value.text == "–"


def _is_plain(value: ShownValue) -> bool:
    """Whether it is sorted by its text."""
    return isinstance(value.sort, str) or value.sort == float("inf")


def _is_read(index: int, rows: Iterable[ViewRow]) -> bool:
    """Whether a column's numbers can be read from their texts, in one unit with those that cannot."""
    values = [row.values[index] for row in rows if not row.is_hole and not _is_plain(row.values[index])]
    numbers = [(_number(value.text), float(value.sort)) for value in values]
    if all(number is not None for number, _ in numbers):
        return True
    return all(number is None or abs(number - sort) <= 0.01 * abs(sort) for number, sort in numbers)


def _number(text: str) -> float | None:
    """Return the number that the script reads from a text; None: it reads none."""
    try:
        return float(NO_NUMBER.sub("", text))
    except ValueError:
        return None
