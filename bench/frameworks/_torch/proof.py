"""Proof of mode: device, dtypes and settings read back from PyTorch, and the operators that an optimiser dispatches."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.frameworks._torch import device


def placement_of(
    parameters: Iterable[torch.Tensor], output: torch.Tensor | None, products: Callable[[], str] = str
) -> dict[str, Any]:
    """Return the fields of `ModeProof` that every mode fills: where, in which precision, with which settings."""
    placed = list(parameters)
    matmul = torch.backends.cuda.matmul if device.on_cuda() else torch.backends.mkldnn.matmul
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
    """Records the names of the operators that PyTorch dispatches."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(operator.name())
        return operator(*args, **(kwargs or {}))


def optimizer_kernels(optimizer: torch.optim.Optimizer) -> tuple[str, str]:
    """Return the optimiser's implementation, read off one step of a copy of it, and a sentence of evidence.

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
