"""What TensorFlow and Keras on TensorFlow share: device, threads, waiting, and the evidence of what ran."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from bench.interface import Output
from bench.records.record import Allocator

XLA_CACHE: Final = "--tf_xla_persistent_cache_directory="
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


def xla_entries() -> int:
    """Return how many executables lie in XLA's persistent cache."""
    folder = Path(os.environ["TF_XLA_FLAGS"].partition(XLA_CACHE)[2])
    return len(list(folder.iterdir())) if folder.is_dir() else 0


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
