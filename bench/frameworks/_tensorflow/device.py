"""Where TensorFlow computes: device and threads, how to wait for it, its allocator, and XLA's cache on disk."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import tensorflow as tf

from bench.interface import Output
from bench.records.record import Allocator

XLA_CACHE: Final = "--tf_xla_persistent_cache_directory="
AMPERE: Final = (8, 0)  # the first compute capability with TF32

_entries_at_start = 0


def start(device: str, threads: int) -> None:
    """Choose the device, set the threads and strict float32 (no TF32)."""
    choose(device, threads)
    tf.config.list_logical_devices()  # initialises the device here, not in the first operation


def choose(device: str, threads: int) -> None:
    """Do as `start` without initialising the device, so that it can still be split."""
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
    """Let products of float32 be rounded to TF32; return why that cannot be, as one sentence; empty: done."""
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return "TF32 needs an NVIDIA GPU: TensorFlow computes on the CPU"
    major, minor = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
    if (major, minor) < AMPERE:
        return f"TF32 needs an NVIDIA GPU of compute capability 8.0, this one has {major}.{minor}"
    tf.config.experimental.enable_tensor_float_32_execution(True)
    return ""


def wait(outputs: Sequence[Output]) -> None:
    """Wait until every device has finished what was given to it."""
    tf.test.experimental.sync_devices()


def memory() -> Allocator:
    """Return the bytes that the GPU's allocator has given out; TensorFlow counts nothing on the CPU."""
    if not tf.config.get_visible_devices("GPU"):
        return Allocator(why="TensorFlow keeps statistics of its GPU allocator alone; this is the CPU")
    statistics = tf.config.experimental.get_memory_info("GPU:0")
    return Allocator(
        allocated_bytes=statistics["current"],
        allocated_peak_bytes=statistics["peak"],
        why="TensorFlow says what it has handed out, not what it holds of the device, nor by which policy",
    )


def empty_cache() -> bool:
    """TensorFlow gives nothing back before the process ends."""
    return False


def xla_entries() -> int:
    """Return how many executables lie in XLA's persistent cache."""
    folder = Path(os.environ["TF_XLA_FLAGS"].partition(XLA_CACHE)[2])
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def keeps_executables() -> bool:
    """Return whether XLA is known to write what it compiles there: on the CPU it does, on a GPU where it has."""
    return not tf.config.get_visible_devices("GPU") or xla_entries() > 0


def executables_written() -> int:
    """Return how many of them XLA has written since `start`."""
    return xla_entries() - _entries_at_start
