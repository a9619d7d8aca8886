"""Prepare the fresh process of a turn: its variables, CPU set and lifetime, before NumPy or a framework is imported.

NumPy's BLAS takes its number of threads from the variables and the CPU set when it is loaded.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import importlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from bench.catalogue import framework_offer, policy_offer
from bench.records.record import Cell
from bench.turns.parking import PARENT
from bench.turns.turn import Turn
from bench.workloads import make

if TYPE_CHECKING:
    from bench.interface import Framework
    from bench.reference.workload import Workload

PR_SET_PDEATHSIG: Final = 1  # prctl(2)
MODEL_FILE: Final = "model.onnx"  # in the scratch folder: the model of the turn


def end_with_parent() -> None:
    """End this process when the one that started it ends, or has ended already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = os.environ.pop(PARENT, "")
    if parent and os.getppid() != int(parent):
        os._exit(1)


def prepare(turn: Turn) -> None:
    """Set the CPU set, write the model, set the variables of the framework's file.

    Raises:
        OSError: a CPU of the set cannot be used.
    """
    _move(turn)
    if turn.model:
        (scratch() / MODEL_FILE).write_bytes(base64.b64decode(turn.model.base64))
    for name, value in of_framework(turn.cell):
        os.environ[name] = value.format(threads=turn.threads, scratch=scratch())


def of_framework(cell: Cell) -> tuple[tuple[str, ...], ...]:
    """Return (name, value) of each variable that the framework's file asks for, with those of the allocator policy."""
    offer = framework_offer(cell.framework)
    policy = policy_offer(offer, cell.allocator)
    return (*offer.environment, *(policy.environment if policy else ()))


def _move(turn: Turn) -> None:
    """Move this process to its CPU set; of several processors the kernel leaves out silently what it does not give."""
    if not turn.cpus:
        return
    try:
        os.sched_setaffinity(0, turn.cpus)
        given = os.sched_getaffinity(0)
    except OSError:
        given = set()
    missing = sorted(set(turn.cpus) - given)
    # A worker has the CPU set of its container, which may be a part of the harness's.
    if missing and (turn.launcher != "workers" or not given):
        cpus = ",".join(map(str, missing))
        raise OSError(errno.EINVAL, f"CPU {cpus} of the CPU set {','.join(map(str, turn.cpus))} cannot be used here")


def scratch() -> Path:
    """Return the folder that is empty when a replicate begins and that holds every compile cache."""
    return Path(os.environ.get("TMPDIR", "/tmp"))


def cache_entries() -> int:
    """Return how many files are in the scratch folder."""
    return entries(scratch())


def framework_of(cell: Cell) -> Framework:
    """Import the framework's module."""
    return cast("Framework", importlib.import_module(f"bench.frameworks.{cell.framework}"))


def workload_of(cell: Cell) -> Workload:
    """Make the cell's workload."""
    return make(cell.workload, size=cell.size, optimizer=cell.optimizer)


class PhaseFile:
    """Holds the name of the current phase, so that it is known even when the process is killed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, phase: str) -> None:
        """Write that `phase` begins."""
        self.path.write_text(phase, encoding="utf-8")


def entries(folder: Path) -> int:
    """Return how many files lie under the scratch folder, where every compile cache is placed."""
    return sum(1 for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
