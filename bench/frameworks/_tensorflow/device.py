"""What TensorFlow and Keras on TensorFlow share: device, threads, waiting, and the evidence of what ran."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled

from bench.interface import Output, Probes, Task
from bench.records.record import Allocator, ModeProof

XLA_CACHE: Final = "--tf_xla_persistent_cache_directory="
PRODUCTS: Final = {
    "BatchMatMulV2",
    "BatchMatMulV3",
    "Conv2D",
    "Conv2DBackpropFilter",
    "Conv2DBackpropInput",
    "Einsum",
    "MatMul",
}
AMPERE: Final = (8, 0)  # the first compute capability with TF32

_entries_at_start = 0


def start(device: str, threads: int) -> None:
    """Choose the device, set the threads and strict float32 (no TF32)."""
    global _entries_at_start
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise RuntimeError("TensorFlow finds no GPU")
    tf.config.set_visible_devices(gpus[:1] if device == "cuda" else [], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    _entries_at_start = xla_entries()


def round_to_tf32() -> str:
    """Let products of float32 be rounded to TF32; return why they cannot be, as one sentence, or nothing."""
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return "TF32 needs an NVIDIA GPU: TensorFlow computes on the CPU"
    found = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
    if found < AMPERE:
        return f"TF32 needs an NVIDIA GPU of compute capability 8.0, this one has {found[0]}.{found[1]}"
    tf.config.experimental.enable_tensor_float_32_execution(True)
    return ""


def wait(outputs: Sequence[Output]) -> None:
    """Wait until every device has finished what was given to it."""
    tf.test.experimental.sync_devices()


def memory() -> Allocator:
    """Return what the GPU's allocator has handed out; TensorFlow counts nothing on the CPU."""
    if not tf.config.get_visible_devices("GPU"):
        return Allocator(why="TensorFlow keeps statistics of its GPU allocator alone; this is the CPU")
    told = tf.config.experimental.get_memory_info("GPU:0")
    return Allocator(
        allocated_bytes=told["current"],
        allocated_peak_bytes=told["peak"],
        why="TensorFlow says what it has handed out, not what it holds of the device, nor by which policy",
    )


def empty_cache() -> bool:
    """TensorFlow gives nothing back before the process ends."""
    return False


class Body:
    """How the Python of a step ran: eagerly, or into a graph; and the dtypes that its predictions had."""

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
    """Return whether XLA had to compile a concrete function, by its attribute and by what lies in XLA's cache.

    XLA writes each executable into the persistent cache that ENVIRONMENT gives it: an empty one means that it compiled
    nothing, whatever the attribute says.
    """
    return bool(trace.function_def.attr["_XlaMustCompile"].b) and xla_entries() > 0


def products(graph: tf.Graph) -> set[str]:
    """Return the dtypes of what a graph's matrix products and convolutions multiply, those in its loops too."""
    found: set[str] = set()
    for operation in graph.get_operations():
        if operation.type in PRODUCTS:
            found.add(operation.get_attr("T").name)
        elif operation.type in ("While", "StatelessWhile"):
            found |= products(graph._get_function(operation.get_attr("body").name).graph)
    return found


def xla_entries() -> int:
    """Return how many executables lie in XLA's persistent cache."""
    folder = Path(os.environ["TF_XLA_FLAGS"].partition(XLA_CACHE)[2])
    return len(list(folder.iterdir())) if folder.is_dir() else 0


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
        mode: as found.
        graphs: what the step was traced into; None when it ran eagerly.
        device: where the parameters lie, in TensorFlow's words.
        precision: dtype of the parameters.
        output: the last loss or losses, a tensor or an array; None when Python numbers are handed out.
        evidence: what was looked at beside the settings.
        compute_precision: dtype of what the products multiply; several joined by commas.
    """
    written = xla_entries() - _entries_at_start
    clusters = graphs.traces if graphs and graphs.xla else 0
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
        cache_hits=clusters - written if clusters else None,
        cache_misses=written if clusters else None,
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


def session_config() -> Any:
    """Return the configuration that gives a version-1 Session the device and the threads of `start`."""
    return tf.compat.v1.ConfigProto(
        device_count={"GPU": len(tf.config.get_visible_devices("GPU"))},
        intra_op_parallelism_threads=tf.config.threading.get_intra_op_parallelism_threads(),
        inter_op_parallelism_threads=tf.config.threading.get_inter_op_parallelism_threads(),
    )


def placed(session: Any, variable: Any) -> str:
    """Return where a Session has put a variable, in TensorFlow's words, by the graph that it made of the reading."""
    metadata = tf.compat.v1.RunMetadata()
    session.run(variable, options=tf.compat.v1.RunOptions(output_partition_graphs=True), run_metadata=metadata)
    nodes = (node for graph in metadata.partition_graphs for node in graph.node)
    return next(str(node.device) for node in nodes if node.name == variable.op.name)


def probes() -> Probes:
    """Return TensorFlow's own calls, eager, for the limits of the device."""
    one = tf.ones(1)
    launch = Task(lambda: tf.negative(one), 1)
    return Probes(matmul=_product, triad=_triad, launch=launch, convolution=_convolution)


def _product(n: int, precision: str) -> Task | None:
    if precision == "tf32" and not tf.config.get_visible_devices("GPU"):
        return None
    a, b = (_random((n, n), precision) for _ in range(2))
    return Task(lambda: tf.linalg.matmul(a, b), 2 * n**3)


def _convolution(batch: int, channels: int, precision: str) -> Task | None:
    if precision == "tf32" and not tf.config.get_visible_devices("GPU"):
        return None
    x, weight = (_random(shape, precision) for shape in ((batch, 32, 32, channels), (3, 3, channels, channels)))
    return Task(lambda: tf.nn.conv2d(x, weight, 1, "SAME"), 2 * 9 * channels**2 * batch * 32**2)


def _random(shape: Sequence[int], precision: str) -> tf.Tensor:
    """Return numbers between 0 and 1, and let products of float32 be rounded as `precision` says."""
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    return tf.cast(tf.random.uniform(shape), tf.bfloat16 if precision == "bfloat16" else tf.float32)


def _triad(size: int) -> Task:
    """Return a += b, three passes over an array."""
    a, b = tf.Variable(tf.zeros(size // 8)), tf.ones(size // 8)
    return Task(lambda: a.assign_add(b, read_value=False), size * 3 // 2)
