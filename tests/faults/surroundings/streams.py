"""Where the output goes: closed, full, of another encoding, a narrow terminal, a terminal that is gone."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.faults.outcome import OTHER, TRACEBACK, Ended, Wrong, crash_in
from tests.faults.room import LONGEST_S, RUN, TWO, Environ, Room, whole, works
from tests.faults.surroundings.case import Case, case

CASES: Final[list[Case]] = []
BROKEN_PIPE: Final = 128 + signal.SIGPIPE  # as a shell says it
LATIN: Final[Environ] = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
ASCII: Final[Environ] = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def _all_commands(name: str, *, short: bool = False, run: bool = True, **how: Any) -> None:
    """Add a case in which every command that prints writes into an odd stream."""

    def plant(room: Room) -> Iterator[Wrong]:
        yield from works(room.run())
        results = ("--results", room.results)
        for command in (
            ("list",), ("doctor",), ("plan", "--framework", "numpy", *results), ("report", *results), ("show",),
            ("report", "--format", "md", *results), ("compare", "latest", "latest", *results),
            ("report", "nothing", *results),
        ):  # fmt: skip
            yield from _printed(room.samestep(*command, **how))
        if run:
            for folder in room.folders():
                folder.path.rename(room.scratch / "first")
            yield from _printed(room.run(**how))
            yield from whole(room.folder())

    CASES.append(Case(name=name, plant=plant, short=short))


def _printed(ended: Ended) -> Iterator[Wrong]:
    """Yield what was wrong with a command whose output may have got lost, or is in another encoding than UTF-8."""
    if ended.crash:
        yield Wrong(of=TRACEBACK, what=f"{ended.shown}: {ended.crash}")
    elif ended.code not in (0, 1, 3, 130, BROKEN_PIPE):
        yield Wrong(of=OTHER, what=f"{ended.shown}: exit code {ended.code}")
    elif b"Exception ignored" in ended.err or b"Fatal Python error" in ended.err:
        yield Wrong(of=OTHER, what=f"{ended.shown}: Python itself complains: {ended.err[:160]!r}")


def _closed(*descriptors: int) -> Callable[[], None]:
    def before() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return before


_all_commands("standard output in Latin-1", environ=LATIN)
_all_commands("standard output in ASCII", environ=ASCII)
_all_commands("standard input is closed", before=_closed(0))
_all_commands("standard output is closed", before=_closed(1))
_all_commands("standard error is closed", before=_closed(2))
_all_commands("all standard streams are closed", before=_closed(0, 1, 2))


def _full(number: int) -> Callable[[], None]:
    def before() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), number)

    return before


_all_commands("standard output is on a full disk", before=_full(1))
_all_commands("standard error is on a full disk", before=_full(2))


def _without_reader() -> None:
    read, write = os.pipe()
    os.close(read)
    os.dup2(write, 1)


_all_commands("nobody reads the standard output", before=_without_reader)


def _not_writable() -> None:
    os.dup2(os.open("/dev/null", os.O_RDONLY), 1)


_all_commands("standard output is open for reading only", before=_not_writable, run=False)
_all_commands("standard output cannot wait (O_NONBLOCK)", before=lambda: os.set_blocking(1, False))


class Terminal:
    """A pseudo-terminal whose output is read all the time."""

    def __init__(self, columns: int, rows: int = 24) -> None:
        self.reader, self.end = pty.openpty()
        self.data = b""
        self.resize(columns, rows)
        self._is_open = True
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def resize(self, columns: int, rows: int = 24) -> None:
        """Give it another size."""
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close it, as a window or a connection that is gone."""
        if self._is_open:
            self._is_open = False
            self._thread.join()  # a descriptor that somebody reads is not closed
            os.close(self.reader)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while self._is_open:
                if select.select([self.reader], [], [], 0.1)[0]:
                    self.data += os.read(self.reader, 1 << 16)


def _in_terminal(
    room: Room, terminal: Terminal, *command: str | Path, environ: Environ | None = None
) -> "subprocess.Popen[bytes]":
    """Start samestep in a terminal that controls it."""
    variables: Environ = {"COLUMNS": None, "LINES": None, "TERM": "xterm-256color", **(environ or {})}

    def control() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    room.afterwards(terminal.hang_up)
    end = terminal.end
    process = room.start(*command, environ=variables, stdin=end, stdout=end, stderr=end, before=control)
    os.close(end)
    return process


def _terminal(name: str, columns: int, environ: Environ, *, short: bool = False) -> None:
    def plant(room: Room) -> Iterator[Wrong]:
        terminal = Terminal(columns)
        process = _in_terminal(room, terminal, *RUN, "--results", room.results, environ=environ)
        code = _waited(process)
        if crash := crash_in(terminal.data.decode(errors="replace")):
            yield Wrong(of=TRACEBACK, what=crash)
        elif code != 0:
            yield Wrong(of=OTHER, what=f"a run in this terminal ended with {code}: {terminal.data[-300:]!r}")
        if room.folders():
            yield from whole(room.folder())
        if "…".encode() in terminal.data and any(
            b"\xe2\x80\xa6" in line and _is_number(line) for line in terminal.data.split()
        ):
            yield Wrong(of=OTHER, what="a number is cut with …")

    CASES.append(Case(name=name, plant=plant, short=short))


def _is_number(word: bytes) -> bool:
    return word.partition(b"\xe2\x80\xa6")[0].replace(b",", b"").replace(b".", b"").isdigit()


def _waited(process: "subprocess.Popen[bytes]") -> int | None:
    try:
        return process.wait(LONGEST_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


_terminal("a terminal of 10 columns", 10, {}, short=True)
_terminal("a terminal of 40 columns", 40, {})
_terminal("a terminal of 1 column", 1, {})
_terminal("a terminal of 0 columns", 0, {})
_terminal("a terminal of 5 000 columns", 5_000, {})
_terminal("a dumb terminal", 80, {"TERM": "dumb"})
_terminal("a terminal that nobody knows", 80, {"TERM": "no-such-terminal"})
_terminal("a terminal in Latin-1", 80, LATIN)
_terminal("a terminal in ASCII", 80, ASCII)


@case("a terminal changes its size all the time", into=CASES)
def _resized(room: Room) -> Iterator[Wrong]:
    terminal = Terminal(80)
    process = _in_terminal(room, terminal, *RUN, "--results", room.results)
    sizes = (10, 200, 1, 0, 80)
    number = 0
    while process.poll() is None and number < 2_000:
        with contextlib.suppress(OSError):
            fcntl.ioctl(terminal.reader, termios.TIOCSWINSZ, struct.pack("HHHH", 24, sizes[number % 5], 0, 0))
        number += 1
        time.sleep(0.05)
    code = _waited(process)
    if code != 0:
        yield Wrong(of=OTHER, what=f"ended with {code}: {terminal.data[-300:]!r}")
    yield from whole(room.folder())


@case("the terminal is gone in the middle of a run (SIGHUP)", into=CASES)
def _hung_up(room: Room) -> Iterator[Wrong]:
    terminal = Terminal(80)
    process = _in_terminal(room, terminal, *RUN, *TWO, "--results", room.results)
    room.wait_for_records(1)
    before = room.folder().records_path.read_bytes()
    terminal.hang_up()
    _waited(process)
    yield from room.nothing_left()
    yield from works(room.resume())
    yield from whole(room.folder(), before=before)


@case("the reader of the output ends in the middle of a run", into=CASES)
def _head(room: Room) -> Iterator[Wrong]:
    read, write = os.pipe()
    process = room.start_run(*TWO, stdout=write)
    os.close(write)
    os.read(read, 10)
    os.close(read)
    ended = room.end(process)
    if ended.crash or ended.code is None:
        yield Wrong(of=TRACEBACK if ended.crash else OTHER, what=ended.crash or "it did not end")
    yield from room.nothing_left()
    if room.folders():
        yield from works(room.resume())
        yield from whole(room.folder())


@case("nobody reads a page that is longer than the pipe", into=CASES)
def _slow_reader(room: Room) -> Iterator[Wrong]:
    yield from works(room.run())
    read, write = os.pipe()
    process = room.start("report", "--format", "html", "--results", room.results, stdout=write)
    os.close(write)
    os.read(read, 10)
    time.sleep(1.0)
    os.close(read)
    yield from _printed(room.end(process))
