"""Transformer: decoder blocks with causal attention, GELU and layer norm, softmax cross-entropy at every token.

    h = x;  each block:  h = h + out(attend(qkv(norm1(h))));  h = h + down(gelu(up(norm2(h))));  logits = head(norm(h))

The attention is each framework's own best form, which its file states (`FORMS`): its own function, a fused kernel where
it has one; else separate operations. `transformer_naive` has separate operations everywhere, like for like.
No embedding: x are vectors. No bias in qkv: that of the keys cancels in the softmax, so its gradient is only rounding,
and Adam would turn it into steps. Heads are 64 wide, in the smallest size 16; up is four times as wide; 256 classes;
GELU is its tanh approximation, ε of the layer norms 1e-5.

From `numpy.random.default_rng(42)` come, in this order, x (standard normal, (batch, tokens, width)), the labels
(integers below 256, (batch, tokens)), then the parameters by their names in the order below: a weight (normal with
standard deviation 1 / √inputs, out and down at half that; (inputs, outputs)), a bias or shift (normal × 0.01), a gain
(1 + normal × 0.1).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.records.record import FORWARD_ONLY
from bench.reference import derivative
from bench.reference.derivative import (
    Arrays,
    Value,
    add,
    attend,
    constant,
    cross_entropy,
    gelu,
    matmul,
    multiply,
    normalize,
    reshape,
    split,
    transpose,
)
from bench.reference.inputs import Resident
from bench.reference.workload import Adam, Sgd, Work, Workload, frozen
from bench.workloads.pointwise import EPSILON


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The dimensions that set how large the workload is."""

    layers: int
    width: int
    tokens: int
    batch: int = 8


SIZES: Final = {
    "tiny": Size(layers=2, width=32, tokens=8, batch=2),
    "S": Size(layers=2, width=128, tokens=64),
    "M": Size(layers=4, width=256, tokens=128),
    "L": Size(layers=8, width=512, tokens=512),
    "XL": Size(layers=12, width=768, tokens=1024),
}
ON_CPU: Final = ("S", "M")
ON_CUDA: Final = ("M", "L", "XL")
OPTIMIZERS: Final[Mapping[str, Adam | Sgd | None]] = {
    "adam": Adam(learning_rate=0.001),
    "sgd": Sgd(learning_rate=0.05),
    FORWARD_ONLY: None,
}
SEED: Final = 42
INFERS: Final = True
CLASSES: Final = 256


def heads(width: int) -> int:
    """Return the number of attention heads."""
    return max(2, width // 64)


def blocks(parameters: Iterable[str]) -> list[str]:
    """Return the names of the blocks in the names of `parameters`, in their order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in parameters if name.startswith("block")))


def make(size: str, optimizer: str) -> Workload:
    """Return inputs x (batch, tokens, width) and y (batch, tokens), parameters "block1.norm1.gain" (width,) and on.

    Raises:
        KeyError: no such size or optimizer.
    """
    width, tokens, batch = SIZES[size].width, SIZES[size].tokens, SIZES[size].batch
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((batch, tokens, width))
    y = rng.integers(CLASSES, size=(batch, tokens))
    shapes = _shapes(size)
    parameters = {name: frozen(_initial(rng, name, shape)) for name, shape in shapes.items()}
    return Workload(
        name="transformer",
        size=size,
        update=OPTIMIZERS[optimizer],
        steps=20,
        work=work(size),
        inputs=Resident(x=frozen(x), y=frozen(y, np.int32)),
        parameters=parameters,
        predict=derivative.values(_predict),
        loss_and_gradient=derivative.of(_loss),
        gradient_tolerance=1e-4,
        loss_tolerance=1e-3,
        parameter_tolerance=2e-2,  # the most that 20 steps of Adam change: where a gradient is rounding, runs differ
    )


def _shapes(size: str) -> dict[str, tuple[int, ...]]:
    """Return the parameters' shapes by their names."""
    layers, width = SIZES[size].layers, SIZES[size].width
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(1, layers + 1):
        shapes |= _norm(f"block{number}.norm1", width)
        shapes |= {f"block{number}.qkv.weight": (width, 3 * width)} | _linear(f"block{number}.out", width, width)
        shapes |= _norm(f"block{number}.norm2", width)
        shapes |= _linear(f"block{number}.up", width, 4 * width) | _linear(f"block{number}.down", 4 * width, width)
    shapes |= _norm("norm", width) | _linear("head", width, CLASSES)
    return shapes


def work(size: str) -> Work:
    """Return the work of one step.

    Operations: forward and twice that backward, of the products with weights, and of a causal attention's two products,
    which have tokens² / 2 entries each. Inputs are read once; parameters are read, then read and written with their
    gradient and Adam's moments; forward alone reads inputs and parameters and writes the logits. The
    footprint counts the results of all layers, but no scores: a fused attention keeps none.
    """
    layers, width, tokens, batch = SIZES[size].layers, SIZES[size].width, SIZES[size].tokens, SIZES[size].batch
    shapes = _shapes(size).values()
    products = sum(int(np.prod(shape)) for shape in shapes if len(shape) > 1)
    numbers = sum(int(np.prod(shape)) for shape in shapes)
    forward_flops = batch * tokens * (2 * products + 2 * layers * tokens * width)
    return Work(
        samples=batch,
        flops=3 * forward_flops,
        bytes=4 * (batch * tokens * width + 8 * numbers),
        forward_flops=forward_flops,
        forward_bytes=4 * (batch * tokens * (width + CLASSES) + numbers),
        footprint=4 * (batch * tokens * (14 * layers * width + CLASSES) + 4 * numbers),
        parameters=numbers,
    )


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.gain": (width,), f"{name}.shift": (width,)}


def _linear(name: str, before: int, after: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (before, after), f"{name}.bias": (after,)}


def _initial(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> derivative.Array64:
    drawn = rng.standard_normal(shape)
    if len(shape) > 1:
        return np.asarray(drawn / np.sqrt(shape[0]) * (0.5 if ".out." in name or ".down." in name else 1))
    return np.asarray(1 + 0.1 * drawn if name.endswith("gain") else 0.01 * drawn)


def _predict(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    def dense(layer: str, h: Value) -> Value:
        return add(matmul(h, parameters[f"{layer}.weight"]), parameters[f"{layer}.bias"])

    def normal(name: str, h: Value) -> Value:
        return add(multiply(normalize(h, EPSILON), parameters[f"{name}.gain"]), parameters[f"{name}.shift"])

    n, tokens, width = inputs["x"].shape
    h = constant(inputs["x"])
    for block in blocks(parameters):
        qkv = reshape(
            matmul(normal(f"{block}.norm1", h), parameters[f"{block}.qkv.weight"]), (n, tokens, 3, heads(width), -1)
        )
        mixed = attend(*split(transpose(qkv, (2, 0, 3, 1, 4))))  # (n, heads, tokens, d)
        h = add(h, dense(f"{block}.out", reshape(transpose(mixed, (0, 2, 1, 3)), (n, tokens, width))))
        h = add(h, dense(f"{block}.down", gelu(dense(f"{block}.up", normal(f"{block}.norm2", h)))))
    return dense("head", normal("norm", h))


def _loss(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    logits = reshape(_predict(parameters, inputs), (-1, CLASSES))
    return cross_entropy(logits, inputs["y"].reshape(-1).astype(np.int64))
