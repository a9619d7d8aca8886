"""Flax: the StableHLO of `jax.export`, for compilers that are not JAX."""

from collections.abc import Mapping

from jax import export as jax_export

from bench.exports.stablehlo import flax as stablehlo
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as StableHLO.

    Raises:
        ExportError: a primitive that has no StableHLO.
    """
    exported = jax_export.deserialize(bytearray(stablehlo.export(workload, parameters)))
    return bytes(exported.mlir_module_serialized)
