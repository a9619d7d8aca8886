"""PyTorch: an explicit training loop around an `nn.Module`, eager, scripted, compiled or captured.

`compile`, `reduce-overhead` and `max-autotune` compile the forward pass with its loss, and with it the backward pass
that AOTAutograd derives; the optimiser stays eager. `compile-step` takes everything into one graph: the gradient by
`torch.autograd.grad`, since `.grad` and `zero_grad` leave a graph, and the update by the function behind `torch.optim`,
since the optimiser's own `step` breaks the graph on purpose (the note in `torch/optim/optimizer.py`).
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from bench.frameworks._torch import device, models, training
from bench.frameworks._torch.cuda_graph import captured_step
from bench.frameworks._torch.forward import forward_step
from bench.frameworks._torch.inductor import compiler_missing, inductor_proof
from bench.frameworks._torch.modes import INDUCTOR, allocator_lacking, keep_as, run_as
from bench.frameworks._torch.probes import torch_probes
from bench.frameworks._torch.proof import optimizer_mode, placement_of
from bench.frameworks._torch.script import Script
from bench.frameworks._torch.whole_step import compiled_step
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Workload

MODES = {
    "eager": "forward, backward and update as separate PyTorch calls; the optimiser as it comes: tensor by tensor on a"
    " CPU, foreach on a GPU",
    "foreach": "eager on a CPU; each operator of the optimiser over all tensors at once (foreach=True)",
    "fused": "eager; the whole update in one kernel (fused=True)",
    "torchscript": "forward and loss traced by torch.jit.trace and run by TorchScript's executor; eager optimiser",
    "compile": "torch.compile (Inductor, default mode) of forward, loss and backward; the optimiser runs eagerly",
    "reduce-overhead": "torch.compile(mode='reduce-overhead') of the same: CUDA graphs where there is a GPU",
    "max-autotune": "torch.compile(mode='max-autotune') of the same: kernels chosen by trial, and CUDA graphs",
    "compile-step": "torch.compile of the whole step: forward, backward and update in one graph",
    "cuda-graph": "the whole eager step captured once as a CUDA graph and replayed",
}
BASELINE = "eager"
ERA = 2023
PERIOD = "today"
LADDER = ("eager", "compile", "compile-step")
LIMITS = "torch"
PROGRAMS = {"g++": "g++"}
PROGRAM_MODES = ("compile", "reduce-overhead", "max-autotune", "compile-step")
FORMS = {"transformer": "scaled_dot_product_attention"}
ALLOCATORS = {
    "expandable_segments": {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"},
    "cudaMallocAsync": {"PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"},
}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "{threads}",
    "TORCHINDUCTOR_CACHE_DIR": "{scratch}/inductor",
    "TRITON_CACHE_DIR": "{scratch}/triton",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
    # a precompiled header is 150 MB in the temporary folder, more than a small tmpfs holds
    "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    # trust the processor's flags instead of seconds of trial compilations, which a machine needs once (decision 9)
    "TORCHINDUCTOR_VEC_ISA_OK": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime quantises what is exported
}
ADAM = KINGMA_BA
FORWARD = models.FORWARD

# All other modes leave the choice to PyTorch, so that a compiled one differs from eager in the compilation alone.
OPTIMIZER: Final[dict[str, dict[str, bool]]] = {
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step of `mode`."""
    if lacking := training.lacking(workload, precision):
        return Skip(lacking)
    if mode == "cuda-graph" and not device.on_cuda():
        return Skip("a CUDA graph needs an NVIDIA GPU; this is the CPU")
    if mode in {*INDUCTOR, "compile-step"} and (missing := compiler_missing()):
        return Skip(missing)
    if lacking := allocator_lacking(mode):
        return Skip(lacking)
    if mode == "foreach" and workload.trains and device.on_cuda():
        return Skip("on a GPU foreach is what eager runs: PyTorch chooses it by itself")
    if not workload.trains:
        return forward_step(workload, mode, precision)
    if mode == "cuda-graph":
        return captured_step(workload, precision)
    return compiled_step(workload, precision) if mode == "compile-step" else _loop(workload, mode, precision)


def _loop(workload: Workload, mode: str, precision: str) -> Step:
    """Return the usual training loop; the modes differ in how the loss is computed and in the optimiser."""
    model, x, y = training.placed(workload, precision)
    optimizer = training.optimizer_of(workload.optimizer, model.parameters(), **OPTIMIZER.get(mode, {}))
    eager = training.loss_of(workload, model, precision)
    compute_loss = run_as(mode, eager, model)
    products = training.products_of(training.predict_of(model, precision), x, precision)
    keep = keep_as(mode)
    last: torch.Tensor | None = None

    def step() -> torch.Tensor:
        nonlocal last
        optimizer.zero_grad()
        loss = compute_loss(x, y)
        loss.backward()
        optimizer.step()
        last = keep(loss)
        return last

    def reset() -> None:
        optimizer.zero_grad()  # before the load, which may need a temporary copy on the device
        training.load(model, workload.parameters)
        training.forget(optimizer)

    def proof() -> ModeProof:
        placement = placement_of(model.parameters(), last, products)
        ran, evidence = optimizer_mode(optimizer)
        if mode in INDUCTOR:
            compiled = inductor_proof(compute_loss, placement)
        elif isinstance(compute_loss, Script):
            compiled = compute_loss.proof(placement)
        else:
            return ModeProof(mode=ran, compilations=None, evidence=evidence, **placement)
        return dataclasses.replace(compiled, evidence=f"{compiled.evidence}; {evidence}")

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: training.parameters_of(model),
        gradient=lambda: training.gradient_of(model, eager, x, y),
        proof=proof,
    )


start, wait, to_numpy, memory = device.start, device.wait, device.to_numpy, device.memory
empty_cache = device.empty_cache
probes = torch_probes


def versions() -> Sequence[str]:
    """PyTorch, and NumPy for the inputs."""
    return (f"torch=={torch.__version__}", f"numpy=={np.__version__}")
