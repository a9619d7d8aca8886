"""Prepare the fresh process of a turn: its variables, CPU set and lifetime, before NumPy or a framework is imported.

NumPy's BLAS takes its number of threads from the variables and the CPU set when it is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from bench.catalogue import WEAK, framework_offer, policy_offer, strategy_offer
from bench.records.record import Cell
from bench.reference.precision import PRECISIONS
from bench.turns.artifacts import ArtifactError, content
from bench.turns.parking import PARENT
from bench.turns.turn import Turn
from bench.workloads import make

if TYPE_CHECKING:
    from bench.interface import Framework
    from bench.reference.workload import Workload

PR_SET_PDEATHSIG: Final = 1  # prctl(2)
MODEL: Final = "SAMESTEP_MODEL"  # the variable of an engine that says where the model of the turn is to lie


def end_with_parent() -> None:
    """End this process when the one that started it ends, or has ended already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = os.environ.pop(PARENT, "")
    if parent and os.getppid() != int(parent):
        os._exit(1)


def prepare(turn: Turn) -> None:
    """Set the CPU set, the variables of the framework's file, and write the model where one of them says.

    Raises:
        OSError: a CPU of the set cannot be used.
    """
    _move(turn)
    for name, value in of_framework(turn.cell):
        os.environ[name] = value.format(threads=turn.threads, scratch=scratch(), ranks=turn.cell.ranks)
    if turn.model and turn.model.artifact and MODEL in os.environ:
        with contextlib.suppress(ArtifactError):  # `workload_of` says it, when there is a record to say it in
            Path(os.environ[MODEL]).write_bytes(content(turn.model.artifact, "the model"))


def of_framework(cell: Cell) -> tuple[tuple[str, ...], ...]:
    """Return (name, value) of each variable that the framework's file asks for, with those of the allocator policy."""
    offer = framework_offer(cell.framework)
    policy = policy_offer(offer, cell.allocator)
    strategy = strategy_offer(cell).environment if cell.ranks else ()
    return (*offer.environment, *strategy, *(policy.environment if policy else ()))


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
    if own := own_cpus(turn):
        os.sched_setaffinity(0, own & given)


def own_cpus(turn: Turn) -> set[int]:
    """Return the processors of rank 0, where each rank is a process; empty: this process has all of the turn's."""
    each = len(turn.cpus) // turn.cell.ranks if turn.cell.ranks else 0
    return set(turn.cpus[:each]) if each and strategy_offer(turn.cell).in_processes else set()


def scratch() -> Path:
    """Return the folder that is empty when a replicate begins and that holds every compile cache."""
    return Path(os.environ.get("TMPDIR", "/tmp"))


def cache_entries() -> int:
    """Return how many files are in the scratch folder."""
    return entries(scratch())


def framework_of(cell: Cell) -> Framework:
    """Import the framework's module."""
    return cast("Framework", importlib.import_module(f"bench.frameworks.{cell.framework}"))


def workload_of(turn: Turn) -> Workload:
    """Make the workload of a turn's cell; at a batch it has the run's trained parameters.

    Raises:
        ArtifactError: the trained model, its parameters or the predictions to compare with are not the run's.
    """
    cell, model = turn.cell, turn.model
    made = make(cell.workload, size=cell.size, optimizer=cell.optimizer)
    if model and model.artifact:
        content(model.artifact, "the model")
    if cell.ranks and cell.scaling == WEAK:
        from bench.reference import inference

        return inference.enlarged(made, cell.ranks)
    if not cell.batch:
        return made
    if model is None or model.trained is None:
        raise ArtifactError(
            f"the turn brings no parameters of {cell.workload} {cell.size}: a message holds 32 MiB of them"
        )
    from bench.reference import inference  # only now: it loads NumPy

    parameters = inference.from_bytes(content(model.trained, "the file of trained parameters"))
    told = inference.from_bytes(content(model.expected, "the file of predictions")) if model.expected else {}
    return inference.at_batch(
        made,
        cell.batch,
        parameters,
        told.get(inference.PREDICTIONS),
        percent=PRECISIONS[cell.precision].pruned,
        unpruned=told.get(inference.UNPRUNED),
    )


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
