"""The forward pass of a trained model on PyTorch, in each mode that is not about the update."""

from typing import Final

import torch

from bench.frameworks._torch import training
from bench.frameworks._torch.cuda_graph import CudaGraph
from bench.frameworks._torch.inductor import inductor_proof
from bench.frameworks._torch.modes import INDUCTOR, keep_as, run_as
from bench.frameworks._torch.proof import placement_of
from bench.frameworks._torch.script import Script
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import Workload

TRAINING_ONLY: Final = ("foreach", "fused", "compile-step")  # they are about the update


def forward_step(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the forward pass alone, at the initial parameters, in inference mode."""
    if mode in TRAINING_ONLY:
        return Skip(f"{mode} is about the update, and a forward pass has none")
    model, x, _ = training.placed(workload, precision)
    model.eval()
    eager = training.predict_of(model, precision)
    predict = run_as(mode, eager, model)
    graph = CudaGraph(lambda: eager(x)) if mode == "cuda-graph" else None
    keep = keep_as(mode)
    last: torch.Tensor | None = None

    def step() -> torch.Tensor:
        nonlocal last
        with torch.inference_mode():
            last = graph.replay() if graph else keep(predict(x))
        return last

    def proof() -> ModeProof:
        placement = placement_of(model.parameters(), last)
        placement["compute_precision"] = placement["output_precision"]  # the last product's result is the prediction
        if mode in INDUCTOR:
            return inductor_proof(predict, placement)
        if isinstance(predict, Script):
            return predict.proof(placement)
        if graph:
            return graph.proof(placement)
        evidence = "PyTorch called the model operator by operator"
        return ModeProof(mode="eager", compilations=None, evidence=evidence, **placement)

    return Step(
        call=step,
        reset=lambda: None,
        parameters=lambda: training.parameters_of(model),
        proof=proof,
        inference=True,
    )
