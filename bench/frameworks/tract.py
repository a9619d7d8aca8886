"""tract: inference in Rust on the CPU of the trained model that another framework exported as ONNX, in float32.

It computes on one thread, whatever is asked for, and wants a model of a stated batch.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import tract

from bench.exports.onnx import mode_of
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
ENVIRONMENT = {
    "SAMESTEP_MODEL": "{scratch}/model.onnx",
    "RUST_BACKTRACE": "0",  # else an error is followed by the addresses of this machine
}
ADAM = KINGMA_BA  # of no consequence: nothing is trained here
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"), "the model's own graph")
PRODUCER: Final = "onnx.producer_name"
PRODUCTS: Final = re.compile(r"FMA\((\w+)\)")  # of the costs that tract counts for an operator
NAMES: Final = {"f32": "float32", "f16": "float16", "f64": "float64"}

_threads = 1


def start(device: str, threads: int) -> None:
    """Remember the threads that are asked for."""
    global _threads
    if device != "cpu":
        raise RuntimeError(f"tract is measured on the CPU only, not on {device}")
    _threads = threads


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the model at SAMESTEP_MODEL; the graph is optimised and lowered to kernels here."""
    if precision != "float32":
        return Skip(f"tract is measured in float32 only, not {precision}")
    if _threads != 1:
        return Skip(f"tract computes on one thread, {_threads} are asked for")
    model = tract.onnx().load(os.environ["SAMESTEP_MODEL"]).into_model()
    producer = _producer(model)
    runnable = model.into_runnable()
    given = [tract.Tensor.from_numpy(np.array(workload.batch.x))]
    run = runnable.spawn_state().run

    def call() -> list[tract.Tensor]:
        result: list[tract.Tensor] = run(given)
        return result

    return Step(
        call=call,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: dict(workload.parameters),  # an engine shows none: digest and predictions prove them
        proof=lambda: _proof(runnable, producer),
        inference=True,
    )


def _proof(runnable: tract.Runnable, producer: str) -> ModeProof:
    """Return what the lowered model says of itself: whose it is, its operators, the type that its products are in."""
    nodes: list[dict[str, Any]] = json.loads(runnable.profile_json(None))["nodes"]  # without inputs it runs nothing
    counts = Counter(node["op_name"] for node in nodes if node["op_name"] not in ("Const", "Source"))
    products = {kind for node in nodes for cost in node.get("cost", {}) for kind in PRODUCTS.findall(cost)}
    given, made = (str(fact(0)) for fact in (runnable.input_fact, runnable.output_fact))
    return ModeProof(
        mode=mode_of(producer),
        device="cpu",
        threads=1,
        precision=_dtype(given),
        compute_precision=" and ".join(sorted(_dtype(kind) for kind in products)),
        compilations=None,
        output_device="cpu",
        output_precision=_dtype(made),
        evidence=f"the model's producer is {producer!r}; input {given}, result {made}, products in"
        f" {' and '.join(sorted(products))}; {sum(counts.values())} operators:"
        f" {', '.join(f'{count} x {name}' for name, count in sorted(counts.items()))}",
    )


def _producer(model: tract.Model) -> str:
    """Return the name of the program that wrote the model, as tract read it: a tensor of one text."""
    if PRODUCER not in model.property_keys():
        return ""
    told = re.search(r"String (.*)\)$", str(model.property(PRODUCER)))
    return told[1] if told else ""


def _dtype(fact: str) -> str:
    """Return NumPy's name of the type that a fact such as "16,784,f32" ends with."""
    kind = fact.rpartition(",")[2].lower()
    return NAMES.get(kind, kind)


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: `run` waits for the end of the inference."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the predictions of the last inference, flat."""
    return np.asarray(outputs[-1][0].to_numpy(), dtype=np.float64).ravel()


def memory() -> Allocator:
    """No statistics: tract's Python interface shows none of its memory."""
    return Allocator(why="tract's Python interface shows nothing of its memory")


def empty_cache() -> bool:
    """There is no such call."""
    return False


def versions() -> Sequence[str]:
    """Of tract, and of NumPy for the inputs."""
    return (f"tract=={tract.version()}", f"numpy=={np.__version__}")
