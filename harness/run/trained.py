"""The trained models of a run: computed once, in float64, before the first replicate that infers with them."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any, Final

from bench.records.record import Cell
from bench.reference.precision import PRECISIONS
from bench.turns.turn import Model
from harness.run.computed import by_bench
from harness.store.models import Models

NOT_TRAINED: Final = 3  # exit code of `python -m bench trained`
TIMEOUT_S: Final = 3600.0


class TrainingError(Exception):
    """There is no trained model; one sentence. `is_skip`: because it would take too long, which is no failure."""

    def __init__(self, reason: str, *, is_skip: bool) -> None:
        super().__init__(reason)
        self.is_skip = is_skip


class Trained:
    """The trained models of one run."""

    def __init__(self, models: Models, cells: Iterable[Cell]) -> None:
        """Keep them with `models`, for the batches of `cells`."""
        self._models = models
        self._batches: dict[tuple[str, str], set[str]] = {}
        for cell in cells:
            if cell.batch:
                self._batches.setdefault((cell.workload, cell.size), set()).add(_batch(cell))
        self._index: dict[str, Any] = dict(models.trained())
        self._failed: dict[str, TrainingError] = {}

    def model(self, cell: Cell) -> Model:
        """Return the trained parameters and the expected predictions of a cell with a batch; made when first needed.

        Raises:
            TrainingError: there are none.
            OSError: they cannot be written.
        """
        key, batch = f"{cell.workload}/{cell.size}", _batch(cell)
        if key in self._failed:
            raise self._failed[key]
        if batch not in self._index.get(key, {}).get("expected", {}):
            try:
                self._index[key] = self._make(cell)
            except TrainingError as error:
                self._failed[key] = error
                raise
            self._models.write_trained(self._index)
        made: Mapping[str, Any] = self._index[key]
        return Model(
            trained=self._models.artifact(made["trained"]), expected=self._models.artifact(made["expected"][batch])
        )

    def _make(self, cell: Cell) -> Any:
        batches = sorted(self._batches.get((cell.workload, cell.size), set()) | {_batch(cell)})
        self._models.folder.mkdir(exist_ok=True)
        folder = str(self._models.folder.resolve())
        try:
            ended = by_bench("trained", folder, cell.workload, cell.size, *batches, timeout_s=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise TrainingError(f"training it in float64 took more than {TIMEOUT_S:g} s", is_skip=False) from error
        if ended.returncode:
            said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
            raise TrainingError(said[-1], is_skip=ended.returncode == NOT_TRAINED)
        return json.loads(ended.stdout)


def _batch(cell: Cell) -> str:
    """Return what `python -m bench trained` calls the predictions that a cell is compared with."""
    pruned = PRECISIONS[cell.precision].pruned
    return f"{cell.batch}/{pruned}" if pruned else str(cell.batch)
