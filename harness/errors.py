"""The errors that samestep raises on purpose, each with the exit code of the command.

    SamestepError            1   the request or this host is at fault; the message says what is wrong and the remedy
    ├── SelectionError       1   an unknown or empty selection, with the nearest valid names
    ├── SetupError           1   an interpreter, environment, image or engine is missing or cannot be made
    ├── MachineError         1   the machine lets no replicate begin, or is no longer the one of the run
    └── StoreError           1   a run folder cannot be read, written or resumed

A cell that fails is not an error: it becomes a record, and the run ends with 3. Ctrl-C ends with 130.
"""

from typing import Final

OK: Final = 0
USAGE: Final = 1
SOME_FAILED: Final = 3
INTERRUPTED: Final = 130


class SamestepError(Exception):
    """An error whose message is one sentence: what is wrong, where, and the remedy."""

    exit_code = USAGE


class SelectionError(SamestepError):
    """The selection has an unknown name, or is empty."""


class SetupError(SamestepError):
    """An interpreter, environment, image or engine is missing or cannot be made."""


class MachineError(SamestepError):
    """The machine lets no replicate begin, or is no longer the one that the run began on; its records are kept."""


class StoreError(SamestepError):
    """A run folder cannot be read, written or resumed."""
