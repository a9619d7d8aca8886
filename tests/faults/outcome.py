"""What a planted fault did to samestep."""

import re
from dataclasses import dataclass, field
from typing import Final

TRACEBACK: Final = "traceback"
LOST: Final = "lost"  # a record that was kept is gone or damaged, or a planned replicate was never measured
TWICE: Final = "measured twice"
OTHER: Final = "other"  # a sentence that is missing, a wrong exit code, an escape sequence, something left running
CLASSES: Final = (TRACEBACK, LOST, TWICE, OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One thing that samestep did wrong."""

    of: str  # of CLASSES
    what: str  # one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One planted fault, and what samestep did wrong with it."""

    kind: str
    number: int  # from 1; with the seed it says all of the fault
    planted: str  # one line: the mutation, the command line, the process that was killed
    wrong: tuple[Wrong, ...] = ()
    skipped: str = ""  # why it could not be planted here; empty: it was
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What `--only` takes."""
        return f"{self.kind}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one command of samestep ended."""

    command: tuple[str, ...]  # without the program
    code: int | None  # None: it did not end within its time, or was killed
    out: bytes = b""
    err: bytes = b""
    crash: str = ""  # the exception that nobody caught and where it was raised; empty: none
    written: dict[str, bytes] = field(default_factory=dict)  # files that it wrote, by path

    @property
    def shown(self) -> str:
        """The command line, short enough for a line."""
        return " ".join(part if len(part) <= 40 else f"{part[:40]!r}…" for part in self.command)


def crash_in(text: str) -> str:
    """Return the exception of the last traceback in `text` and the last place in samestep's own code; empty: none."""
    _, found, last = text.rpartition("Traceback (most recent call last)")
    if not found:
        return ""
    places = re.findall(r'File "[^"]*/((?:bench|harness)/[^"]*)", line (\d+), in (\S+)', last)
    raised = [line for line in last.splitlines()[1:] if re.match(r"[A-Za-z_][\w.]*(:|$)", line)]
    place = ":".join(places[-1][:2]) if places else "outside of samestep"
    return f"{place} {(raised or ['an exception'])[-1][:160]}"
