"""Proof of mode: what TensorFlow traced into graphs, what XLA compiled of them, and the dtypes of their products."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled

from bench.frameworks._tensorflow.device import executables_written, keeps_executables, xla_entries
from bench.frameworks._tensorflow.models import Forward, Tensors
from bench.records.record import ModeProof

PRODUCTS: Final = {
    "BatchMatMulV2",
    "BatchMatMulV3",
    "Conv2D",
    "Conv2DBackpropFilter",
    "Conv2DBackpropInput",
    "Einsum",
    "MatMul",
}

# (a loop in the trace, compiled by XLA) -> mode
MODE_OF: Final = {(False, False): "function", (False, True): "xla", (True, False): "loop", (True, True): "loop-xla"}


class Body:
    """How the Python code of a step ran: eagerly, or into a graph; and the dtypes that its predictions had."""

    def __init__(self) -> None:
        self.eager = 0
        self.traced = 0
        self.predicted: set[str] = set()

    def ran(self, predictions: tf.Tensor) -> None:
        """Count one run of the step that made these predictions."""
        if tf.executing_eagerly():
            self.eager += 1
        else:
            self.traced += 1
        self.predicted.add(predictions.dtype.name)


@dataclass(frozen=True, slots=True)
class Graphs:
    """The graphs behind a step, as TensorFlow counts them."""

    functions: int  # functions that make up the step; each is traced once, unless something does not fit
    traces: int  # times that Python ran to make a graph
    xla: bool = False  # whether XLA must compile the newest trace


def compiled_by_xla(trace: Any) -> bool:
    """Return whether XLA had to compile a concrete function, by its attribute and by the files in XLA's cache.

    XLA writes each executable into the persistent cache that ENVIRONMENT gives it: where that is empty, XLA has
    compiled nothing, whatever the attribute says. For a GPU it may be unable to write them; then the attribute counts,
    with which an operation that XLA does not compile fails.
    """
    return bool(trace.function_def.attr["_XlaMustCompile"].b) and (xla_entries() > 0 or not keeps_executables())


def products(graph: tf.Graph) -> set[str]:
    """Return the dtypes that a graph's matrix products and convolutions multiply, in its loops too."""
    dtypes: set[str] = set()
    for operation in graph.get_operations():
        if operation.type in PRODUCTS:
            dtypes.add(operation.get_attr("T").name)
        elif operation.type in ("While", "StatelessWhile"):
            dtypes |= products(graph._get_function(operation.get_attr("body").name).graph)
    return dtypes


def prove(
    mode: str,
    graphs: Graphs | None,
    *,
    device: str,
    precision: str,
    output: Any,
    evidence: str,
    compute_precision: str = "",
) -> ModeProof:
    """Return the proof of a step whose parameters have this device (TensorFlow's string) and dtype.

    Args:
        mode: the mode that it ran in.
        graphs: what the step was traced into; None when it ran eagerly.
        device: where the parameters lie, in TensorFlow's words.
        precision: dtype of the parameters.
        output: the last loss or losses, a tensor or an array; None when the step returns Python numbers.
        evidence: what the mode was read from.
        compute_precision: dtype that the products multiply; several joined by commas.
    """
    written = executables_written()
    clusters = graphs.traces if graphs and graphs.xla else 0
    counts = clusters and keeps_executables()
    tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
    inter = tf.config.threading.get_inter_op_parallelism_threads()
    return ModeProof(
        mode=mode,
        device=device_of(device),
        threads=tf.config.threading.get_intra_op_parallelism_threads(),
        precision=precision,
        compute_precision=compute_precision,
        compilations=graphs.traces + written if graphs else None,
        graph_breaks=0 if graphs else None,  # a graph of TensorFlow has no way back into Python
        cache_hits=clusters - written if counts else None,
        cache_misses=written if counts else None,
        evidence=f"{evidence}; {written} executables written by XLA; inter-op threads: {inter}",
        output_device=device_of(getattr(output, "device", "")),
        output_precision=getattr(getattr(output, "dtype", None), "name", ""),
        matmul_precision="TensorFloat-32 enabled" if tf32 else "TensorFloat-32 disabled",
        tf32=tf32,
        deterministic=is_op_determinism_enabled(),
        traces=graphs.traces if graphs else None,
        guard_failures=graphs.traces - graphs.functions if graphs else None,
        graphs=(clusters or graphs.functions) if graphs else None,
    )


def device_of(words: str) -> str:
    """Return TensorFlow's name of a device as "cpu" or "cuda:0"; empty for none."""
    place = tf.DeviceSpec.from_string(words)
    return f"cuda:{place.device_index}" if place.device_type == "GPU" else (place.device_type or "").lower()


def trace_of(forward: Forward, parameters: Tensors, x: tf.Tensor) -> Callable[[], tf.Graph]:
    """Return a function that traces the forward pass, once: an eager step leaves no graph to read."""
    return functools.cache(lambda: tf.function(forward.predict).get_concrete_function(parameters, x).graph)


def proof_of(
    body: Body, advance: Any, trace_forward: Callable[[], tf.Graph], variable: tf.Variable, last: Any
) -> ModeProof:
    """Return what ran: eagerly, or by the newest trace of the function `advance`."""
    if body.traced and not body.eager:
        trace = advance.get_concrete_function()
        graphs = Graphs(functions=1, traces=body.traced, xla=compiled_by_xla(trace))
        ran = MODE_OF[any(operation.type == "While" for operation in trace.graph.get_operations()), graphs.xla]
        graph = trace.graph
    else:
        ran, graphs, graph = "eager", None, trace_forward()
    return prove(
        ran,
        graphs,
        device=variable.device,
        precision=variable.dtype.name,
        compute_precision=", ".join(sorted(body.predicted | products(graph))),
        output=last,
        evidence=f"the step's Python ran {body.eager} times eagerly and {body.traced} times while tracing; loop, XLA "
        "and the products' dtypes are read off the trace, an eager step's off one of its forward pass",
    )
