"""Standard output and standard error, safe for any terminal, pipe or file.

What programs and libraries have said goes through here on its way to a person, so what would steer a terminal (escape
sequences, other control characters) is taken out of all that is written. Only what rich has drawn keeps its own
colours; the texts in it are cleaned when they are drawn (`harness.terminal.drawn`).

A character that a stream's encoding lacks is written as what resembles it in ASCII. Where a stream takes no more (a
full disk, a reader that has ended, a closed descriptor), the command goes on: what is measured is kept whether or not
somebody reads. The first such error is remembered, and `main` ends with it.
"""

import codecs
import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn, TextIO, cast

from bench.records.text import harmless
from harness.errors import USAGE

if TYPE_CHECKING:
    from rich.console import Console

ENDED_READER: Final = 141  # 128 + SIGPIPE, as a shell reports other tools whose reader has ended
LEAST_WIDTH: Final = 20  # columns; a terminal that is narrower breaks the lines by itself
NEAREST: Final[Mapping[str, str]] = {
    "±": "+/-", "×": "x", "÷": "/", "−": "-", "·": ".", "²": "^2", "³": "^3", "°": "deg", "√": "sqrt", "≈": "~",
    "≤": "<=", "≥": ">=", "→": "->", "–": "-", "—": "-", "…": "...", "‘": "'", "’": "'", "“": '"', "”": '"',
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "✓": "+", "✗": "x", "•": "*", "●": "*",
    **dict.fromkeys("µμ", "u"),
    **dict.fromkeys("─━╌╍╴╶╸╺═", "-"),
    **dict.fromkeys("│┃║", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╞╡╪", "+"),
}  # fmt: skip
_BRAILLE: Final = range(0x2800, 0x2900)  # frames of a spinner
_HANDLER: Final = "samestep.nearest"


class Stream:
    """A text stream that takes every text and never raises."""

    def __init__(self, stream: TextIO, error: OSError | None = None) -> None:
        """Write to `stream`; `error`: it cannot be written from the beginning."""
        self._stream = stream
        self.error = error  # the first; None: everything was written
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)

    def write(self, text: str) -> int:
        """Write `text` without what would steer a terminal, or nothing where the stream takes no more."""
        self.write_drawn(harmless(text))
        return len(text)

    def write_drawn(self, text: str) -> None:
        """Write `text` with the escape sequences in it."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)

    def write_bytes(self, data: bytes) -> None:
        """Write `data` as they are, after what is buffered."""
        self.flush()
        try:
            self._stream.buffer.write(data)
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        """Return what else the stream has."""
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        """Let what is still buffered, and all that follows, go nowhere: Python would fail with it once more at exit."""
        self.error = self.error or error
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class Drawn:
    """A stream for what rich has drawn, which needs its escape sequences."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` as it is."""
        self._stream.write_drawn(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Return what else the stream has."""
        return getattr(self._stream, name)


@contextlib.contextmanager
def safe_streams() -> Iterator[Stream]:
    """Make standard output and standard error safe; yield standard output."""
    before = sys.stdout, sys.stderr
    _occupy()
    out, err = (_stream(stream) for stream in before)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def exiting(program: Callable[[], int]) -> NoReturn:
    """Run `program` with safe streams and end this process with its exit code, or that of lost output."""
    with safe_streams() as out:
        code = program()
        out.flush()
        code = exit_code(code, out)
    sys.exit(code)


def exit_code(code: int, out: Stream) -> int:
    """Return the exit code of a command that ended with `code`; say where its output was lost.

    A command that succeeded fails when its output was lost. A reader that has ended is told nothing.
    """
    if out.error is None:
        return code
    if isinstance(out.error, BrokenPipeError):
        return code or ENDED_READER
    why = out.error.strerror or str(out.error)
    print(f"samestep: standard output could not be written ({why}): what it says is incomplete.", file=sys.stderr)
    return code or USAGE


def document(made: str | bytes) -> None:
    """Write a document, such as CSV or HTML, to standard output: in UTF-8, except in a terminal; bytes as they are."""
    if isinstance(made, bytes):
        if isinstance(sys.stdout, Stream):
            sys.stdout.write_bytes(made)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(made)
        return
    if not sys.stdout.isatty() and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors=_HANDLER)
    sys.stdout.write(made)


def console() -> "Console":
    """Return a console on standard output, as wide as the terminal; 80 columns where there is none."""
    from harness.terminal.drawn import SafeConsole

    sizes = {name: _size(os.environ.get(name, "")) for name in ("COLUMNS", "LINES")}
    others = {name: value for name, value in os.environ.items() if name not in sizes}
    out = getattr(sys.stdout, "rich_proxied_file", sys.stdout)  # under a progress bar
    file = cast("IO[str]", Drawn(out)) if isinstance(out, Stream) else out
    made = SafeConsole(file=file, width=sizes["COLUMNS"], height=sizes["LINES"], _environ=others)
    if made.width < LEAST_WIDTH:
        made.width = LEAST_WIDTH
    return made


def clean_redirected() -> None:
    """Clean what is printed under a bar of rich's, which takes standard output and standard error over meanwhile.

    Without this, rich would draw the escape sequences in it.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if hasattr(stream, "rich_proxied_file"):
            setattr(sys, name, Stream(stream))


def _size(typed: str) -> int | None:
    """Return a number of columns or lines; None for what is none."""
    return int(typed) if re.fullmatch(r"0*[1-9][0-9]{0,4}", typed, re.ASCII) else None


def _stream(stream: TextIO | None) -> Stream:
    if stream is None:  # Python found its descriptor closed
        closed = OSError(errno.EBADF, os.strerror(errno.EBADF))
        return Stream(Path(os.devnull).open("w", encoding="utf-8"), closed)
    return Stream(stream)


def _occupy() -> None:
    """Open what is closed of descriptors 0, 1 and 2: else a file of results becomes the standard output of a child."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_in_ascii, error.object[error.start : error.end])), error.end


def _in_ascii(character: str) -> str:
    if ord(character) in _BRAILLE:
        return "*"
    return NEAREST.get(character) or character.encode("ascii", errors="backslashreplace").decode()


codecs.register_error(_HANDLER, _nearest)
