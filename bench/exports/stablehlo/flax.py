"""Flax: `jax.export` of the model's call, its variables closed over."""

from collections.abc import Mapping

from bench.exports._flax import loaded
from bench.exports.stablehlo._serialized import serialized
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a serialised function.

    Raises:
        ExportError: a primitive that has no StableHLO.
    """
    return serialized(loaded(workload, parameters), workload, "Flax", "from_flax")
