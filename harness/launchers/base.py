"""The one boundary between the run and the place where frameworks live."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bench.turns.turn import Outcome, Turn

# Told the host's PID of a replicate's first process and the folder of its turn, as soon as there are any.
OnStart = Callable[[int, Path], None]
Say = Callable[[str], None]  # takes one plain line of progress for a person


class Launcher(Protocol):
    """Runs turns one at a time, each in a fresh process. Tests give a fake of it."""

    name: str  # its key in `choose.LAUNCHERS`: what records and the command line call it
    in_container: bool  # replicates run in containers

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Make each framework's environment ready, with progress; return why for those that cannot be.

        A framework that cannot be prepared is not an error: its cells are recorded as failed, the others run.

        Raises:
            SetupError: nothing can run at all, such as no engine.
        """
        ...

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        """Run `turn` in a fresh process to its end, its time limit, or its death; leave nothing running.

        On KeyboardInterrupt the process is ended before the interrupt goes on.
        """
        ...

    def again(self, run: Path) -> str:
        """Return what a person types to go on with the run in the folder `run`."""
        ...

    def close(self) -> None:
        """Release what `prepare` acquired; safe to call twice."""
        ...
