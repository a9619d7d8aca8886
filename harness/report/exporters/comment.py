"""What fits into a comment on GitHub: the parts that matter first are whole, the rest is cut, and a sentence says what.

A longer comment is refused as a whole ("Body is too long"). The limit is in characters; here it is in bytes of UTF-8,
which are never fewer, so the text fits whichever of the two a forge counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from harness.format import listed

LIMIT: Final = 65_536  # characters of a comment, an issue or a description of a pull request
ENDING: Final = 2_000  # bytes that are kept free for the sentence on what was left out
NAMED: Final = 12  # parts that this sentence names


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a comment: lines between a head and a tail, of which the last ones may be left out."""

    name: str  # in the sentence on what was left out
    head: str
    lines: tuple[str, ...] = ()
    tail: str = ""

    def text(self, count: int) -> str:
        """Return the part with its first `count` lines; it says so when these are not all."""
        cut = f"\n\nThe first {count:,} of {len(self.lines):,} rows." if count < len(self.lines) else ""
        body = "\n".join((self.head, *self.lines[:count])) if count else self.head
        return f"{body}{cut}{self.tail}"


def within_limit(parts: Iterable[Part], whole: str, limit: int = LIMIT) -> str:
    """Return the parts as one text of at most `limit` bytes.

    Args:
        parts: the most important one first.
        whole: where all of it is, as a sentence in Markdown.
        limit: bytes of UTF-8.
    """
    texts: list[str] = []
    missing: list[str] = []
    free = limit - ENDING
    for part in parts:
        count = _count(part, free)
        if count < len(part.lines):
            missing.append(part.name if count <= 0 else f"{len(part.lines) - count:,} rows of {part.name}")
        if count < 0 or (part.lines and count == 0):
            continue
        texts.append(part.text(count))
        free -= _size(texts[-1])
    if missing:
        named = missing if len(missing) <= NAMED else [*missing[:NAMED], f"{len(missing) - NAMED} more"]
        texts.append(f"Left out, because a comment has room for {limit:,} characters: {listed(named)}. {whole}")
    return "\n\n".join(texts) + "\n"


def details(name: str, summary: str, lines: Iterable[str], *, head: str = "", tail: str = "") -> Part:
    """Return a part that a reader has to open; `summary` is HTML, all else Markdown."""
    opening = f"<details>\n<summary>{summary}</summary>\n" + (f"\n{head}" if head else "")
    return Part(name=name, head=opening, lines=tuple(lines), tail=f"{tail}\n\n</details>")


def _count(part: Part, free: int) -> int:
    """Return how many lines of `part` fit into `free` bytes; -1: not even its head and tail."""
    if _size(part.text(len(part.lines))) <= free:
        return len(part.lines)
    left = free - _size(part.text(0))
    if left < 0:
        return -1
    for count, line in enumerate(part.lines):
        left -= len(line.encode()) + 1
        if left < 0:
            return count
    return len(part.lines) - 1


def _size(text: str) -> int:
    return len(text.encode()) + 2  # the empty line behind it
