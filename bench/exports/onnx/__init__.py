"""ONNX, as `bench.exports` says; every exporter's file gets the same versions."""

from typing import Final

from bench import exports
from bench.exports import INPUT as INPUT
from bench.exports import OUTPUT as OUTPUT

# What every exporter can write and the locked ONNX Runtime reads (it takes IR up to 13, opset up to 26): tf2onnx ends
# at opset 18, PyTorch's begins there. Left alone, each would write another pair.
IR_VERSION: Final = 10
OPSET: Final = 18
JAX2ONNX_OF_FLAX: Final = "jax2onnx of Flax"
PRODUCERS: Final = {
    "pytorch": "from-torch",
    "tf2onnx": "from-keras",
    "jax2onnx": "from-jax",
    JAX2ONNX_OF_FLAX: "from-flax",
}


class ExportError(exports.ExportError):
    """A model cannot be written as ONNX."""

    def __init__(self, framework: str, operator: str, why: str) -> None:
        super().__init__(framework, operator, f"ONNX (IR version {IR_VERSION}, opset {OPSET})", why)


def mode_of(producer: str) -> str:
    """Return the mode of an engine that runs a model of this producer, as the model names it."""
    return PRODUCERS.get(producer, f"from {producer or 'an unnamed producer'}")
