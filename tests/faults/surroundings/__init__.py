"""Short real runs where the shell, the disk, the terminal or the machine is not as usual. Each case runs once."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.faults.outcome import OTHER, Outcome, Wrong
from tests.faults.room import NotHereError, Room
from tests.faults.surroundings import machine, places, races, signals, streams, variables
from tests.faults.surroundings.case import Case

KIND: Final = "surroundings"
SENTENCE: Final = "short real runs with odd variables, disks, terminals, signals, limits and company"
CASES: Final[Sequence[Case]] = (
    *variables.CASES,
    *places.CASES,
    *streams.CASES,
    *signals.CASES,
    *machine.CASES,
    *races.CASES,
)


def numbers(*, short: bool) -> list[int]:
    """Return the numbers of all cases, or of the sample that CI plants."""
    return [number for number, each in enumerate(CASES, start=1) if each.short or not short]


class Surroundings:
    """Plants a case for each number."""

    def __init__(self, folder: Path | None) -> None:
        """Run in rooms under `folder`; None: under the temporary one."""
        self._folder = folder

    def one(self, number: int) -> Outcome:
        """Plant one case; return what was wrong."""
        chosen = CASES[number - 1]
        wrong: list[Wrong] = []
        skipped = ""
        begin = time.monotonic()
        with Room(self._folder) as room:
            try:
                wrong += chosen.plant(room)
                wrong += room.nothing_left()
            except NotHereError as error:
                skipped = str(error)
            except Exception as error:  # noqa: BLE001 -- what a case did not expect to find is a finding
                # Where something was wrong before, what should be there is missing.
                wrong += (
                    []
                    if wrong
                    else [Wrong(of=OTHER, what=f"the case ended with {type(error).__name__}: {str(error)[:200]}")]
                )
        return Outcome(
            kind=KIND,
            number=number,
            planted=chosen.name,
            wrong=tuple(wrong),
            skipped=skipped,
            seconds=time.monotonic() - begin,
        )
