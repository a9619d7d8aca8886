"""Whether a replicate ran where the run's records so far were measured: interpreter, kernel, image, variables.

What `run.json` holds of the host is asked before a run goes on (`harness.store.resume`). An interpreter of another
build, another image or other variables are known when a replicate says where it ran.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from bench.records.record import Cell, Environment, Record
from harness.errors import MachineError
from harness.plan.label import name

OF_FRAMEWORK: Final[Mapping[str, str]] = {  # by field of Environment: what it is, the same in all its cells
    "python": "the interpreter",
    "platform": "the kernel or the C library",
    "cpu": "the processor",
    "cpus": "the CPU set",
    "image": "the image",
}
# They differ between two replicates of any run, or say where programs are and not how they compute.
OTHERWISE: Final = ("HOME", "PATH", "PYTHONHASHSEED", "PYTHONPATH", "TMPDIR")
OF_HARNESS: Final = "SAMESTEP_"
TURN: Final = re.compile(r"/[^\s:=,]*turn-[^\s:=,/]+")  # the folder of a turn, in values that name its scratch folder
MOST_NAMED: Final = 3


class Sameness:
    """Where the records of one run were measured."""

    def __init__(self, kept: Iterable[Record]) -> None:
        """Take the records so far."""
        self._of_framework: dict[tuple[str, int], dict[str, object]] = {}  # by framework with its variant, and ranks
        self._of_cell: dict[Cell, Environment] = {}
        for record in kept:
            self._note(record)

    def require(self, record: Record) -> None:
        """Take a record that is to be kept.

        Raises:
            MachineError: it was measured elsewhere; the message has the difference.
        """
        if differences := self._differences(record):
            raise MachineError(
                f"{name(record.cell)} did not run where the records so far were measured:"
                f" {'; '.join(differences)}. They stay as they are; go on with --resume when it is as it was,"
                " or start a new run."
            )
        self._note(record)

    def _note(self, record: Record) -> None:
        where = record.environment
        if where is None:
            return
        first = self._of_framework.setdefault((record.cell.framework_id, record.cell.ranks), {})
        for field in OF_FRAMEWORK:
            if value := getattr(where, field):
                first.setdefault(field, value)
        if where.versions:  # without: it ended before the import
            self._of_cell.setdefault(record.cell, where)

    def _differences(self, record: Record) -> list[str]:
        now = record.environment
        if now is None:
            return []
        first = self._of_framework.get((record.cell.framework_id, record.cell.ranks), {})
        found = [
            f"{what} was {_text(first[field])}, it is {_text(value)}"
            for field, what in OF_FRAMEWORK.items()
            if field in first and (value := getattr(now, field)) and value != first[field]
        ]
        then = self._of_cell.get(record.cell)
        if then is not None and now.versions:
            found += _changed("packages", then.versions, now.versions, separator="==")
            kind = "variables" if then.variables and now.variables else "flags"
            found += _changed("variables", *(_figures(getattr(where, kind)) for where in (then, now)))
        return found


def _changed(what: str, then: Iterable[str], now: Iterable[str], *, separator: str = "=") -> list[str]:
    """Return what differs between two lists of "name=value", in one part of a sentence; nothing: they are the same."""
    before, after = (dict(_pair(text, separator) for text in each) for each in (then, now))
    names = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    parts = [f"{key} was {before.get(key, 'not there')}, it is {after.get(key, 'not there')}" for key in names]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return [f"{what}: {', '.join(parts[:MOST_NAMED])}{more}"] if names else []


def _pair(text: str, separator: str) -> tuple[str, str]:
    key, _, value = text.partition(separator)
    return key, value or "empty"


def _figures(variables: Iterable[str]) -> list[str]:
    """Return the variables on which a figure may depend, the folder of the turn left out of their values."""
    kept = (text for text in variables if not text.startswith(OF_HARNESS))
    return [TURN.sub("…", text) for text in kept if text.partition("=")[0] not in OTHERWISE]


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
