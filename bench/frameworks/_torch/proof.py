"""Proof of mode: device, dtypes and settings read back from PyTorch, and the operators that an optimiser dispatches."""

import collections
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


class _Recorder(TorchDispatchMode):  # type: ignore[misc]
    """Records the names of the operators that PyTorch dispatches, and runs none: each returns its first tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(operator.name())
        if operator is torch.ops.aten._local_scalar_dense.default:
            return operator(*args) + 1  # a number of steps, which was not raised
        if not operator._schema.returns:
            return None
        given = [arg for arg in args if isinstance(arg[0] if isinstance(arg, list) and arg else arg, torch.Tensor)]
        return given[0] if given else operator(*args, **(kwargs or {}))


def optimizer_form(optimizer: torch.optim.Optimizer) -> tuple[str, str]:
    """Return which form of the optimiser runs, and a sentence of evidence.

    "fused": one kernel for everything; "foreach": each operator over all tensors; "for-loop": tensor by tensor. It is
    read off a step that is recorded and not run: nothing is computed, changed or allocated, so the peak of the device's
    memory is the training's own.
    """
    twin = copy.copy(optimizer)
    twin.state = collections.defaultdict(dict, {key: dict(state) for key, state in optimizer.state.items()})
    lacking = [p for group in twin.param_groups for p in group["params"] if p.grad is None]
    for parameter in lacking:
        parameter.grad = parameter.detach()
    try:
        with _Recorder() as recorded:
            twin.step()
    finally:
        for parameter in lacking:
            parameter.grad = None
    names = [name for name in recorded.names if name.startswith("aten::")]
    forms = [form for form in ("fused", "foreach") if any(f"_{form}_" in name for name in names)]
    form = (forms or ["for-loop"])[0]
    own = "PyTorch's own choice" if _is_left_to_pytorch(optimizer) else "as the mode asks"
    last = names[-1] if names else "none"
    return form, f"a step of the optimiser ({form}, {own}), recorded, has {len(names)} operators, the last {last}"


def optimizer_mode(optimizer: torch.optim.Optimizer) -> tuple[str, str]:
    """Return the mode of an eager loop by its optimiser, and a sentence of evidence.

    "eager": the form is left to PyTorch, which chooses it for the device; else the form is the mode.
    """
    form, evidence = optimizer_form(optimizer)
    return "eager" if _is_left_to_pytorch(optimizer) else form, evidence


def _is_left_to_pytorch(optimizer: torch.optim.Optimizer) -> bool:
    return all(group.get(form) is None for group in optimizer.param_groups for form in ("fused", "foreach"))
