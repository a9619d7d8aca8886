"""Keras on PyTorch: `fit` and `train_on_batch`; the step runs eagerly, or through Inductor.

Keras' own step calls `loss.backward()`, which Dynamo does not trace: under jit_compile the step is two graphs, forward
and update, with a graph break between them that no setting of Keras avoids. (`torch._dynamo.config.trace_autograd_ops`
does, and PyTorch 2.13 then leaves a tensor where Keras keeps its call context: the second step fails.)
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.frameworks._keras import models, step
from bench.frameworks._keras.backend import COMPILED, EAGER, Backend
from bench.frameworks._keras.proof import step_of
from bench.frameworks._torch import device as torch_device
from bench.frameworks._torch.inductor import compiler_missing, graph_breaks_at, inductor_proof
from bench.frameworks._torch.probes import torch_probes
from bench.frameworks._torch.proof import placement_of
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import EPSILON_HAT, Workload

MODES = {
    "fit-eager": "fit, one batch an epoch, compile(run_eagerly=True): each operation dispatched by itself",
    "fit": "fit, one batch an epoch, compile() as it comes: on PyTorch that is eager too",
    "fit-jit": "fit, one batch an epoch, compile(jit_compile=True): torch.compile of Keras' step, broken at backward()",
    "batch-eager": "train_on_batch, compile(run_eagerly=True): each operation dispatched by itself",
    "batch": "train_on_batch, compile() as it comes: on PyTorch that is eager too",
    "batch-jit": "train_on_batch, compile(jit_compile=True): torch.compile of Keras' step, broken at backward()",
}
BASELINE = {
    "fit-eager": "fit-eager",
    "fit": "fit-eager",
    "fit-jit": "fit-eager",
    "batch-eager": "batch-eager",
    "batch": "batch-eager",
    "batch-jit": "batch-eager",
}
LADDER = ("batch-eager", "batch-jit")
LIMITS = "torch"
PROGRAMS = {"g++": "g++"}
PROGRAM_MODES = ("fit-jit", "batch-jit")
FORMS = {"transformer": "keras.ops.dot_product_attention"}
ALLOCATORS = "torch"
ENVIRONMENT = {
    "KERAS_BACKEND": "torch",
    "KERAS_HOME": "{scratch}/keras",
    # as for PyTorch itself
    "OMP_NUM_THREADS": "{threads}",
    "TORCHDYNAMO_CAPTURE_SCALAR_OUTPUTS": "1",  # Keras' SGD takes its learning rate out of a tensor
    "TORCHINDUCTOR_CACHE_DIR": "{scratch}/inductor",
    "TRITON_CACHE_DIR": "{scratch}/triton",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
    "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    "TORCHINDUCTOR_VEC_ISA_OK": "1",
}
ERA = 2023
PERIOD = "today"
ADAM = EPSILON_HAT
FORWARD = models.FORWARD
AMPERE = (8, 0)  # the first compute capability with TF32
PRODUCTS = ("mm", "convolution", "scaled_dot_product")  # in the names of operators: mm, addmm, bmm, baddbmm, …

_scope = contextlib.ExitStack()


def start(device: str, threads: int) -> None:
    """Choose the device for PyTorch and for Keras, set the threads and strict float32 (no TF32)."""
    torch_device.start(device, threads)
    _scope.enter_context(keras.device(device))  # "cpu:0" would be another device than "cpu" to PyTorch


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the mode's step: Keras' own, or one epoch of its loop."""
    if mode.endswith("-jit") and (missing := compiler_missing()):
        return Skip(missing)
    keras_on_torch = Backend(
        gradient=_gradient,
        uncompiled=EAGER,
        prove=_prove,
        products=_products,
        round_to_tf32=_round_to_tf32,
        prepare=_give_gradients,
    )
    return step.build(workload, mode, precision, keras_on_torch)


def _give_gradients(model: keras.Model) -> None:
    """Give every weight of a compiled step a gradient of zeros: without, Dynamo compiles the first for its absence."""
    for weight in model.trainable_variables if model.jit_compile else ():
        weight.value.grad = torch.zeros_like(weight.value)


def _gradient(model: keras.Model, loss: models.Loss, x: torch.Tensor, y: torch.Tensor) -> Sequence[torch.Tensor]:
    value = loss(y, model(x, training=True))
    slopes: Sequence[torch.Tensor] = torch.autograd.grad(value, [v.value for v in model.trainable_variables])
    return slopes


def _round_to_tf32() -> str:
    if not torch_device.on_cuda():
        return "TF32 needs an NVIDIA GPU: PyTorch computes on the CPU"
    major, minor = torch.cuda.get_device_capability()
    if (major, minor) < AMPERE:
        return f"TF32 needs an NVIDIA GPU of compute capability 8.0, this one has {major}.{minor}"
    torch_device.round_to_tf32(wanted=True)
    return ""


class _Products(TorchDispatchMode):  # type: ignore[misc]
    """Records the dtypes that matrix products, convolutions and fused attention take."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[str] = set()

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(part in operator.name() for part in PRODUCTS):
            tensors = (each for each in args if isinstance(each, torch.Tensor))
            self.dtypes |= {str(tensor.dtype).removeprefix("torch.") for tensor in tensors}
        return operator(*args, **(kwargs or {}))


def _products(model: keras.Model, x: torch.Tensor) -> set[str]:
    """Return the dtypes that products take while the model predicts from one sample."""
    products = _Products()
    with torch.no_grad(), products:
        model(x[:1], training=False)
    return products.dtypes


def _prove(model: keras.Model) -> ModeProof:
    """Return what PyTorch ran of Keras' step."""
    placement = placement_of(model.parameters(), output=None)
    if not model.jit_compile:
        return ModeProof(mode=EAGER, compilations=None, evidence="the step is not compiled", **placement)
    proof = inductor_proof(step_of(model), placement)
    return dataclasses.replace(
        proof,
        mode=COMPILED if proof.graphs else EAGER,
        graph_breaks_declared=graph_breaks_at("Tensor.backward()"),
    )


wait, to_numpy, memory = torch_device.wait, step.to_numpy, torch_device.memory
empty_cache = torch_device.empty_cache
probes = torch_probes


def versions() -> tuple[str, ...]:
    """Keras, PyTorch, and NumPy for the inputs."""
    return step.versions(f"torch=={torch.__version__}")
