"""Reverse-mode derivatives in float64 NumPy, with only the operations that the workloads' references need.

A workload writes its forward pass once, with these operations, on `Value`s. Each operation keeps what its derivative
with respect to each operand needs; `of` goes back from the loss. It is plain and slow on purpose: all frameworks are
compared with it. It is itself compared with difference quotients (tests/bench/reference/test_derivative.py).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array64 = NDArray[np.float64]
Arrays = Mapping[str, NDArray[np.generic]]
Back = Callable[[Array64], Array64]  # derivative of the loss by a result -> its derivative by one operand
Forward = Callable[[Mapping[str, "Value"], Arrays], "Value"]  # (parameters, inputs) -> predictions, or the scalar loss

_order: Final = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An array, and the operands that it was computed from."""

    array: Array64
    operands: Sequence[tuple["Value", Back]] = ()
    order: int = field(default_factory=lambda: next(_order))  # later values depend on earlier ones only


def of(forward: Forward) -> Callable[[Mapping[str, Array64], Arrays], tuple[float, dict[str, Array64]]]:
    """Return the function (parameters, inputs) -> (loss, derivative of the loss by each parameter)."""

    def loss_and_gradient(parameters: Mapping[str, Array64], inputs: Arrays) -> tuple[float, dict[str, Array64]]:
        values = {name: Value(np.asarray(array, dtype=np.float64)) for name, array in parameters.items()}
        loss = forward(values, inputs)
        slopes = _slopes(loss)
        return loss.array.item(), {name: slopes.get(v, np.zeros_like(v.array)) for name, v in values.items()}

    return loss_and_gradient


def values(forward: Forward) -> Callable[[Mapping[str, Array64], Arrays], Array64]:
    """Return the function (parameters, inputs) -> array of what `forward` computes, without derivatives."""

    def compute(parameters: Mapping[str, Array64], inputs: Arrays) -> Array64:
        return forward({name: constant(array) for name, array in parameters.items()}, inputs).array

    return compute


def _slopes(loss: Value) -> Mapping[Value, Array64]:
    """Return the derivative of `loss` by every value that it depends on."""
    slopes: dict[Value, Array64] = {loss: np.ones_like(loss.array)}
    open_values = {loss}
    while open_values:
        newest = max(open_values, key=lambda value: value.order)
        open_values.remove(newest)
        for operand, back in newest.operands:
            slope = back(slopes[newest])
            slopes[operand] = slopes[operand] + slope if operand in slopes else slope
            open_values.add(operand)
    return slopes


def constant(array: NDArray[np.generic]) -> Value:
    """Return an array as a constant: no derivative by it is returned."""
    return Value(np.asarray(array, dtype=np.float64))


def add(a: Value, b: Value) -> Value:
    """Return a + b, broadcast."""
    return Value(a.array + b.array, [(a, _summed_to(a)), (b, _summed_to(b))])


def _summed_to(value: Value) -> Back:
    """Return the derivative of broadcasting `value`: the sum over what it was repeated along."""
    shape = value.array.shape

    def back(slope: Array64) -> Array64:
        slope = slope.sum(axis=tuple(range(slope.ndim - len(shape))))
        return np.asarray(slope.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True))

    return back


def matmul(a: Value, b: Value) -> Value:
    """Return a @ b, of (…, n, k) and (k, m)."""

    def by_b(slope: Array64) -> Array64:
        flat_a = a.array.reshape(-1, a.array.shape[-1])
        return np.asarray(flat_a.T @ slope.reshape(-1, slope.shape[-1]))

    return Value(np.asarray(a.array @ b.array), [(a, lambda slope: np.asarray(slope @ b.array.T)), (b, by_b)])


def relu(a: Value) -> Value:
    """Return max(a, 0); its derivative at 0 is 0, as in all frameworks."""
    return Value(np.maximum(a.array, 0), [(a, lambda slope: slope * (a.array > 0))])


def subtract(a: Value, b: Value) -> Value:
    """Return a - b, broadcast."""
    by_b = _summed_to(b)
    return Value(a.array - b.array, [(a, _summed_to(a)), (b, lambda slope: -by_b(slope))])


def multiply(a: Value, b: Value) -> Value:
    """Return the product, element by element, broadcast."""
    by_a, by_b = _summed_to(a), _summed_to(b)
    return Value(
        a.array * b.array, [(a, lambda slope: by_a(slope * b.array)), (b, lambda slope: by_b(slope * a.array))]
    )


def reshape(a: Value, shape: tuple[int, ...]) -> Value:
    """Return the same elements in another shape."""
    return Value(a.array.reshape(shape), [(a, lambda slope: slope.reshape(a.array.shape))])


def mean(a: Value, axes: tuple[int, ...]) -> Value:
    """Return the mean over `axes`, which are dropped."""
    count = np.prod([a.array.shape[axis] for axis in axes])

    def back(slope: Array64) -> Array64:
        return np.asarray(np.broadcast_to(np.expand_dims(slope, axes) / count, a.array.shape))

    return Value(np.asarray(a.array.mean(axis=axes)), [(a, back)])


def convolve(a: Value, weight: Value) -> Value:
    """Return the convolution with 3 x 3 filters, stride 1, zero padding: the result is as large as the image.

    As in all frameworks, no filter is flipped: it is a cross-correlation. Shapes: images (n, height, width, channels),
    filters (3, 3, channels, filters), result (n, height, width, filters).
    """
    height, width = a.array.shape[1:3]
    padded = np.pad(a.array, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = [(i, j) for i in range(3) for j in range(3)]

    def shifted(image: Array64, i: int, j: int) -> Array64:
        return image[:, i : i + height, j : j + width]

    def by_image(slope: Array64) -> Array64:
        gradient = np.zeros_like(padded)
        for i, j in windows:
            shifted(gradient, i, j)[...] += slope @ weight.array[i, j].T
        return gradient[:, 1:-1, 1:-1]

    def by_weight(slope: Array64) -> Array64:
        gradient = np.empty_like(weight.array)
        for i, j in windows:
            gradient[i, j] = np.tensordot(shifted(padded, i, j), slope, axes=([0, 1, 2], [0, 1, 2]))
        return gradient

    product = sum(shifted(padded, i, j) @ weight.array[i, j] for i, j in windows)
    return Value(np.asarray(product), [(a, by_image), (weight, by_weight)])


def attend(q: Value, k: Value, v: Value) -> Value:
    """Return causal scaled dot-product attention, softmax(q kᵀ / √d) v, of (…, tokens, d).

    Vaswani et al. 2017 (arXiv:1706.03762), equation 1; a token sees itself and those before it.
    """
    scale = q.array.shape[-1] ** -0.5
    causal = np.tril(np.ones((q.array.shape[-2],) * 2, dtype=bool))
    scores = np.where(causal, q.array @ k.array.swapaxes(-1, -2) * scale, -np.inf)
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    share = odds / odds.sum(axis=-1, keepdims=True)

    def by_scores(slope: Array64) -> Array64:
        by_share = slope @ v.array.swapaxes(-1, -2)
        return np.asarray(share * (by_share - (by_share * share).sum(axis=-1, keepdims=True)) * scale)

    return Value(
        share @ v.array,
        [
            (q, lambda slope: by_scores(slope) @ k.array),
            (k, lambda slope: by_scores(slope).swapaxes(-1, -2) @ q.array),
            (v, lambda slope: share.swapaxes(-1, -2) @ slope),
        ],
    )


def transpose(a: Value, axes: tuple[int, ...]) -> Value:
    """Return the axes in another order."""
    back = tuple(np.argsort(axes))
    return Value(a.array.transpose(axes), [(a, lambda slope: slope.transpose(back))])


def split(a: Value) -> list[Value]:
    """Return the parts along the first axis."""

    def part(index: int) -> Value:
        def back(slope: Array64) -> Array64:
            gradient = np.zeros_like(a.array)
            gradient[index] = slope
            return gradient

        return Value(a.array[index], [(a, back)])

    return [part(index) for index in range(len(a.array))]


def gelu(a: Value) -> Value:
    """Return GELU by its tanh approximation, Hendrycks and Gimpel 2016 (arXiv:1606.08415), section 2."""
    x = a.array
    scale, cubic = np.sqrt(2 / np.pi), 0.044715
    t = np.tanh(scale * (x + cubic * x**3))
    derivative = 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * scale * (1 + 3 * cubic * x**2)
    return Value(0.5 * x * (1 + t), [(a, lambda slope: slope * derivative)])


def normalize(a: Value, epsilon: float) -> Value:
    """Return (a - mean) / √(variance + ε) over the last axis: layer normalisation without gain and shift.

    Ba, Kiros and Hinton 2016 (arXiv:1607.06450), with the variance that divides by n.
    """
    centred = a.array - a.array.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + epsilon)
    normal = centred / deviation

    def back(slope: Array64) -> Array64:
        along = (slope * normal).mean(axis=-1, keepdims=True)
        return np.asarray((slope - slope.mean(axis=-1, keepdims=True) - normal * along) / deviation)

    return Value(normal, [(a, back)])


def mean_square(a: Value) -> Value:
    """Return the mean of the squares of all elements."""
    return Value(np.asarray(np.square(a.array).mean()), [(a, lambda slope: slope * 2 * a.array / a.array.size)])


def cross_entropy(logits: Value, labels: NDArray[np.integer]) -> Value:
    """Return the mean over the rows of -log softmax(logits)[label], of logits (n, classes) and labels (n,)."""
    rows = np.arange(len(labels))
    shifted = logits.array - logits.array.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def back(slope: Array64) -> Array64:
        difference = np.exp(log_softmax)
        difference[rows, labels] -= 1
        return np.asarray(slope * difference / len(labels))

    return Value(np.asarray(-log_softmax[rows, labels].mean()), [(logits, back)])
