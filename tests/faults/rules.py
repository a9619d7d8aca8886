"""The rules that every command keeps, whatever it was given. Each rule returns what was wrong."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tests.faults.outcome import OTHER, TRACEBACK, Ended, Wrong

CODES: Final = (0, 1, 2, 3, 130)  # those that the README names
LONGEST_SENTENCE: Final = 4_000  # characters
PARQUET: Final = b"PAR1"  # its magic number: no text
LONGEST_PAGE: Final = 20_000_000  # bytes; a page of a small run has some 200 000
SEVERAL: Final = ("build",)  # commands that have a sentence for each of several things
TABLED: Final = ("doctor",)  # the command whose table says what is missing
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
WARNING: Final = re.compile(r"\w*Warning\b: |Exception ignored in|Fatal Python error")

Rule = Callable[[Ended], Iterator[str]]


def judged(ended: Ended) -> tuple[Wrong, ...]:
    """Return what was wrong with a command that was given something odd."""
    if ended.crash:
        return (Wrong(of=TRACEBACK, what=f"{ended.shown}: {ended.crash}"),)
    if ended.code is None:
        return (Wrong(of=OTHER, what=f"{ended.shown}: it did not end"),)
    return tuple(Wrong(of=OTHER, what=f"{ended.shown}: {what}") for rule in RULES for what in rule(ended))


def _code(ended: Ended) -> Iterator[str]:
    if ended.code not in CODES:
        yield f"exit code {ended.code}"


def _no_traceback(ended: Ended) -> Iterator[str]:
    text = (ended.out + ended.err).decode(errors="replace")
    if "Traceback (most recent call last)" in text:
        yield "a traceback is printed"
    elif found := WARNING.search(text):
        yield f"a warning of Python is printed: {text[found.start() :][:120]!r}"


def _one_sentence(ended: Ended) -> Iterator[str]:
    """An error is one line that begins with "samestep: "; what typer says of a command line (2) has its own form."""
    if ended.code != 1:
        return
    lines = [line for line in ended.err.decode(errors="replace").splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("samestep: ")]
    if not ours and not _is_of(ended, TABLED):
        yield "exit code 1 without a sentence"
    if len(ours) > 1 and not _is_of(ended, SEVERAL):
        yield f"{len(ours)} sentences"
    if others := [line for line in lines if not line.startswith("samestep: ")]:
        yield f"a line on standard error that is no sentence: {others[0][:120]!r}"
    if long := max(map(len, ours), default=0) // LONGEST_SENTENCE:
        yield f"a sentence of more than {long * LONGEST_SENTENCE} characters"


def _clean(ended: Ended) -> Iterator[str]:
    """No control character and no broken UTF-8 reaches a terminal or a file."""
    for name, data in {"standard output": ended.out, "standard error": ended.err, **ended.written}.items():
        if data.startswith(PARQUET):
            continue
        try:
            text = data.decode()
        except UnicodeDecodeError:
            yield f"{name} is not UTF-8"
            continue
        if found := CONTROL.search(text):
            yield f"{name} has the control character {found[0]!r}"
        if len(data) > LONGEST_PAGE:
            yield f"{name} has {len(data) >> 20} MB"


RULES: Final[Sequence[Rule]] = (_code, _no_traceback, _one_sentence, _clean)


def _is_of(ended: Ended, names: Sequence[str]) -> bool:
    return any(part in names for part in ended.command[:2])


def changed_in_silence(before: bytes, after: bytes, touched: set[str] | None) -> Iterator[str]:
    """Yield the steps of cells that nobody touched and that have another number in the same table.

    A cell that is judged otherwise, because what it is compared with has gone, says so in its status.

    Args:
        before: steps.csv of the run as it was.
        after: steps.csv of the mutated run.
        touched: keys of the cells whose records were mutated; None: any may have been.
    """
    if touched is None:
        return
    then, now = _steps(before), _steps(after)
    for key in sorted(set(then) & set(now) - touched):
        if now[key]["status"] == then[key]["status"] == "ok" and now[key]["step_us"] != then[key]["step_us"]:
            yield f"{key}: {then[key]['step_us']} µs became {now[key]['step_us']}"


KEY: Final = ("framework", "mode", "workload", "optimizer", "size", "precision", "device", "allocator")


def key_of(cell: Mapping[str, object]) -> str:
    """Return the key of a row, or of the cell of a record as it stands in its line."""
    return " ".join(str(cell.get(name)) for name in KEY)


def _steps(text: bytes) -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text.decode(errors="replace"), newline=""))
    return {key_of(row): row for row in rows}
