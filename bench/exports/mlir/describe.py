"""What a StableHLO file says of itself."""

import re
from typing import Final

import jax
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import mlir

from bench.records.record import Export

OPERATION: Final = re.compile(r"\bstablehlo\.(\w+)")
VERSION: Final = re.compile(rb"ML\xefR.(StableHLO_v[\d.]+)\0", re.DOTALL)  # MLIR's bytecode opens with its producer


def describe(model: bytes) -> Export:
    """Return what the file holds: its operations in their order, and the version of StableHLO that it needs.

    Raises:
        ValueError: these are not the bytes of a StableHLO file.
    """
    told = VERSION.match(model)
    if told is None:
        raise ValueError("these are not the bytes of a StableHLO file")
    with mlir.make_ir_context() as context:
        operations = OPERATION.findall(str(stablehlo.deserialize_portable_artifact(context, model)))
    return Export(
        format="mlir",
        operators=tuple(operation for operation in operations if operation != "constant"),
        producer=f"jax.export {jax.__version__}, {told[1].decode()}",
        versions=(f"jax=={jax.__version__}", f"jaxlib=={jax.lib.__version__}"),
    )
