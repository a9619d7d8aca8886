"""What PyTorch says it did: its own counters, settings and tensors, read back for the proof of a mode.

Dynamo and Inductor count per process, and one process runs one cell, so their totals belong to the cell. A graph break
is in Dynamo's counters though the step goes on working; a call that no compiled graph fits fails a guard.
"""

import copy
import shutil
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import torch
from torch._inductor import config as inductor_config
from torch.utils._python_dispatch import TorchDispatchMode

from bench.frameworks._torch import device as backend

HEADERS: Final = "Python.h"


def placement(
    parameters: Iterable[torch.Tensor], output: torch.Tensor | None, products: Callable[[], str] = str
) -> dict[str, Any]:
    """Return the fields of `ModeProof` that every mode fills: where, in which precision, with which settings."""
    placed = list(parameters)
    matmul = torch.backends.cuda.matmul if backend.on_cuda() else torch.backends.mkldnn.matmul
    float32 = (matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision)
    return {
        "device": _joined(p.device for p in placed),
        "precision": _joined(p.dtype for p in placed),
        "compute_precision": products(),
        "output_device": "" if output is None else str(output.device),
        "output_precision": "" if output is None else _joined([output.dtype]),
        "threads": torch.get_num_threads(),
        "matmul_precision": f"{matmul.fp32_precision} ({torch.get_float32_matmul_precision()})",
        "tf32": "tf32" in float32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _joined(values: Iterable[object]) -> str:
    return ", ".join(sorted({str(value).removeprefix("torch.") for value in values}))


class _Dispatched(TorchDispatchMode):  # type: ignore[misc]
    """Notes the names of the operators that PyTorch dispatches."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(operator.name())
        return operator(*args, **(kwargs or {}))


def optimizer_kernels(optimizer: torch.optim.Optimizer) -> tuple[str, str]:
    """Return which implementation the optimiser takes, and a sentence: the operators of one step of a copy of it.

    "fused": one kernel for everything; "foreach": each operator over all tensors; "eager": tensor by tensor.
    """
    twin = copy.deepcopy(optimizer)
    for group in twin.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    with _Dispatched() as dispatched:
        twin.step()
    names = [name for name in dispatched.names if name.startswith("aten::")]
    kinds = [kind for kind in ("fused", "foreach") if any(f"_{kind}_" in name for name in names)]
    sentence = f"one step of a copy of the optimiser dispatched {len(names)} operators, the last {names[-1]}"
    return (kinds or ["eager"])[0], sentence


def compiler_missing() -> str:
    """Return what torch.compile lacks on this host and the package that has it, as one sentence; empty: nothing.

    On a GPU Inductor writes Triton instead of C++, so nothing is asked for there. Inductor's own search for a compiler
    imports half of it, which belongs to the first step: its list of names is looked up instead.
    """
    if backend.on_cuda():
        return ""
    if not any(shutil.which(compiler) for compiler in inductor_config.cpp.cxx if compiler):
        return "torch.compile needs a C++ compiler: install g++ (Debian, Ubuntu: apt install g++)"
    folders = {sysconfig.get_path("include"), sysconfig.get_path("include", scheme="posix_prefix")}
    if not any((Path(folder) / HEADERS).exists() for folder in folders):
        return (
            f"torch.compile needs {HEADERS}, which is not in {sorted(folders)[0]}: install Python's headers "
            "(Debian, Ubuntu: apt install libpython3-dev or python3-dev)"
        )
    return ""
