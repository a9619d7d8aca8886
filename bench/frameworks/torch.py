"""PyTorch: an explicit training loop around an `nn.Module`, eager, scripted, compiled or captured.

`compile`, `reduce-overhead` and `max-autotune` compile the forward pass with its loss, and with it the backward pass
that AOTAutograd derives; the optimiser stays eager. `compile-step` takes everything into one graph: the gradient by
`torch.autograd.grad`, since `.grad` and `zero_grad` leave a graph, and the update by the function behind `torch.optim`,
since the optimiser's own `step` breaks the graph on purpose (the note in `torch/optim/optimizer.py`).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from bench.frameworks._torch import models
from bench.frameworks._torch import proof as found
from bench.frameworks._torch import training as backend
from bench.frameworks._torch.script import AsModule, Script
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Adam, Sgd, Workload

MODES = {
    "eager": "forward, backward and update as separate PyTorch calls; the optimiser tensor by tensor",
    "foreach": "eager; each operator of the optimiser over all tensors at once (foreach=True)",
    "fused": "eager; the whole update in one kernel (fused=True)",
    "torchscript": "forward and loss traced by torch.jit.trace and run by TorchScript's executor; eager optimiser",
    "compile": "torch.compile (Inductor, default mode) of forward, loss and backward; the optimiser runs eagerly",
    "reduce-overhead": "torch.compile(mode='reduce-overhead') of the same: CUDA graphs where there is a GPU",
    "max-autotune": "torch.compile(mode='max-autotune') of the same: kernels chosen by trial, and CUDA graphs",
    "compile-step": "torch.compile of the whole step: forward, backward and update in one graph",
    "cuda-graph": "the whole eager step captured once as a CUDA graph and replayed",
}
BASELINE = "eager"
LADDER = ("eager", "compile", "compile-step")
LIMITS = "torch"
ALLOCATORS = {
    "expandable_segments": {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"},
    "cudaMallocAsync": {"PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"},
}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "{threads}",
    "TORCHINDUCTOR_CACHE_DIR": "{scratch}/inductor",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
    # a precompiled header is 150 MB in the temporary folder, more than a small tmpfs holds
    "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    # the processor says what it can, not seconds of trial compilations, which a machine needs once (decision 9)
    "TORCHINDUCTOR_VEC_ISA_OK": "1",
}
ADAM = KINGMA_BA
FORWARD = models.FORWARD

OPTIMIZER: Final[dict[str, dict[str, bool]]] = {  # modes that are not named take PyTorch's default for the device
    "eager": {"foreach": False, "fused": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
INDUCTOR: Final = {"compile": "default", "reduce-overhead": "reduce-overhead", "max-autotune": "max-autotune"}
TRAINING_ONLY: Final = ("foreach", "fused", "compile-step")  # they are about the update
WARM_UPS: Final = 3  # steps on a side stream before a capture, as PyTorch's notes on CUDA graphs do it


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step of `mode`."""
    if lacking := backend.lacking(workload, precision):
        return Skip(lacking)
    if mode == "cuda-graph" and not backend.on_cuda():
        return Skip("a CUDA graph needs an NVIDIA GPU; this is the CPU")
    if mode in {*INDUCTOR, "compile-step"} and (missing := found.compiler_missing()):
        return Skip(missing)
    if not workload.trains:
        return _forward(workload, mode, precision)
    if mode == "cuda-graph":
        return _captured(workload, precision)
    return _compiled(workload, precision) if mode == "compile-step" else _loop(workload, mode, precision)


def _loop(workload: Workload, mode: str, precision: str) -> Step:
    """Return the loop that everyone writes; the modes differ in how the loss is computed and in the optimiser."""
    model, x, y = backend.placed(workload, precision)
    optimizer = backend.optimizer_of(workload.optimizer, model.parameters(), **OPTIMIZER.get(mode, {}))
    eager = backend.loss_of(workload, model, precision)
    compute_loss = _run_as(mode, eager, model)
    products = backend.products_of(backend.predict_of(model, precision), x, precision)
    kept = _copied if mode in INDUCTOR and backend.on_cuda() else torch.Tensor.detach
    last: torch.Tensor | None = None

    def step() -> torch.Tensor:
        nonlocal last
        optimizer.zero_grad()
        loss = compute_loss(x, y)
        loss.backward()
        optimizer.step()
        last = kept(loss)
        return last

    def reset() -> None:
        backend.load(model, workload.parameters)
        backend.forget(optimizer)
        optimizer.zero_grad()

    def proof() -> ModeProof:
        placement = found.placement(model.parameters(), last, products)
        if mode in INDUCTOR:
            return found.inductor_proof(compute_loss, placement)
        if isinstance(compute_loss, Script):
            return compute_loss.proof(placement)
        kernels, evidence = found.optimizer_kernels(optimizer)
        return ModeProof(mode=kernels, compilations=None, evidence=evidence, **placement)

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: backend.parameters_of(model),
        gradient=lambda: backend.gradient_of(model, eager, x, y),
        proof=proof,
    )


def _copied(output: torch.Tensor) -> torch.Tensor:
    """Return a copy: the next replay of a CUDA graph overwrites what it returned, and a round keeps all outputs."""
    return output.detach().clone()


def _forward(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the forward pass alone, at the initial parameters, in inference mode."""
    if mode in TRAINING_ONLY:
        return Skip(f"{mode} is about the update, and a forward pass has none")
    model, x, _ = backend.placed(workload, precision)
    model.eval()
    eager = backend.predict_of(model, precision)
    predict = _run_as(mode, eager, model)
    graph = _Graph(lambda: eager(x)) if mode == "cuda-graph" else None
    kept = _copied if mode in INDUCTOR and backend.on_cuda() else torch.Tensor.detach
    last: torch.Tensor | None = None

    def step() -> torch.Tensor:
        nonlocal last
        with torch.inference_mode():
            last = graph.replay() if graph else kept(predict(x))
        return last

    def proof() -> ModeProof:
        placement = found.placement(model.parameters(), last)
        placement["compute_precision"] = placement["output_precision"]  # the last product's result is the prediction
        if mode in INDUCTOR:
            return found.inductor_proof(predict, placement)
        if isinstance(predict, Script):
            return predict.proof(placement)
        if graph:
            return graph.proof(placement)
        evidence = "PyTorch called the model operator by operator"
        return ModeProof(mode="eager", compilations=None, evidence=evidence, **placement)

    return Step(
        call=step,
        reset=lambda: None,
        parameters=lambda: backend.parameters_of(model),
        proof=proof,
        inference=True,
    )


def _run_as(mode: str, function: Callable[..., torch.Tensor], model: nn.Module) -> Callable[..., torch.Tensor]:
    """Return `function`, the model's forward pass with or without the loss, as `mode` runs it."""
    if mode == "torchscript":
        return Script(AsModule(model, function))
    if mode not in INDUCTOR:
        return function
    compiled: Callable[..., torch.Tensor] = torch.compile(function, mode=INDUCTOR[mode])
    return compiled


def _compiled(workload: Workload, precision: str) -> Step:
    """Return the step as one compiled function. Its state lives in plain tensors, which are cheap to guard."""
    model, x, y = backend.placed(workload, precision)
    eager = backend.loss_of(workload, model, precision)
    products = backend.products_of(backend.predict_of(model, precision), x, precision)
    parameters = list(model.parameters())
    state, update = _functional(workload.optimizer, parameters)
    last: torch.Tensor | None = None
    torch._dynamo.config.trace_autograd_ops = True  # lets torch.autograd.grad into the graph

    @torch.compile  # type: ignore[untyped-decorator]
    def whole(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = eager(x, y)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            update(list(gradients))
        return loss.detach()

    def step() -> torch.Tensor:
        nonlocal last
        last = whole(x, y)
        return last

    def reset() -> None:
        backend.load(model, workload.parameters)
        for tensor in state:
            tensor.zero_()

    def proof() -> ModeProof:
        told = found.inductor_proof(whole, found.placement(parameters, last, products))
        in_one = told.mode == "compile" and told.graphs == told.traces  # no frame has a backward graph of its own
        return dataclasses.replace(told, mode="compile-step" if in_one else told.mode)

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: backend.parameters_of(model),
        gradient=lambda: backend.gradient_of(model, eager, x, y),
        proof=proof,
    )


def _functional(
    optimizer: Adam | Sgd, parameters: list[torch.Tensor]
) -> tuple[list[torch.Tensor], Callable[[list[torch.Tensor]], None]]:
    """Return the optimiser's state and its update from the gradients, by the functions behind `torch.optim`."""
    options: dict[str, Any] = {"lr": optimizer.learning_rate, "weight_decay": 0.0, "maximize": False}
    options["foreach"] = backend.on_cuda()  # on a GPU Inductor fuses across tensors what comes as one operator
    if isinstance(optimizer, Sgd):
        options |= {"fused": False, "momentum": 0.0, "dampening": 0.0, "nesterov": False}
        momenta: list[None] = [None] * len(parameters)
        return [], lambda gradients: sgd(parameters, gradients, momenta, **options)
    options |= {"amsgrad": False, "beta1": optimizer.beta1, "beta2": optimizer.beta2, "eps": optimizer.epsilon}
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    steps = [torch.zeros((), device=p.device) for p in parameters]

    def update(gradients: list[torch.Tensor]) -> None:
        # in a graph the step count is a tensor; run eagerly, as where Dynamo is switched off, a CPU refuses that
        capturable = torch.compiler.is_compiling()
        adam(parameters, gradients, first, second, [], steps, capturable=capturable, **options)

    return [*first, *second, *steps], update


class _Graph:
    """A function captured as a CUDA graph by the first replay, after warm-ups on a side stream."""

    def __init__(self, eagerly: Callable[[], torch.Tensor], restore: Callable[[], None] = lambda: None) -> None:
        """Capture `eagerly`; `restore` takes back what the warm-ups changed."""
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


def _captured(workload: Workload, precision: str) -> Step:
    """Return the replay of a CUDA graph that holds the whole eager step."""
    model, x, y = backend.placed(workload, precision)
    eager = backend.loss_of(workload, model, precision)
    products = backend.products_of(backend.predict_of(model, precision), x, precision)
    adam_only = {"capturable": True} if isinstance(workload.optimizer, Adam) else {}
    optimizer = backend.optimizer_of(workload.optimizer, model.parameters(), **adam_only)
    last: torch.Tensor | None = None

    def eagerly() -> torch.Tensor:
        optimizer.zero_grad()  # to None: the captured backward allocates the gradients in the graph's memory
        loss = eager(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def reset() -> None:
        backend.load(model, workload.parameters)
        backend.forget(optimizer)

    graph = _Graph(eagerly, reset)

    def step() -> torch.Tensor:
        nonlocal last
        last = graph.replay()
        return last

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: backend.parameters_of(model),
        gradient=lambda: backend.gradient_of(model, eager, x, y),
        proof=lambda: graph.proof(found.placement(model.parameters(), last, products)),
    )


start, wait, to_numpy, memory = backend.start, backend.wait, backend.to_numpy, backend.memory
empty_cache = backend.empty_cache
probes = backend.probes


def versions() -> Sequence[str]:
    """PyTorch, and NumPy for the inputs."""
    return (f"torch=={torch.__version__}", f"numpy=={np.__version__}")
