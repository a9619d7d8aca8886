"""A workload as data: inputs, initial parameters, optimiser, and the float64 NumPy reference of all frameworks.

Adam exists in two formulas, and no constant epsilon makes them equal:

    kingma-ba    p -= lr · m̂ / (√v̂ + ε)                         Kingma and Ba 2015, algorithm 1 (PyTorch, Optax)
    epsilon-hat  p -= lr · √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)       same paper, end of section 2 (Keras, TensorFlow)

with m̂ = m / (1-β₁ᵗ) and v̂ = v / (1-β₂ᵗ). Each framework is compared with its own formula; the record says which. A
third is the second with the step counted from 2 and not from 1, which corrects too little: that of Keras 2.3 and of
Caffe2, whose counters are raised before they are read (decision 48).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.records.record import FORWARD_ONLY
from bench.reference.inputs import Batch, Inputs
from bench.reference.work import forward_at

Array32 = NDArray[np.float32]
Array64 = NDArray[np.float64]
Arrays64 = Mapping[str, Array64]
LossAndGradient = Callable[[Arrays64, Mapping[str, NDArray[Any]]], tuple[float, Arrays64]]
Predict = Callable[[Arrays64, Arrays64], Array64]

# Float32 rounding flips the sign of some inputs of a ReLU, which changes a gradient by 5e-4 of its norm at any large
# size (decision 13).
RELU_GRADIENT_TOLERANCE = 2e-3
LOSS_TOLERANCE = 1e-4  # float32 bias corrections alone give 1.7e-5 in 200 steps of Adam on the regression
REFERENCE_FLOPS = 5e10  # some seconds of float64 on one core
REFERENCE_BYTES = 128 << 20  # NumPy keeps several times as much, and each operation goes through all of it
KINGMA_BA = "kingma-ba"
EPSILON_HAT = "epsilon-hat"
EPSILON_HAT_FROM_2 = "epsilon-hat, step counted from 2"
FORMULAS = (KINGMA_BA, EPSILON_HAT, EPSILON_HAT_FROM_2)  # of Adam


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """Adam, Kingma and Ba 2015 (arXiv:1412.6980), without weight decay."""

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sgd:
    """Plain gradient descent, without momentum or weight decay: p -= lr · g."""

    learning_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The work of one training step, computed without making its arrays."""

    samples: int  # rows of the batch
    flops: int  # additions and multiplications of forward, loss and gradient
    bytes: int  # least memory traffic: what a step must read and write once, in float32
    forward_flops: int  # `flops` of the forward pass alone
    forward_bytes: int
    footprint: int  # least bytes held at once: inputs, parameters, gradient, Adam's moments, all activations of a step
    parameters: int = 0  # numbers whose Adam moments are part of `bytes` (read and written) and `footprint`

    def forward_at(self, batch: int) -> "Work":
        """Return the work of a forward pass of `batch` rows."""
        return forward_at(self, batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One training problem in one size, the same bytes for every framework."""

    name: str  # module under bench/workloads
    size: str
    update: Adam | Sgd | None  # None: no training, a step is a forward pass at the initial parameters
    steps: int  # updates of the correctness gate's run
    work: Work
    inputs: Inputs  # what each step consumes
    parameters: Mapping[str, Array32]  # initial values, read-only; a matrix is (inputs, outputs)
    loss_and_gradient: LossAndGradient  # float64 reference: (parameters, inputs) -> loss, d loss / d parameters
    gradient_tolerance: float | None = None  # of rms(g - reference) / rms(reference), by parameter; None: not compared
    loss_tolerance: float = LOSS_TOLERANCE  # of |loss - reference| / max(1, |reference|) over `steps`
    parameter_tolerance: float = 1e-4  # of |parameter - reference| after them
    predict: Predict | None = (
        None  # float64 forward pass: (parameters, inputs) -> predictions; where models are exported
    )
    is_trained: bool = False  # `parameters` are trained ones and a step is inference at a batch (reference.inference)
    trained_rows: int = 0  # of the batch, its first: those that trained `parameters`; 0: they are not trained
    expected: Array64 | None = None  # float64 predictions with `parameters`, shape (n,); None: to be computed
    pruned: int = 0  # per cent of the numbers of each weight matrix that are zero (reference.pruning)
    unpruned: Array64 | None = None  # `expected` before that, of what is pruned; None: not known
    truth: Mapping[str, float] = field(default_factory=dict)  # the values that the trained parameters should approach
    tolerance: float = 0.0  # allowed difference from `truth`, for the success flag

    @property
    def batch(self) -> Batch:
        """What the first step consumes; resident inputs are the same in every step."""
        return self.inputs.batch(0)

    @property
    def trains(self) -> bool:
        """Whether a step is an update, not a forward pass alone."""
        return self.update is not None

    @property
    def optimizer(self) -> Adam | Sgd:
        """The optimiser; raises ValueError where the workload is not trained."""
        if self.update is None:
            raise ValueError(f"the {self.name} is not trained here: a step is a forward pass")
        return self.update

    @property
    def has_reference(self) -> bool:
        """Whether the float64 reference takes seconds, not minutes; if not, only frameworks are compared."""
        flops = self.work.flops * self.steps if self.trains else self.work.forward_flops
        return flops <= REFERENCE_FLOPS

    @property
    def has_reference_gradient(self) -> bool:
        """Whether the float64 gradient of one step takes seconds; true at some sizes where all steps take longer."""
        one_step = self.work.flops <= REFERENCE_FLOPS and self.work.footprint <= REFERENCE_BYTES
        return self.has_reference or one_step

    def formula(self, adam: str) -> str:
        """Return the update rule of this workload in a framework whose Adam is `adam`."""
        if not self.trains:
            return FORWARD_ONLY
        return adam if isinstance(self.optimizer, Adam) else "sgd"

    def gradient(self) -> Arrays64:
        """Return the float64 gradient of the loss at the initial parameters."""
        inputs = {name: as_float64(array) for name, array in self.batch.by_name().items()}
        parameters = {name: array.astype(np.float64) for name, array in self.parameters.items()}
        return self.slope(parameters, inputs)[1]

    def slope(self, parameters: Arrays64, inputs: Mapping[str, NDArray[Any]]) -> tuple[float, Arrays64]:
        """Return `loss_and_gradient`, with its shapes checked: a gradient that broadcasts would not be noticed.

        Raises:
            ValueError: a gradient is missing or has another shape than its parameter, or the reference cannot compute.
        """
        try:
            loss, gradient = self.loss_and_gradient(parameters, inputs)
        except ValueError as error:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in {**inputs, **parameters}.items())
            raise ValueError(f"the reference of {self.name} cannot compute with {shapes}: {error}") from error
        for name, array in parameters.items():
            if name not in gradient or gradient[name].shape != array.shape:
                shape = gradient[name].shape if name in gradient else "none"
                raise ValueError(f"the reference of {self.name} gives {name} {array.shape} the gradient {shape}")
        return loss, gradient


def as_float64(array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in float64; labels stay integers."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def frozen(array: NDArray[Any], dtype: Any = np.float32) -> NDArray[Any]:
    """Return a read-only, C-contiguous copy."""
    cast = np.array(array, dtype=dtype, order="C")
    cast.setflags(write=False)
    return cast


def sha256(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the arrays' bytes, in the order of their names; shapes do not count.

    A framework may keep a (1, 1) weight as a scalar: the bytes are the same.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        dtype = np.float32 if arrays[name].dtype.kind == "f" else np.int32
        digest.update(np.ascontiguousarray(arrays[name], dtype=dtype).tobytes())
    return digest.hexdigest()
