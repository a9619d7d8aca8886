"""What ONNX Runtime computes a model's products in, read from the file and from the graph that it makes of it.

A quantised file in ONNX's form QDQ has float32 products between operators that round, and whether ONNX Runtime fuses
these into products of 8 bits is its own affair. So the graph that it runs is read: a second session with the same
options writes it down.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from bench.exports.onnx import mode_of
from bench.exports.onnx.header import matrices, operators, producer

ROUNDS_IN_EACH_CALL: Final = {"DynamicQuantizeLinear"}
ROUNDS: Final = {"QuantizeLinear", "DequantizeLinear"}
OF_8_BITS: Final = {
    "ConvInteger", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QGemm", "QLinearConv",
    "QLinearMatMul",
}  # fmt: skip
PRUNED: Final = (50, 90)  # per cent
MARGIN: Final = 4  # per cent by which rounding to whole numbers, and masks among the weights, change the share of zeros
OF_FLOAT32: Final = {"Conv", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What was read."""

    mode: str  # of `onnxruntime.MODES`: whose model it is, and how it is quantised
    products: str  # dtype of the products with weights
    evidence: str


def read(model: str, write_optimized: Callable[[str], Any]) -> Graph:
    """Return what the file `model` says, and if it is quantised, the graph that `write_optimized` writes to a path."""
    data = Path(model).read_bytes()
    writer, asked = producer(data), set(operators(data))
    told = f"the model's producer is {writer!r}"
    if not asked & (ROUNDS_IN_EACH_CALL | ROUNDS):
        zeros = _zeros(data)
        suffixes = (f"-pruned-{percent}" for percent in PRUNED if abs(zeros - percent) <= MARGIN)
        return Graph(
            mode=mode_of(writer) + next(suffixes, ""),
            products="float32",
            evidence=f"{told}; of the numbers in its matrices {zeros:.0f} % are zero",
        )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        write_optimized(str(path))
        ran = operators(path.read_bytes())
    suffix = "int8" if asked & ROUNDS_IN_EACH_CALL else "int8-static"
    eighth, whole = _counted(ran, OF_8_BITS), _counted(ran, OF_FLOAT32)
    return Graph(
        mode=f"{mode_of(writer)}-{suffix}",
        products="int8" if eighth else "float32",
        evidence=f"{told}; of the graph that it makes of the file {eighth or 'nothing'} multiplies integers of 8 bits,"
        f" {whole or 'nothing'} numbers of float32",
    )


def _zeros(data: bytes) -> float:
    """Return how many per cent of the numbers in the matrices of a file are zero."""
    arrays = [np.frombuffer(each, "<f4") for each in matrices(data) if len(each) % 4 == 0]
    return 100 * sum(int(np.sum(each == 0)) for each in arrays) / max(1, sum(each.size for each in arrays))


def _counted(ran: Collection[str], kinds: Collection[str]) -> str:
    counts = Counter(operator for operator in ran if operator in kinds)
    return ", ".join(f"{count} x {name}" for name, count in sorted(counts.items()))
