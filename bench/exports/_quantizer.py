"""ONNX Runtime's quantiser, which turns an ONNX file that a framework wrote into one with weights of 8 bits.

It runs where the file is written. Its own advice (docs of ONNX Runtime, "Quantize ONNX models") is followed in what is
not said here: signed weights with a scale for each channel, symmetric; unsigned activations, asymmetric.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from bench.exports.onnx import INPUT
from bench.reference.workload import Array32

# Norms, the softmax and GELU stay in float32: with all that ONNX Runtime can quantise, the transformer of size S loses
# the class of 22 % of its tokens, so 3 % (decision 45).
PRODUCTS: Final = ["MatMul", "Gemm", "Conv"]
VERSIONS: Final = (f"onnxruntime=={onnxruntime.__version__}", f"onnx=={onnx.__version__}")


class Rows(CalibrationDataReader):  # type: ignore[misc]  # a class without types
    """Hands batches of x (batches, batch, …) to the calibration one by one."""

    def __init__(self, batches: Array32) -> None:
        self._left = iter(batches)

    def get_next(self) -> dict[str, Array32] | None:
        """Return the next batch by the name of the input; None after the last."""
        batch = next(self._left, None)
        return None if batch is None else {INPUT: batch}


def dynamic(model: bytes) -> bytes:
    """Return the file `model` with weights of 8 bits, whose operands ONNX Runtime rounds in each call."""
    return _quantized(
        model, lambda read, path: quantize_dynamic(read, path, per_channel=True, weight_type=QuantType.QInt8)
    )


def static(model: bytes, batches: Array32) -> bytes:
    """Return the file `model` with products of 8 bits; what rounds their operands is fixed by a calibration.

    Args:
        model: an ONNX file for one batch.
        batches: inputs, shape (batches, batch, …), that the ranges of the operands are taken from.
    """
    return _quantized(
        model,
        lambda read, path: quantize_static(
            read,
            path,
            Rows(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=PRODUCTS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        ),
    )


def _quantized(model: bytes, quantize: Callable[[onnx.ModelProto, Path], Any]) -> bytes:
    read = onnx.load_from_string(model)
    name, version = read.producer_name, read.producer_version
    # PyTorch's exporter tells shapes of initialisers that the quantiser replaces, and then fails to infer
    del read.graph.value_info[:]
    with TemporaryDirectory() as folder, _silent():
        path = Path(folder) / "model.onnx"
        quantize(read, path)
        written = onnx.load(path)
    # the quantiser puts its own name in place of the exporter's: whose model it is would be lost
    written.producer_name, written.producer_version = name, version
    return bytes(written.SerializeToString())


@contextmanager
def _silent() -> Iterator[None]:
    """Leave out the quantiser's advice to optimise the file first, which the exporter has done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
