"""What a function that `jax.export` serialised says of itself."""

import re
from typing import Final

import jax
from jax import export

from bench.records.record import Export

OPERATION: Final = re.compile(r"\bstablehlo\.(\w+)")


def describe(model: bytes) -> Export:
    """Return what the function holds: its StableHLO operations in their order.

    Raises:
        ValueError: these are not the bytes of such a function.
    """
    exported = export.deserialize(bytearray(model))
    operations = OPERATION.findall(exported.mlir_module())
    return Export(
        format="stablehlo",
        operators=tuple(operation for operation in operations if operation != "constant"),
        producer=f"jax.export {jax.__version__} for {', '.join(exported.platforms)}, calling convention "
        f"{exported.calling_convention_version}",
    )
