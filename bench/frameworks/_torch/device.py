"""Where PyTorch computes: device, threads, waiting, memory of the allocator."""

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
    torch.backends.fp32_precision = "ieee"
    _device = torch.device(device)
    torch.zeros(1, device=_device)  # creates the CUDA context


def on_cuda() -> bool:
    """Return whether `start` was told to use a CUDA device."""
    return bool(_device.type == "cuda")


def wait(outputs: Sequence[Output]) -> None:
    """Wait for every stream of the CUDA device; on the CPU PyTorch has returned when it has computed."""
    if on_cuda():
        torch.cuda.synchronize(_device)


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,); of forward passes all predictions in a row."""
    return np.concatenate([output.reshape(-1).float().cpu().numpy() for output in outputs]).astype(np.float64)


def memory() -> Allocator:
    """Return the statistics of the CUDA allocator; cudaMallocAsync keeps bytes alone, and zeros for all else."""
    if not on_cuda():
        return Allocator(why="PyTorch keeps statistics of its CUDA allocator alone; this is the CPU")
    told = torch.cuda.memory_stats(_device)
    bytes_: dict[str, Any] = {
        "allocated_bytes": told["allocated_bytes.all.current"],
        "allocated_peak_bytes": told["allocated_bytes.all.peak"],
        "reserved_bytes": told["reserved_bytes.all.current"],
        "reserved_peak_bytes": told["reserved_bytes.all.peak"],
    }
    backend = torch.cuda.get_allocator_backend()
    if backend != "native":
        return Allocator(policy=backend, **bytes_, why=f"{backend} counts no allocations and shows no blocks")
    segments = torch.cuda.memory_snapshot()
    free = (one["size"] for segment in segments for one in segment["blocks"] if one["state"] == "inactive")
    return Allocator(
        **bytes_,
        policy="expandable_segments" if any(one["is_expandable"] for one in segments) else "default",
        requests=told["allocation.all.allocated"],
        device_allocations=told["num_device_alloc"],
        largest_free_bytes=max(free, default=0),
        inactive_bytes=told["inactive_split_bytes.all.current"],
    )


def empty_cache() -> bool:
    """Give the CUDA allocator's unused segments back; on the CPU PyTorch keeps none."""
    if on_cuda():
        torch.cuda.empty_cache()
    return on_cuda()
