"""The interface of the launchers: all that a run knows of the environments of the frameworks."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bench.turns.parking import Parked
from bench.turns.turn import Outcome, Turn

# Called with the PID of a replicate's first process, as this process sees it, and the folder that has its phase. 0: the
# PID is not known, or not yet; then it may be called again.
OnStart = Callable[[int, Path], None]
Say = Callable[[str], None]  # called with one line of progress


class Member(Protocol):
    """A replicate that takes turns with others of its group. Its process runs only inside these calls.

    Each call that returns an `Outcome` has ended the process and removed its folder; none may follow but `kill`.
    """

    def start(self, on_start: OnStart) -> Parked | Outcome:
        """Start the process and wait until it parks after its warm-up, or ends: failed, skipped, out of time."""
        ...

    def run_slice(self) -> Outcome | None:
        """Let it run one time slice; None: it has, and is stopped again."""
        ...

    def finish(self) -> Outcome:
        """Let it check and write its record, and what follows in the same turn, and wait for its end."""
        ...

    def kill(self) -> None:
        """End the process and all that it started; safe to call at any time, also twice."""
        ...


class Launcher(Protocol):
    """Runs turns one at a time, each in a fresh process. Tests use a fake."""

    name: str  # its key in `choose.LAUNCHERS`, also in records and on the command line
    in_container: bool  # replicates run in containers

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Make the environment of each framework ready; return, by framework, why it cannot be.

        A variant of a framework is named with it, as in `Cell.framework_id`: "jax@0.9.2".
        A framework that cannot be prepared is not an error: its cells are recorded as failed, the others run.
        `say` gets the progress.

        Raises:
            SetupError: nothing can run at all, for example without a Docker engine.
        """
        ...

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        """Run `turn` in a fresh process until it ends, is killed, or reaches its time limit; leave no process running.

        On KeyboardInterrupt the process is ended before the interrupt is raised again.
        """
        ...

    def why_not_alternate(self) -> str:
        """Return why its processes cannot take turns; empty: they can. Call `prepare` first."""
        ...

    def member(self, turn: Turn) -> Member:
        """Return `turn`, which has `alternates` set, as a member of a group; nothing is started yet."""
        ...

    def damage(self, framework: str) -> str:
        """Return what is damaged in the environment of a framework, with the remedy; empty: nothing that is known."""
        ...

    def inventory(self, framework: str) -> str:
        """Return the SHA-256 over what is installed in the environment of a framework; empty: it is not known."""
        ...

    def again(self, run: Path) -> str:
        """Return the command that resumes the run in the folder `run`."""
        ...

    def close(self) -> None:
        """Release the resources of `prepare`; safe to call twice."""
        ...
