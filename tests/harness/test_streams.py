"""What is printed reaches any terminal, pipe and file; where it cannot, the command goes on and says so at its end."""

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli, commands
from harness.terminal import streams as terminal

ROOT = Path(__file__).resolve().parents[2]
TEXT = "104 µs ± 2 %, 3×, a–b ─ é \\udc80"
PRINTS = (
    "import sys; from harness.terminal import streams as terminal\n"
    f"with terminal.safe_streams() as out: print('{TEXT}')\n"
)
CLI = (sys.executable, "-m", "harness.cli")


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run `command`, in which $S is samestep."""
    environment = {**os.environ, "S": " ".join(CLI), **variables}
    return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("utf-8", "104 µs ± 2 %, 3×, a–b ─ é \\udc80\n"),
        ("latin-1", "104 µs ± 2 %, 3×, a-b - é \\udc80\n"),
        ("ascii", "104 us +/- 2 %, 3x, a-b - \\xe9 \\udc80\n"),
    ],
)
def test_a_character_that_the_encoding_lacks_is_written_in_ascii(encoding: str, printed: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ended = subprocess.run([sys.executable, "-c", PRINTS], env=environment, capture_output=True, check=True)
    assert ended.stdout.decode(encoding) == printed


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("command", ["list", "plan --framework numpy", "--help", "run --help"])
def test_commands_print_in_any_encoding(command: str, encoding: str) -> None:
    ended = shell(f"$S {command}", PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert len(ended.stdout) > 100


@pytest.mark.parametrize(
    ("redirected", "why"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_output_that_is_lost_is_one_sentence_and_exit_1(redirected: str, why: str) -> None:
    ended = shell(f"$S list {redirected}")
    assert ended.returncode == 1
    (line,) = ended.stderr.decode().splitlines()
    assert line == f"samestep: standard output could not be written ({why}): what it says is incomplete."


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"])
def test_without_standard_error_the_command_ends_as_ever(redirected: str) -> None:
    assert shell(f"$S list {redirected} >/dev/null").returncode == 0
    assert shell(f"$S report nothing {redirected} >/dev/null").returncode == 1


def test_a_reader_that_ends_is_met_as_by_other_tools() -> None:
    ended = shell("$S plan --profile publish | head -1 >/dev/null; echo ${PIPESTATUS[0]}")
    assert ended.stdout == b"141\n"
    assert ended.stderr == b""


def test_with_closed_streams_no_file_takes_their_place() -> None:
    code = (
        "import os, tempfile; from harness.terminal import streams as terminal\n"
        "with terminal.safe_streams(): file = tempfile.TemporaryFile(); assert file.fileno() > 2, file.fileno()\n"
    )
    ended = shell(f"{sys.executable} -c '{code}' <&- >&-")
    assert (ended.returncode, ended.stderr) == (0, b"")


SAID = "\x1b[2J\x1b]0;title\x07gone\rback \x9b31m\u202e."
SAYS = f"""
import logging, sys, warnings
from rich.table import Table
from rich.text import Text
from harness.plan.plan import make_plan
from harness.run import progress
from harness.terminal import streams
from tests.factories import cell, record

def program():
    said = {SAID!r}
    print(said)
    print(said, file=sys.stderr)
    logging.getLogger("theirs").warning(said)
    warnings.warn(said)
    console = streams.console()
    console.print(Text(said, style="bold"), said)
    table = Table(said)
    table.add_row(Text(said))
    console.print(table)
    show = progress.progress(make_plan((cell(),), blocks=1, seed=1), ())
    show.say(said)
    print(said)
    print(said, file=sys.stderr)
    show.end(record(status="failed", reason=said))
    show.close()
    print(said)
    streams.document(said)
    return 0

streams.exiting(program)
"""


def said_in_a_terminal(code: str) -> str:
    """Return what a terminal gets from a program: standard output and standard error."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "150"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    parts = []
    with contextlib.suppress(OSError):  # how the end of a terminal is read
        while part := os.read(ours, 1 << 16):
            parts.append(part)
    os.close(ours)
    assert process.wait() == 0, b"".join(parts)
    return b"".join(parts).decode()


def test_what_others_say_does_not_steer_a_terminal() -> None:
    """By print, logging, warnings, rich, under rich's bar, and as a document; rich's own colours are kept."""
    got = said_in_a_terminal(SAYS)
    assert got.count("back") >= 12
    assert "\x1b[1m" in got
    for sign in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\u202e", "gone\rback"):
        assert sign not in got, (sign, got)


def test_nor_a_pipe_or_a_file() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", SAYS], env=environment, capture_output=True, check=True)
    for printed in (ended.stdout.decode(), ended.stderr.decode()):
        assert "back" in printed
        assert printed.replace("\n", "").isprintable()


@pytest.mark.parametrize("columns", ["0", "-5", "x", "²", "", "99999999999999999999", "007"])
def test_a_width_that_is_none_is_not_taken(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal.console().width >= terminal.LEAST_WIDTH


def test_a_document_is_utf_8_wherever_it_goes(tmp_path: Path) -> None:
    code = "from harness.terminal import streams\nwith streams.safe_streams(): streams.document('µ × \\u2013')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert ended.stdout.decode() == "µ × –"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a"), "samestep: list failed: /a: No space left on device"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "samestep: list failed: Broken pipe"),
        (MemoryError(), "samestep: list failed: memory is used up"),
        (KeyError("x"), "samestep: list failed: a fault of samestep, KeyError"),
    ],
)
def test_whatever_a_command_raises_is_one_sentence(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(commands, "list_offer", fail)
    monkeypatch.setattr(sys, "argv", ["samestep", "list"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(said)
    assert ended.value.code == 1


def test_a_traceback_is_printed_when_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise MemoryError

    monkeypatch.setenv("SAMESTEP_TRACEBACK", "1")
    monkeypatch.setattr(commands, "list_offer", fail)
    monkeypatch.setattr(sys, "argv", ["samestep", "list"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("kib", [60_000, 200_000, 500_000])
def test_too_little_memory_is_said_before_libraries_hang_in_it(kib: int) -> None:
    ended = shell(f"ulimit -v {kib}; timeout 60 $S list")
    assert ended.returncode == 1
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith(f"samestep: the limit of memory is {kib >> 10} MiB, and samestep needs")
