"""TorchScript: a traced module, and what its executor says it ran."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from bench.records.record import ModeProof


class AsModule(nn.Module):  # type: ignore[misc]
    """A function of a model as a module that holds it: the form in which TorchScript traces parameters as such."""

    def __init__(self, model: nn.Module, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.model = model
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs)


class Script:
    """TorchScript's graph of a module, traced by the first call, as the trace belongs to the first step."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.traced: Any = None

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        if self.traced is None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
                self.traced = torch.jit.trace(self.module, inputs, check_trace=False)
        output: torch.Tensor = self.traced(*inputs)
        return output

    def proof(self, placement: Mapping[str, Any]) -> ModeProof:
        """Ask TorchScript for the graph that its executor ran last."""
        graph = torch.jit.last_executed_optimized_graph()
        operators = [] if graph is None else [node.kind() for node in graph.nodes()]
        scripted = bool(operators) and isinstance(self.traced, torch.jit.ScriptModule)
        return ModeProof(
            mode="torchscript" if scripted else "eager",
            compilations=int(scripted),
            traces=int(scripted),
            graph_breaks=0,
            graphs=int(scripted),
            evidence=f"the last graph that TorchScript executed has {len(operators)} nodes: {', '.join(operators)}",
            **placement,
        )
