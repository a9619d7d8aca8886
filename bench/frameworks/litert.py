"""LiteRT: inference on the CPU of the trained model that Keras on TensorFlow wrote for it, float32 by XNNPACK.

The input is set once, and the result is copied out when it is looked at. LiteRT applies XNNPACK by itself and leaves to
its own kernels what XNNPACK does not have; the proof names these.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import KINGMA_BA, Array32, Array64, Workload

MODES = {
    "from-keras": "inference of the model that Keras on TensorFlow wrote with TensorFlow's LiteRT converter",
    "from-keras-int8": "the same with weights of 8 bits; their operands are rounded to 8 bits in each call",
    "from-keras-int8-static": "the same in whole numbers of 8 bits throughout; scales fixed by the training inputs",
}
BASELINE = ""
SOURCES = {
    "from-keras": "keras_tensorflow/litert",
    "from-keras-int8": "keras_tensorflow/litert_int8",
    "from-keras-int8-static": "keras_tensorflow/litert_int8_static",
}
PRECISIONS = {"from-keras-int8": "int8", "from-keras-int8-static": "int8"}
TRAINS = False
DEVICES = ("cpu",)
ENVIRONMENT = {"SAMESTEP_MODEL": "{scratch}/model.tflite"}
ADAM = KINGMA_BA  # of no consequence: nothing is trained here
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"), "the model's own graph")
CONVERTER: Final = b"MLIR Converted"  # what TensorFlow's converter writes as the description of a file
PRODUCTS: Final = ("FULLY_CONNECTED", "CONV_2D", "BATCH_MATMUL")
DELEGATE: Final = "DELEGATE"  # LiteRT's name of the operator that stands for a part of the graph taken by a delegate

_threads = 1


def start(device: str, threads: int) -> None:
    """Remember the threads: they are an option of the interpreter, which `build` makes."""
    global _threads
    if device != "cpu":
        raise RuntimeError(f"LiteRT is measured on the CPU only, not on {device}")
    _threads = threads


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the model at SAMESTEP_MODEL; XNNPACK takes its part of the graph here."""
    if precision != PRECISIONS.get(mode, "float32"):
        return Skip(f"{mode} of LiteRT has {PRECISIONS.get(mode, 'float32')} only, not {precision}")
    path = Path(os.environ["SAMESTEP_MODEL"])
    before = _running()
    interpreter = Interpreter(model_path=str(path), num_threads=_threads)
    interpreter.allocate_tensors()
    pool = _running() - before
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(given["index"], workload.batch.x)
    invoke = interpreter.invoke

    def result() -> Array32:
        return np.asarray(interpreter.get_tensor(made["index"]))

    def call() -> Callable[[], Array32]:
        invoke()
        return result

    return Step(
        call=call,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: dict(workload.parameters),  # an engine shows none: digest and predictions prove them
        proof=lambda: _proof(interpreter, path.read_bytes(), pool + 1),
        inference=True,
    )


def _running() -> int:
    """Return how many threads this process has."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _proof(interpreter: Interpreter, model: bytes, threads: int) -> ModeProof:
    """Return what the interpreter says of itself: the operators that ran, those of XNNPACK, the dtypes."""
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    nodes = interpreter._get_ops_details()
    ran = ran_nodes(nodes, made["index"])
    own = Counter(node["op_name"] for node in ran if node["op_name"] != DELEGATE)
    delegates = len(ran) - sum(own.values())
    products = [node for node in nodes if node["op_name"] in PRODUCTS]
    kinds = [{np.dtype(kind).name for kind in node["operand_types"]} - {"int32"} for node in products]
    eighth = sum("int8" in kind for kind in kinds)
    throughout = sum(kind == {"int8"} for kind in kinds)
    mode = "from-keras-int8-static" if throughout else "from-keras-int8" if eighth else "from-keras"
    inside = "int8" if eighth else " and ".join(sorted(set().union(*kinds)))
    left = ", ".join(f"{count} x {name}" for name, count in sorted(own.items())) or "nothing"
    return ModeProof(
        mode=mode if CONVERTER in model else "from an unknown converter",
        device="cpu",
        threads=threads,
        precision=np.dtype(given["dtype"]).name,
        compute_precision=inside if delegates else "of LiteRT's own kernels: XNNPACK took no part",
        compilations=None,
        output_device="cpu",
        output_precision=np.dtype(made["dtype"]).name,
        evidence=f"of {sum(node['op_name'] != DELEGATE for node in nodes)} operators XNNPACK runs all but {left},"
        f" in {delegates} parts; {eighth} of {len(products)} products have weights of 8 bits,"
        f" {throughout} all operands;"
        f" LiteRT began {threads - 1} threads beside its caller's; dtypes are the operands'",
    )


def ran_nodes(nodes: Sequence[Mapping[str, Any]], result: int) -> list[Mapping[str, Any]]:
    """Return the nodes that tensor `result` depends on, each tensor made by a delegate where one makes it.

    An interpreter lists the operators that a delegate replaced beside the delegate's own nodes, which come last.
    """
    maker = {int(tensor): node for node in nodes for tensor in node["outputs"]}
    found: dict[int, Mapping[str, Any]] = {}
    asked = [result]
    while asked:
        node = maker.get(asked.pop())
        if node is not None and node["index"] not in found:
            found[node["index"]] = node
            asked += [int(tensor) for tensor in node["inputs"]]
    return list(found.values())


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: `invoke` waits for the end of the inference."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the predictions of the last inference, flat: each inference writes to the same memory."""
    return np.asarray(outputs[-1](), dtype=np.float64).ravel()


def memory() -> Allocator:
    """No statistics: LiteRT's Python interface shows none of its arena."""
    return Allocator(why="LiteRT's Python interface shows nothing of its arena")


def empty_cache() -> bool:
    """There is no such call."""
    return False


def versions() -> Sequence[str]:
    """LiteRT, and NumPy for the inputs."""
    return (f"ai-edge-litert=={ai_edge_litert.__version__}", f"numpy=={np.__version__}")
