"""The work of a forward pass at a batch, of what a workload declares of its own batch. Standard library only."""

import dataclasses
from typing import Any, TypeVar

W = TypeVar("W")  # `bench.reference.workload.Work`, or `bench.catalogue.SizeOffer`, which has its fields


def forward_at(work: W, batch: int) -> W:
    """Return the work of a forward pass of `batch` rows; the parameters are read once, whatever the batch.

    The footprint is what it moves: a forward pass need not keep its activations.
    """
    own: Any = work
    flops = own.forward_flops * batch // own.samples
    weights = 4 * own.parameters
    moved = weights + (own.forward_bytes - weights) * batch // own.samples
    changed: Any = dataclasses.replace(
        own, samples=batch, flops=flops, forward_flops=flops, bytes=moved, forward_bytes=moved, footprint=moved
    )
    return changed  # type: ignore[no-any-return]  # of the same kind
