"""`loop.json`: what `samestep loop` found. Where it lies in a run's folder, the run's page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.records import codec, text
from bench.records.codec import RecordError
from bench.records.record import Status
from harness import strict
from harness.errors import StoreError
from harness.strict import FieldError
from harness.terminal import shell
from harness.terminal.failures import explained

NAME: Final = "loop"
FILE: Final = f"{NAME}.json"
FULL: Final = 0.9  # the share of a processor below which rounds are called disturbed, as by the flag STOLEN


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRecord:
    """One program at one number of steps; a program without numbers has one record, and a reason."""

    framework: str
    form: str
    era: int | None  # the year of the framework; None: its file does not say
    version: str | None
    python: str | None
    steps: int | None
    every_ns: float | None  # one call that returns each product, median of the rounds
    last_ns: float | None  # one that returns the last alone
    every_vs_last: float | None  # median of the ratios of neighbouring rounds
    every_vs_last_low: float | None  # the middle half of them
    every_vs_last_high: float | None
    cpu_share: float | None  # processor time ÷ time of all rounds
    every_first_ns: int | None  # building and the first call
    last_first_ns: int | None
    every_lines: int  # logical lines of the function that returns each product
    last_lines: int
    breakpoint: str | None  # when a debugger stops in the loop, in words
    stops_in_first_call: int | None
    stops_in_later_call: int | None
    steps_of_stops: int | None
    status: Status
    reason: str | None
    title: str = ""  # of the framework; empty: by an older samestep


@dataclass(frozen=True, slots=True, kw_only=True)
class Loops:
    """All that the file has but the rounds."""

    cpu: str
    commit: str  # of samestep; empty: not known
    dirty: bool
    rows: tuple[LoopRecord, ...]
    programs: Mapping[str, str] = field(default_factory=dict)  # source by "framework_form"; none by an older samestep


def read(folder: Path) -> Loops | None:
    """Return what is in the `loop.json` of a folder; None: there is none.

    Raises:
        StoreError: it is damaged, or of another samestep; the message has the remedy.
    """
    path = folder / FILE
    try:
        return _of(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {explained(error) or error}.") from error
    except (RecordError, UnicodeDecodeError) as error:
        again = shell.samestep("loop", "--output", shell.path(folder))
        raise StoreError(f"{path} is damaged: {error}. Delete it, or make it again: {again}") from error


def _of(source: str) -> Loops:
    data = strict.parsed(source)
    if isinstance(data, dict):
        data.pop("told", None)
    found = text.safe(strict.decoded(Loops, data))
    if infinite := codec.infinite_number(found):
        raise FieldError(infinite, "is not a finite number")
    return found
