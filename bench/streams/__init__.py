"""The pipelines: one file for each framework that has its own, listed nowhere else.

A file opens with literals, which `bench.catalogue` reads without importing it:

    PIPELINES = {"records-2-workers": "one sentence", …}   in the order of the tables; the part of a name before the
                                                           first "-" is the format (`bench.data.dataset.FORMATS`)
    UNORDERED = ("records-shuffled",)                      only for pipelines that keep no order
    PLAIN = ("memmap-plain",)                              only for those that give the samples as they lie in the files

then imports its framework and defines `pipeline` and `trainer`. What several share, and what only some pipelines need
to import, is in files that begin with `_`. Pixels travel as uint8: decoding and augmentation
belong to the pipeline, the cast to float32 and (pixel - 64) / 64 to the step.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data.dataset import Dataset
from bench.interface import Output, Skip
from bench.reference.workload import Workload

CENTRE: Final = 64.0  # a pixel x is (x - CENTRE) / CENTRE to the model

Batches = Iterator[tuple[Any, Any]]  # (x, y) as the framework has them: uint8 (n, 32, 32, 3), integers (n,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline that is set up; `epoch` may be called many times, the last iterator may be left before its end."""

    epoch: Callable[[int], Batches]  # the batches of the epoch with this number
    close: Callable[[], None] = lambda: None  # end its workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """A training step that takes its batch from a pipeline, at the workload's initial parameters."""

    step: Callable[[Any, Any], Output]  # one update with (x, y); returns the loss without waiting for the device
    parameters: Callable[[], Mapping[str, NDArray[np.float32]]]  # as they are now; names and shapes of the workload


class Streams(Protocol):
    """What `bench.tracks.stream` needs from a module under `bench/streams`."""

    PIPELINES: Mapping[str, str]

    def pipeline(self, data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
        """Return the pipeline `mode` over `data`; every epoch has all samples once, in the order of their indices.

        Sample i of epoch e has the augmentation `bench.data.augment.choices(seed, e, i, 1)`.
        """
        ...

    def trainer(self, workload: Workload) -> Trainer | Skip:
        """Return the framework's usual step on a workload of `bench.workloads.make_streamed`."""
        ...
