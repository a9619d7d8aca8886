"""Emulated PyTorch: the real one on the processor, with the entries of a program on an emulated GPU. For tests."""

import importlib
from collections.abc import Sequence

from bench.frameworks import torch
from bench.interface import Skip, Step
from bench.reference.workload import KINGMA_BA, Workload

emulated = importlib.import_module("bench.frameworks.emulated")  # beside this file once both are installed

MODES = {"eager": "PyTorch's eager step on the processor, said to be on a GPU"}
BASELINE = "eager"
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}"}
ADAM = KINGMA_BA
FORWARD = torch.FORWARD

wait, to_numpy = torch.wait, torch.to_numpy
memory, empty_cache = emulated.memory, emulated.empty_cache


def start(device: str, threads: int) -> None:
    """Let PyTorch compute on the processor, and make a context on the GPU."""
    torch.start("cpu", threads)
    emulated.start(device, threads)


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return PyTorch's step, said to be on the GPU."""
    step: Step | Skip = emulated.on_gpu(torch.build(workload, mode, precision), workload, mode)
    return step


def versions() -> Sequence[str]:
    """PyTorch, and NumPy for the inputs."""
    return torch.versions()
