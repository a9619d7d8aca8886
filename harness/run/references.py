"""The float64 references of a run: each computed once, before the first replicate that is compared with it.

A reference of a larger workload takes seconds, and every replicate needs the same. It is computed by NumPy in a process
of its own, whose files are those of a run's models, and a replicate checks that it is of its own bytes. Where there is
none, for whatever reason, the replicate computes it.
"""

import functools
import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from bench.catalogue import EXPORT, STREAM, WorkloadOffer, adam_of
from bench.records.record import FORWARD_ONLY, Cell
from bench.turns.turn import Artifact
from harness.run.computed import by_bench
from harness.store.files import complete_file
from harness.store.models import Models

INDEX_FILE: Final = "references.json"
LEAST_FLOPS: Final = 5e8  # of a step: below, the training in float64 takes less time than a process takes to start
TIMEOUT_S: Final = 600.0
OTHERS: Final = ("idiomatic", EXPORT, STREAM)  # tracks that are compared with something else, or hold it once


class References:
    """The references of one run."""

    def __init__(self, models: Models, workloads: Sequence[WorkloadOffer], cells: Iterable[Cell]) -> None:
        """Keep them with `models`; `cells` has one of each replicate: what only one needs is not kept."""
        self._models = models
        self._adam_of = functools.cache(adam_of)
        self._large = {
            (offer.name, work.name) for offer in workloads for work in offer.works if work.flops >= LEAST_FLOPS
        }
        self._needs = Counter(key for cell in cells if (key := self._key(cell)))
        self._index = self._kept()

    def artifact(self, cell: Cell) -> Artifact | None:
        """Return the reference that `cell` is compared with, made when first needed; None: it computes its own."""
        key = self._key(cell)
        if not key or self._needs[key] < 2:
            return None
        if key not in self._index:
            self._index[key] = self._make(cell)
            try:
                with complete_file(self._models.folder / INDEX_FILE) as temporary:
                    temporary.write_text(json.dumps(self._index, indent=1) + "\n", encoding="utf-8")
            except OSError:  # no room: it is made again by a resumed run
                pass
        return self._models.artifact(self._index[key]) if self._index[key] else None

    def _key(self, cell: Cell) -> str:
        """Return what decides a reference, for people too; empty: the cell has none that is worth keeping."""
        is_small = (cell.workload, cell.size) not in self._large
        if is_small or cell.batch or cell.track in OTHERS or cell.optimizer == FORWARD_ONLY:
            return ""
        formula = self._adam_of(cell.framework) if cell.optimizer == "adam" else cell.optimizer
        return f"{cell.workload} {cell.size} {cell.optimizer} {cell.enlarged} {formula}" if formula else ""

    def _make(self, cell: Cell) -> str:
        """Return the digest of the reference's file; empty: it takes too long, or could not be written."""
        try:
            self._models.folder.mkdir(exist_ok=True)
            folder = str(self._models.folder.resolve())
            ended = by_bench("reference", folder, *self._key(cell).split(), timeout_s=TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return ended.stdout.strip() if ended.returncode == 0 else ""

    def _kept(self) -> dict[str, str]:
        """Return what an earlier session of the run wrote; empty: nothing that can be read."""
        try:
            read = json.loads((self._models.folder / INDEX_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(key): str(name) for key, name in read.items()} if isinstance(read, dict) else {}
