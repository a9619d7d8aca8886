"""The input of a step: which arrays the step with a given number consumes, and where they are before it.

A framework takes its arrays from here and from nowhere else. A workload is `Resident`: one batch, on the device before
the first step. `Streamed` says what a step consumes that takes its batches from a pipeline (`bench.streams`).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data import identity

Array = NDArray[Any]  # of float32, or of int32 for labels


class Batch(NamedTuple):
    """What one step consumes: read-only, C-contiguous."""

    x: Array  # float32, (samples, …)
    y: Array  # float32, or int32 for labels

    def by_name(self) -> dict[str, Array]:
        """Return the arrays under "x" and "y"."""
        return self._asdict()


class Inputs(Protocol):
    """The input of all steps."""

    def batch(self, step: int) -> Batch:
        """Return what the step consumes; `step` counts from 0."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """The same batch for every step, on the device before the first one."""

    x: Array
    y: Array

    def batch(self, step: int) -> Batch:
        """Return the batch, whatever the step."""
        return Batch(self.x, self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """Batches of the generated images (`bench.data`), in their order, augmented as in the first epoch."""

    rows: int  # of a batch
    shape: tuple[int, ...]  # of one sample as the model takes it, such as (3072,)
    seed: int
    augments: bool = True

    def batch(self, step: int) -> Batch:
        """Return the batch of a step as float32 from -1 to 1: (pixel - 64) / 64, which is exact."""
        made = identity.batch_of(step * self.rows, self.rows, seed=self.seed, epoch=0, augments=self.augments)
        x = (made.x.reshape(self.rows, *self.shape).astype(np.float32) - np.float32(64)) / np.float32(64)
        return Batch(x, made.y)
