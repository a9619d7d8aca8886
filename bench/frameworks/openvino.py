"""OpenVINO: inference on the CPU of the trained model that another framework exported as ONNX.

The input is bound before the first call, and the result is read where OpenVINO wrote it: handing the array over in
every call and copying the result costs 5 µs, half of a call of the smallest model.
"""

import importlib.util
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino as ov

from bench.exports.onnx import mode_of
from bench.exports.onnx.header import producer
from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import KINGMA_BA, Array64, Workload

MODES = {
    "from-torch": "inference of the model that torch.onnx.export wrote",
    "from-keras": "inference of the model that Keras on TensorFlow wrote with tf2onnx",
    "from-jax": "inference of the model that jax2onnx wrote from JAX",
    "from-flax": "inference of the model that jax2onnx wrote from Flax",
}
BASELINE = ""
SOURCES = {
    "from-torch": "torch/onnx",
    "from-keras": "keras_tensorflow/onnx",
    "from-jax": "jax/onnx",
    "from-flax": "flax/onnx",
}
TRAINS = False
DEVICES = ("cpu",)
ENVIRONMENT = {"SAMESTEP_MODEL": "{scratch}/model.onnx"}
ADAM = KINGMA_BA  # of no consequence: nothing is trained here
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"), "the model's own graph")
DEVICE: Final = "CPU"
PRECISION: Final = "INFERENCE_PRECISION_HINT"
THREADS: Final = "INFERENCE_NUM_THREADS"
NAMES: Final = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
# What computes nothing; OpenVINO names its precision after the data that pass through.
MOVES: Final = frozenset(
    {"Input", "Output", "Const", "Reorder", "Reshape", "Transpose", "StridedSlice", "Split", "Concatenation"}
)
PRODUCTS: Final = frozenset({"Convolution", "FullyConnected", "MatMul"})
HINTS: Final = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16}

_threads = 1


def start(device: str, threads: int) -> None:
    """Remember the threads: they are a property of the compiled model, which `build` makes."""
    global _threads
    if device != "cpu":
        raise RuntimeError(f"OpenVINO is measured on the CPU only, not on {device}")
    _threads = threads


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the model at SAMESTEP_MODEL; the graph is optimised and its kernels are chosen here."""
    if precision not in HINTS:
        return Skip(f"OpenVINO is measured in {' and '.join(HINTS)} only, not {precision}")
    path = Path(os.environ["SAMESTEP_MODEL"])
    core = ov.Core()
    if precision == "bfloat16" and "BF16" not in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"):
        return Skip("this processor has no instructions for bfloat16, and OpenVINO would compute in float32")
    # left alone, it computes in bfloat16 on a processor that has it
    asked = {PRECISION: HINTS[precision], THREADS: _threads, "NUM_STREAMS": 1}
    compiled = core.compile_model(core.read_model(path), DEVICE, asked)
    request = compiled.create_infer_request()
    # a copy: a tensor that shares memory does not keep the array alive, and reads what comes after it
    request.set_input_tensor(ov.Tensor(workload.batch.x))
    result = request.get_output_tensor()
    infer = request.infer

    def call() -> ov.Tensor:
        infer(share_outputs=True)
        return result

    return Step(
        call=call,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: dict(workload.parameters),  # an engine shows none: digest and predictions prove them
        proof=lambda: _proof(compiled, producer(path.read_bytes()), result),
        inference=True,
    )


def _proof(compiled: ov.CompiledModel, writer: str, result: ov.Tensor) -> ModeProof:
    """Return what the compiled model says of itself: precision and kernel of each layer, device and threads."""
    layers = _layers(compiled)
    computing = [(kind, precision) for kind, precision, _ in layers if kind not in MOVES and precision in NAMES]
    inside = {NAMES[precision] for _, precision in computing}
    products = {NAMES[precision] for kind, precision in computing if kind in PRODUCTS}
    kernels = Counter(f"{kind} {kernel}" for kind, _, kernel in layers if kind not in MOVES)
    threads = int(compiled.get_property(THREADS))
    hint = compiled.get_property(PRECISION).get_type_name()
    telemetry = importlib.util.find_spec("openvino_telemetry") is not None
    return ModeProof(
        mode=mode_of(writer),
        device=",".join(compiled.get_property("EXECUTION_DEVICES")).lower(),
        threads=threads,
        precision=_named(compiled.input(0).get_element_type()),
        # beside products of bfloat16 it may keep norms in float32; in float32 no layer has another precision
        compute_precision="bfloat16" if products == {"bfloat16"} else " and ".join(sorted(inside)),
        compilations=None,
        output_device="cpu",
        output_precision=_named(result.get_element_type()),
        matmul_precision=f"{PRECISION} is {hint}",
        evidence=f"the model's producer is {writer!r}; {PRECISION} {hint}, {THREADS} {threads};"
        f" openvino-telemetry {'is' if telemetry else 'is not'} installed;"
        f" {len(layers)} nodes run, computing {', '.join(f'{n} x {name}' for name, n in sorted(kernels.items()))}",
    )


def _layers(compiled: ov.CompiledModel) -> list[tuple[str, str, str]]:
    """Return kind, precision and kernel of each node of the graph that runs."""
    asked = ("layerType", "runtimePrecision", "primitiveType")
    told = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    return [tuple(str(info[key].value) for key in asked) for info in told]  # type: ignore[misc]


def _named(kind: Any) -> str:
    """Return NumPy's name of OpenVINO's type."""
    return str(np.dtype(kind.to_dtype()).name)


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: `infer` waits for the end of the inference."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the predictions of the last inference, flat: each inference writes to the same memory."""
    return np.asarray(outputs[-1].data, dtype=np.float64).ravel()


def memory() -> Allocator:
    """No statistics: OpenVINO shows none of its memory on the CPU."""
    return Allocator(why="OpenVINO has no statistics of its memory on the CPU")


def empty_cache() -> bool:
    """There is no such call."""
    return False


def versions() -> Sequence[str]:
    """OpenVINO, and NumPy for the inputs."""
    return (f"openvino=={ov.__version__.partition('-')[0]}", f"numpy=={np.__version__}")
