"""What the engines inside PyTorch's packages share: an exported model as a step, with its proof left to them."""

from collections.abc import Callable

import numpy as np
import torch

from bench.frameworks._torch import device
from bench.interface import Step
from bench.records.record import ModeProof
from bench.reference.workload import Workload

Infer = Callable[[torch.Tensor], torch.Tensor]


def inference_step(workload: Workload, infer: Infer, prove: Callable[[torch.Tensor | None], ModeProof]) -> Step:
    """Return inference of the workload's batch by `infer`, in inference mode; `prove` takes the last predictions."""
    x = torch.tensor(workload.batch.x, device=device.chosen())
    last: torch.Tensor | None = None

    def call() -> torch.Tensor:
        nonlocal last
        with torch.inference_mode():
            last = infer(x)
        return last

    return Step(
        call=call,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: workload.parameters,  # only its predictions tell that it has them
        proof=lambda: prove(last),
        inference=True,
    )


def versions() -> tuple[str, ...]:
    """PyTorch, which the engine is a part of, and NumPy for the inputs."""
    return (f"torch=={torch.__version__}", f"numpy=={np.__version__}")
