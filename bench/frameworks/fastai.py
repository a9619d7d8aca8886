"""fastai: `Learner.fit` over a one-batch DataLoader, one epoch an update, on PyTorch.

fastai's defaults are overridden where they differ from the workload's arithmetic: momenta, epsilon and weight decay.
Its Recorder stays, as in every default Learner, and fetches the smoothed loss in every batch.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import fastai
import numpy as np
import torch
from fastai.basics import SGD, Callback, DataLoader, DataLoaders, Learner, noop
from fastai.basics import Adam as FastaiAdam

from bench.frameworks._torch import device, models, training
from bench.frameworks._torch.inductor import compiler_missing, trainer_proof
from bench.frameworks._torch.probes import torch_probes
from bench.frameworks._torch.proof import placement_of
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.precision import BFLOAT16
from bench.reference.workload import KINGMA_BA, Adam, Sgd, Workload

MODES = {
    "fit": "Learner.fit: as many one-batch epochs as updates, constant learning rate, no validation, eager PyTorch",
    "fit-compile": "the same with torch.compile of the model; the loss and fastai's optimiser run eagerly",
}
BASELINE = "fit"
ERA = 2020
PERIOD = "today"
LADDER = ("fit",)
LIMITS = "torch"
PROGRAMS = {"g++": "g++"}
PROGRAM_MODES = ("fit-compile",)
FORMS = {"transformer": "scaled_dot_product_attention"}
ALLOCATORS = "torch"
ENVIRONMENT = {
    "FASTAI_HOME": "{scratch}/fastai",
    "MPLCONFIGDIR": "{scratch}/matplotlib",
    "OMP_NUM_THREADS": "{threads}",
    "TORCHINDUCTOR_CACHE_DIR": "{scratch}/inductor",
    "TRITON_CACHE_DIR": "{scratch}/triton",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
    "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    "TORCHINDUCTOR_VEC_ISA_OK": "1",
}
ADAM = KINGMA_BA
FORWARD = models.FORWARD


class _Losses(Callback):  # type: ignore[misc]
    """Keeps each batch's own loss on the device, without waiting for it: the Recorder's loss is smoothed."""

    def __init__(self) -> None:
        self.batches = 0
        self.of_this_fit: list[torch.Tensor] = []

    def before_fit(self) -> None:
        self.of_this_fit = []

    def after_batch(self) -> None:
        self.of_this_fit.append(self.learn.loss.detach())
        self.batches += 1


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the Learner's fit, of the model as it is or compiled."""
    if not workload.trains:
        return Skip("fastai's forward pass is PyTorch's own: its Learner adds a loop and callbacks, not a mode")
    if lacking := training.lacking(workload, precision):
        return Skip(lacking)
    if precision == BFLOAT16 and not device.on_cuda():
        return Skip("fastai's MixedPrecision opens CUDA's autocast whatever the device: on a CPU it does nothing")
    compiles = mode == "fit-compile"
    if compiles and (missing := compiler_missing()):
        return Skip(missing)
    model, x, y = training.placed(workload, precision)
    products = training.products_of(training.predict_of(model, precision), x, precision)
    whole_batch = DataLoader([(x, y)], bs=None, device=x.device)
    losses = _Losses()
    trained = torch.compile(model) if compiles else model
    learner = Learner(
        DataLoaders(whole_batch, []),
        trained,
        loss_func=FORWARD[workload.name].loss,
        opt_func=optimizer_of(workload.optimizer),
        lr=workload.optimizer.learning_rate,
        wd=0.0,
        cbs=[losses],
    )
    learner.logger = noop
    if precision == BFLOAT16:
        learner.to_bf16()
    learner.create_opt()
    updates_asked = 0

    def fit(updates: int) -> torch.Tensor:
        nonlocal updates_asked
        updates_asked += updates
        learner.fit(updates)
        return torch.stack(losses.of_this_fit)  # (updates,)

    def reset() -> None:
        training.load(model, workload.parameters)
        learner.create_opt()

    def proof() -> ModeProof:
        hyper = ", ".join(f"{name} {value:g}" for name, value in learner.opt.hypers[0].items())
        evidence = f"{losses.batches} batches seen in {updates_asked} updates asked for; optimiser with {hyper}"
        output = losses.of_this_fit[-1] if losses.of_this_fit else None
        placement = placement_of(model.parameters(), output, products)
        return trainer_proof(mode, trained, placement, complete=losses.batches == updates_asked, evidence=evidence)

    return Step(
        fit=fit,
        reset=reset,
        parameters=lambda: training.parameters_of(model),
        gradient=lambda: training.gradient_of(model, training.loss_of(workload, model, precision), x, y),
        proof=proof,
    )


def optimizer_of(optimizer: Adam | Sgd) -> Any:
    """Return the function that makes fastai's optimiser; its decay is to be set to 0 beside it."""
    if isinstance(optimizer, Sgd):
        return partial(SGD, mom=0.0)
    return partial(FastaiAdam, mom=optimizer.beta1, sqr_mom=optimizer.beta2, eps=optimizer.epsilon)


start, wait, to_numpy, memory = device.start, device.wait, device.to_numpy, device.memory
empty_cache = device.empty_cache
probes = torch_probes


def versions() -> Sequence[str]:
    """The library itself, the PyTorch it trains with, and NumPy for the inputs."""
    return (f"fastai=={fastai.__version__}", f"torch=={torch.__version__}", f"numpy=={np.__version__}")
