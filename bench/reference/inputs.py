"""The input of a step: which arrays the step with a given number consumes, and where they are before it.

A framework takes its arrays from here and from nowhere else. Today every workload is `Resident`: one batch, on the
device before the first step. Input that is streamed or sharded is another `Inputs`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

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
