"""The module with a framework's strategies; processors and variables of each rank. Standard library only."""

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.records.record import Cell
from bench.turns.prepare import of_framework
from bench.turns.turn import Turn

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"


def strategies_of(cell: Cell) -> Any:
    """Import the module with the strategies of a cell with ranks."""
    return importlib.import_module(f"bench.parallel.{cell.framework}")


def cpus_of(cpus: Sequence[int], rank: int, ranks: int) -> tuple[int, ...]:
    """Return the processors of a rank: the rank-th of `ranks` equal parts; all where there are fewer than ranks."""
    each = len(cpus) // ranks
    return tuple(cpus[rank * each : (rank + 1) * each]) if each else tuple(cpus)


def variables_of(turn: Turn, rank: int, scratch: Path, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of a follower whose scratch folder is `scratch`: its caches are its own, and its GPU is."""
    asked = {
        name: value.format(threads=turn.threads, scratch=scratch, ranks=turn.cell.ranks)
        for name, value in of_framework(turn.cell)
    }
    gpus = [name for name in inherited.get(VISIBLE, "").split(",") if name]
    gpu = {VISIBLE: gpus[rank] if rank < len(gpus) else str(rank)} if turn.cell.device == "cuda" else {}
    return {**inherited, **asked, **gpu, "HOME": str(scratch), "TMPDIR": str(scratch)}
