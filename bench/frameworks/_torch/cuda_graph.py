"""CUDA graphs: a function or the whole eager training step, captured once and replayed."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from bench.frameworks._torch import training
from bench.frameworks._torch.proof import placement_of
from bench.interface import Step
from bench.records.record import ModeProof
from bench.reference.workload import Adam, Workload

WARM_UPS: Final = 3  # steps on a side stream before a capture, as PyTorch's notes on CUDA graphs do it


class CudaGraph:
    """A function captured as a CUDA graph by the first replay, after warm-ups on a side stream."""

    def __init__(self, eagerly: Callable[[], torch.Tensor], restore: Callable[[], None] = lambda: None) -> None:
        """Capture `eagerly`; `restore` undoes what the warm-ups changed."""
        self.eagerly = eagerly
        self.restore = restore
        self.graph = torch.cuda.CUDAGraph()
        self.captured: torch.Tensor | None = None  # the output, in the graph's own memory

    def replay(self) -> torch.Tensor:
        """Run the graph and return a copy of its output, which the next replay overwrites."""
        if self.captured is None:
            self.captured = self._capture()
        self.graph.replay()
        return self.captured.clone()

    def _capture(self) -> torch.Tensor:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self.eagerly()
        torch.cuda.current_stream().wait_stream(side)
        self.restore()
        with torch.cuda.graph(self.graph):
            return self.eagerly()

    def proof(self, placement: Mapping[str, Any]) -> ModeProof:
        """Say whether there is a captured graph."""
        ran = self.captured is not None
        return ModeProof(
            mode="cuda-graph" if ran else "eager",
            compilations=int(ran),
            cuda_graphs=int(ran),
            evidence=f"PyTorch {'replays one captured graph' if ran else 'captured nothing'}",
            **placement,
        )


def captured_step(workload: Workload, precision: str) -> Step:
    """Return the replay of a CUDA graph that holds the whole eager step."""
    model, x, y = training.placed(workload, precision)
    eager = training.loss_of(workload, model, precision)
    products = training.products_of(training.predict_of(model, precision), x, precision)
    adam_only = {"capturable": True} if isinstance(workload.optimizer, Adam) else {}
    optimizer = training.optimizer_of(workload.optimizer, model.parameters(), **adam_only)
    last: torch.Tensor | None = None

    def eagerly() -> torch.Tensor:
        optimizer.zero_grad()  # to None: the captured backward allocates the gradients in the graph's memory
        loss = eager(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def reset() -> None:
        training.load(model, workload.parameters)
        training.forget(optimizer)

    graph = CudaGraph(eagerly, reset)

    def step() -> torch.Tensor:
        nonlocal last
        last = graph.replay()
        return last

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: training.parameters_of(model),
        gradient=lambda: training.gradient_of(model, eager, x, y),
        proof=lambda: graph.proof(placement_of(model.parameters(), last, products)),
    )
