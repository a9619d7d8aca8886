"""The references' derivatives against difference quotients, operation by operation, in float64."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from bench.reference import derivative
from bench.reference.derivative import (
    Value,
    add,
    attend,
    constant,
    convolve,
    cross_entropy,
    gelu,
    matmul,
    mean,
    mean_square,
    multiply,
    normalize,
    relu,
    reshape,
    split,
    subtract,
    transpose,
)

RNG = np.random.default_rng(7)
H = 1e-6  # the error of a central difference is of the order h², that of rounding 1e-16 / h


def quotient(loss: Callable[[Mapping[str, np.ndarray]], float], at: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return the central difference quotient of `loss` by every element of one parameter."""
    found = np.zeros_like(at[name])
    for place in np.ndindex(found.shape):
        moved = []
        for h in (H, -H):
            array = at[name].copy()
            array[place] += h
            moved.append(loss({**at, name: array}))
        found[place] = (moved[0] - moved[1]) / (2 * H)
    return found


def squared(value: Value) -> Value:
    """Any scalar will do that depends on every element differently."""
    weights = constant(np.cos(np.arange(value.array.size)))
    flat = Value(value.array.reshape(1, -1), [(value, lambda slope: slope.reshape(value.array.shape))])
    return matmul(flat, Value(weights.array.reshape(-1, 1)))


OPERATIONS = {
    "add": lambda p, x: squared(add(p["a"], p["b"])),
    "add, broadcast rows": lambda p, x: squared(add(p["a"], p["row"])),
    "add, broadcast a column": lambda p, x: squared(add(p["a"], p["column"])),
    "add, to itself": lambda p, x: squared(add(p["a"], p["a"])),
    "matmul": lambda p, x: squared(matmul(p["a"], p["c"])),
    "matmul, of more axes": lambda p, x: squared(matmul(p["cube"], p["c"])),
    "subtract, broadcast": lambda p, x: squared(subtract(p["row"], p["a"])),
    "multiply": lambda p, x: squared(multiply(p["a"], p["b"])),
    "multiply, broadcast": lambda p, x: squared(multiply(p["cube"], p["row"])),
    "reshape": lambda p, x: squared(reshape(p["cube"], (6, 4))),
    "mean": lambda p, x: squared(mean(p["cube"], (0, 2))),
    "convolve": lambda p, x: squared(convolve(p["image"], p["filters"])),
    "attend": lambda p, x: squared(attend(p["cube"], p["keys"], p["values"])),
    "transpose": lambda p, x: squared(transpose(p["cube"], (2, 0, 1))),
    "split": lambda p, x: squared(matmul(split(p["cube"])[1], p["c"])),
    "gelu": lambda p, x: squared(gelu(p["a"])),
    "normalize": lambda p, x: squared(normalize(p["cube"], 1e-5)),
    "mean square": lambda p, x: mean_square(p["cube"]),
    "relu": lambda p, x: squared(relu(p["a"])),
    "cross-entropy": lambda p, x: cross_entropy(p["a"], np.array([0, 2, 3])),
    "cross-entropy of large logits": lambda p, x: cross_entropy(add(p["a"], p["large"]), np.array([0, 2, 3])),
}
SHAPES = {"a": (3, 4), "b": (3, 4), "c": (4, 2), "row": (4,), "column": (3, 1), "cube": (2, 3, 4), "large": (1, 1)}
SHAPES |= {"image": (2, 3, 4, 2), "filters": (3, 3, 2, 3), "keys": (2, 3, 4), "values": (2, 3, 5)}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_derivative_is_the_difference_quotient(operation: str) -> None:
    at = {name: RNG.standard_normal(shape) for name, shape in SHAPES.items()}
    at["large"] += 500
    loss_and_gradient = derivative.of(OPERATIONS[operation])
    _, gradient = loss_and_gradient(at, {})

    for name in at:
        expected = quotient(lambda moved: loss_and_gradient(moved, {})[0], at, name)
        assert gradient[name] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_what_a_loss_does_not_depend_on_has_the_derivative_zero() -> None:
    _, gradient = derivative.of(lambda p, x: squared(p["a"]))({"a": np.ones((1, 2)), "b": np.ones(3)}, {})
    assert np.array_equal(gradient["b"], np.zeros(3))


def test_cross_entropy_is_the_negative_log_of_the_probability() -> None:
    logits = RNG.standard_normal((3, 4))
    odds = np.exp(logits)
    expected = -np.mean([np.log(odds[row, label] / odds[row].sum()) for row, label in enumerate([1, 1, 0])])
    assert cross_entropy(constant(logits), np.array([1, 1, 0])).array == pytest.approx(expected, rel=1e-12)


def test_a_convolution_is_the_sum_over_each_window() -> None:
    image, filters = RNG.standard_normal((2, 3, 4, 2)), RNG.standard_normal((3, 3, 2, 3))
    found = convolve(constant(image), constant(filters)).array
    for n, i, j, out in np.ndindex(found.shape):
        expected = sum(
            image[n, i + di - 1, j + dj - 1] @ filters[di, dj, :, out]
            for di, dj in np.ndindex(3, 3)
            if 0 <= i + di - 1 < 3 and 0 <= j + dj - 1 < 4
        )
        assert found[n, i, j, out] == pytest.approx(expected, rel=1e-12)


def test_attention_sees_no_later_token() -> None:
    q, k, v = (RNG.standard_normal((1, 4, 3)) for _ in range(3))
    before = attend(constant(q), constant(k), constant(v)).array
    k[:, 2:], v[:, 2:] = 9, 9
    after = attend(constant(q), constant(k), constant(v)).array
    assert np.array_equal(before[:, :2], after[:, :2])
    assert before[:, 0] == pytest.approx(after[:, 0])
    assert not np.allclose(before[:, 2:], after[:, 2:])


def test_gelu_is_near_the_exact_one() -> None:
    x = np.linspace(-4, 4, 101)
    exact = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x]
    assert gelu(constant(x)).array == pytest.approx(exact, abs=5e-4)  # of the approximation


def test_what_is_normalized_has_mean_zero_and_variance_one() -> None:
    normal = normalize(constant(RNG.standard_normal((2, 5, 64)) * 3 + 7), 0.0).array
    assert normal.mean(axis=-1) == pytest.approx(0, abs=1e-12)
    assert normal.var(axis=-1) == pytest.approx(1, rel=1e-12)


def test_values_are_those_of_the_forward_pass_without_derivatives() -> None:
    w, x = RNG.standard_normal((3, 2)), RNG.standard_normal((4, 3))
    computed = derivative.values(lambda p, inputs: relu(matmul(constant(inputs["x"]), p["w"])))
    np.testing.assert_array_equal(computed({"w": w}, {"x": x}), np.maximum(x @ w, 0))
