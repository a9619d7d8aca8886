"""PyTorch: an explicit training loop around an `nn.Module`, eager, scripted, compiled or captured.

`compile`, `reduce-overhead` and `max-autotune` compile the forward pass with its loss, and with it the backward pass
that AOTAutograd derives; the optimiser stays eager. `compile-step` takes everything into one graph: the gradient by
`torch.autograd.grad`, since `.grad` and `zero_grad` leave a graph, and the update by the function behind `torch.optim`,
since the optimiser's own `step` breaks the graph on purpose (the note in `torch/optim/optimizer.py`).
"""

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from bench.framework import Skip, Step
from bench.frameworks import _torch as backend
from bench.frameworks import _torch_proof as found
from bench.record import ModeProof
from bench.workload import KINGMA_BA, Adam, Sgd, Workload

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
FORWARD = backend.FORWARD

OPTIMIZER: Final[dict[str, dict[str, bool]]] = {  # modes that are not named take PyTorch's default for the device
    "eager": {"foreach": False, "fused": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
INDUCTOR: Final = {"compile": "default", "reduce-overhead": "reduce-overhead", "max-autotune": "max-autotune"}
WARM_UPS: Final = 3  # steps on a side stream before a capture, as PyTorch's notes on CUDA graphs do it

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step of `mode`."""
    if precision != "float32":
        return Skip(f"PyTorch is measured in float32 only, not {precision}")
    if mode == "cuda-graph":
        return _captured(workload) if backend.on_cuda() else Skip("a CUDA graph needs an NVIDIA GPU; this is the CPU")
    if mode not in {*INDUCTOR, "compile-step"}:
        return _loop(workload, mode)
    if missing := found.compiler_missing():
        return Skip(missing)
    return _compiled(workload) if mode == "compile-step" else _loop(workload, mode)


def _loop(workload: Workload, mode: str) -> Step:
    """Return the loop that everyone writes; the modes differ in how the loss is computed and in the optimiser."""
    model, x, y = backend.placed(workload)
    optimizer = backend.optimizer_of(workload.optimizer, model.parameters(), **OPTIMIZER.get(mode, {}))
    loss_function = backend.FORWARD[workload.name].loss
    compute_loss = _loss_of(model, loss_function, mode)
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
        placement = found.placement(model.parameters(), last)
        if mode in INDUCTOR:
            return found.inductor_proof(compute_loss, placement)
        if isinstance(compute_loss, _Script):
            return compute_loss.proof(placement)
        kernels, evidence = found.optimizer_kernels(optimizer)
        return ModeProof(mode=kernels, compilations=None, evidence=evidence, **placement)

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: backend.parameters_of(model),
        gradient=lambda: backend.gradient_of(model, loss_function, x, y),
        proof=proof,
    )


def _copied(loss: torch.Tensor) -> torch.Tensor:
    """Return a copy: the next replay of a CUDA graph overwrites what it returned, and a round keeps all losses."""
    return loss.detach().clone()


def _loss_of(model: nn.Module, loss: Loss, mode: str) -> Loss:
    """Return the forward pass with the loss, as `mode` runs it."""

    def forward(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss(model(x), y)

    if mode == "torchscript":
        return _Script(model, loss)
    if mode not in INDUCTOR:
        return forward
    compiled: Loss = torch.compile(forward, mode=INDUCTOR[mode])
    return compiled


class _Script:
    """TorchScript's graph of model and loss, traced by the first call, as the trace belongs to the first step."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        self.module = _WithLoss(model, loss)
        self.traced: Any = None

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.traced is None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
                self.traced = torch.jit.trace(self.module, (x, y), check_trace=False)
        loss: torch.Tensor = self.traced(x, y)
        return loss

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


class _WithLoss(nn.Module):  # type: ignore[misc]
    """Model and loss as one module, the form in which TorchScript traces parameters as parameters."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.loss(self.model(x), y)


def _compiled(workload: Workload) -> Step:
    """Return the step as one compiled function. Its state lives in plain tensors, which are cheap to guard."""
    model, x, y = backend.placed(workload)
    loss_function = backend.FORWARD[workload.name].loss
    parameters = list(model.parameters())
    state, update = _functional(workload.optimizer, parameters)
    last: torch.Tensor | None = None
    torch._dynamo.config.trace_autograd_ops = True  # lets torch.autograd.grad into the graph

    @torch.compile  # type: ignore[untyped-decorator]
    def whole(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = loss_function(model(x), y)
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
        told = found.inductor_proof(whole, found.placement(parameters, last))
        in_one = told.mode == "compile" and told.graphs == told.traces  # no frame has a backward graph of its own
        return dataclasses.replace(told, mode="compile-step" if in_one else told.mode)

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: backend.parameters_of(model),
        gradient=lambda: backend.gradient_of(model, loss_function, x, y),
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


def _captured(workload: Workload) -> Step:
    """Return the replay of a CUDA graph that holds the whole eager step; the first call warms up and captures it."""
    model, x, y = backend.placed(workload)
    loss_function = backend.FORWARD[workload.name].loss
    adam_only = {"capturable": True} if isinstance(workload.optimizer, Adam) else {}
    optimizer = backend.optimizer_of(workload.optimizer, model.parameters(), **adam_only)
    graph = torch.cuda.CUDAGraph()
    captured: torch.Tensor | None = None  # the loss, in the graph's own memory
    last: torch.Tensor | None = None

    def eagerly() -> torch.Tensor:
        optimizer.zero_grad()  # to None: the captured backward allocates the gradients in the graph's memory
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def capture() -> torch.Tensor:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                eagerly()
        torch.cuda.current_stream().wait_stream(side)
        reset()  # takes the warm-up back
        with torch.cuda.graph(graph):
            return eagerly()

    def step() -> torch.Tensor:
        nonlocal captured, last
        if captured is None:
            captured = capture()
        graph.replay()
        last = captured.clone()  # the next replay overwrites it
        return last

    def reset() -> None:
        backend.load(model, workload.parameters)
        backend.forget(optimizer)

    def proof() -> ModeProof:
        ran = captured is not None
        return ModeProof(
            mode="cuda-graph" if ran else "eager",
            compilations=int(ran),
            cuda_graphs=int(ran),
            evidence=f"PyTorch {'replays one captured graph' if ran else 'captured nothing'}",
            **found.placement(model.parameters(), last),
        )

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: backend.parameters_of(model),
        gradient=lambda: backend.gradient_of(model, loss_function, x, y),
        proof=proof,
    )


start, wait, to_numpy, memory = backend.start, backend.wait, backend.to_numpy, backend.memory


def versions() -> Sequence[str]:
    """PyTorch, and NumPy for the inputs."""
    return (f"torch=={torch.__version__}", f"numpy=={np.__version__}")
