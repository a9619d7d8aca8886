"""Every error that samestep raises on purpose; each carries the exit code that the command ends with.

    SamestepError            1   something about the request or this host; the message names the thing and the remedy
    ├── SelectionError       1   an unknown or empty selection, with the nearest valid names
    ├── SetupError           1   an interpreter, environment, image or engine that is not there or cannot be made
    └── StoreError           1   a run folder that cannot be read, written or resumed

A cell that fails is no error: it is a record, and the run ends with 3. Ctrl-C ends with 130.
"""

from typing import Final

OK: Final = 0
USAGE: Final = 1
SOME_FAILED: Final = 3
INTERRUPTED: Final = 130


class SamestepError(Exception):
    """One sentence for a person: what, where, and the remedy."""

    exit_code = USAGE


class SelectionError(SamestepError):
    """The selection names something unknown, or nothing."""


class SetupError(SamestepError):
    """An interpreter, environment, image or engine is missing or cannot be made."""


class StoreError(SamestepError):
    """A run folder cannot be read, written or resumed."""
