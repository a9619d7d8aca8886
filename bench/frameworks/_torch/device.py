"""Where PyTorch computes: the device and its threads, how to wait for it, and what its allocator says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bench.interface import Output
from bench.records.record import Allocator
from bench.reference.workload import Array64

_device = torch.device("cpu")


def start(device: str, threads: int) -> None:
    """Choose the device, set the threads and strict float32 (no TF32)."""
    global _device
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("PyTorch finds no CUDA device")
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)
    round_to_tf32(wanted=False)
    _device = torch.device(device)
    torch.zeros(1, device=_device)  # creates the CUDA context


def round_to_tf32(*, wanted: bool) -> None:
    """Let products and convolutions of float32 be rounded to TF32, or not, by every switch that PyTorch has for it.

    It has older switches and newer ones. The older ones set the newer ones of a single operation; the newer ones do not
    set the older ones, whose getters then raise "mix of the legacy and new APIs". Dynamo and Inductor read both kinds.
    """
    torch.set_float32_matmul_precision("high" if wanted else "highest")
    torch.backends.cudnn.allow_tf32 = wanted
    # for all operations and backends: Inductor's own convolutions read cuDNN's as a whole
    torch.backends.fp32_precision = "tf32" if wanted else "ieee"


def chosen() -> torch.device:
    """Return the device that `start` has chosen; the CPU before that."""
    return _device


def on_cuda() -> bool:
    """Return whether that is a CUDA device."""
    return bool(_device.type == "cuda")


def wait(outputs: Sequence[Output]) -> None:
    """Wait for every stream of the CUDA device; on the CPU PyTorch has returned when it has computed."""
    if on_cuda():
        torch.cuda.synchronize(_device)


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,); of forward passes all predictions in a row."""
    return np.concatenate([output.reshape(-1).float().cpu().numpy() for output in outputs]).astype(np.float64)


def memory() -> Allocator:
    """Return the statistics of the CUDA allocator; cudaMallocAsync counts bytes only and writes zero for the rest."""
    if not on_cuda():
        return Allocator(why="PyTorch keeps statistics of its CUDA allocator alone; this is the CPU")
    statistics = torch.cuda.memory_stats(_device)
    bytes_: dict[str, Any] = {
        "allocated_bytes": statistics["allocated_bytes.all.current"],
        "allocated_peak_bytes": statistics["allocated_bytes.all.peak"],
        "reserved_bytes": statistics["reserved_bytes.all.current"],
        "reserved_peak_bytes": statistics["reserved_bytes.all.peak"],
    }
    allocator = torch.cuda.get_allocator_backend()
    if allocator != "native":
        return Allocator(policy=allocator, **bytes_, why=f"{allocator} counts no allocations and shows no blocks")
    segments = torch.cuda.memory_snapshot()
    blocks = (block for segment in segments for block in segment["blocks"])
    free = (block["size"] for block in blocks if block["state"] == "inactive")
    return Allocator(
        **bytes_,
        policy="expandable_segments" if any(segment["is_expandable"] for segment in segments) else "default",
        requests=statistics["allocation.all.allocated"],
        device_allocations=statistics["num_device_alloc"],
        largest_free_bytes=max(free, default=0),
        inactive_bytes=statistics["inactive_split_bytes.all.current"],
    )


def empty_cache() -> bool:
    """Give the CUDA allocator's unused segments back; on the CPU PyTorch keeps none."""
    if on_cuda():
        torch.cuda.empty_cache()
    return on_cuda()
