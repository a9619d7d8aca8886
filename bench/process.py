"""Prepare the fresh process of a turn: its variables, CPU set and lifetime, before anything heavy is imported."""

import ctypes
import os
import signal
from pathlib import Path
from typing import Final

from bench.catalogue import framework_offer
from bench.turn import Turn

PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def prepare(turn: Turn) -> None:
    """Die with the launcher, take the CPU set, set what the framework's file asks for.

    Raises:
        OSError: a CPU of the set is not there.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if turn.cpus:
        os.sched_setaffinity(0, turn.cpus)
    scratch = os.environ.get("TMPDIR", "/tmp")
    for name, value in framework_offer(turn.cell.framework).environment:
        os.environ[name] = value.format(threads=turn.threads, scratch=scratch)


class PhaseFile:
    """Holds the name of the phase under way, so that a killed process still says where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, phase: str) -> None:
        """Note that `phase` begins."""
        self.path.write_text(phase, encoding="utf-8")
