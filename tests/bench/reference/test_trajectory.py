"""The float64 reference against calculations of another kind: finite differences, scalars, least squares."""

import math

import numpy as np
import pytest

from bench.reference.trajectory import reference
from bench.reference.workload import EPSILON_HAT, EPSILON_HAT_FROM_2, FORMULAS, KINGMA_BA, Workload, sha256
from bench.workloads import regression


def workload(optimizer: str = "adam") -> Workload:
    return regression.make("base", optimizer)


def test_data_are_those_of_the_stated_generator() -> None:
    rng = np.random.default_rng(42)
    x, noise = rng.standard_normal(200), rng.standard_normal(200) * 0.1

    made = workload()

    assert np.array_equal(made.batch.x.ravel(), x.astype(np.float32))
    assert np.array_equal(made.batch.y.ravel(), (3 * x + 2 + noise).astype(np.float32))


def test_data_and_initial_parameters_cannot_be_changed_by_a_framework() -> None:
    with pytest.raises(ValueError, match="read-only"):
        workload().batch.x[0] = 1


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_ends_near_the_least_squares_solution(optimizer: str) -> None:
    made = workload(optimizer)
    x = made.batch.x.astype(np.float64).ravel()
    y = made.batch.y.astype(np.float64).ravel()
    slope, intercept = np.polyfit(x, y, 1)
    assert (slope, intercept) == pytest.approx((2.9919, 2.0018), abs=5e-5)

    trained = reference(made, made.formula(KINGMA_BA)).parameters

    assert trained["weight"].item() == pytest.approx(slope, abs=2e-4)
    assert trained["bias"].item() == pytest.approx(intercept, abs=2e-4)


@pytest.mark.parametrize("formula", FORMULAS)
def test_adam_is_the_formula_of_the_paper_in_scalars(formula: str) -> None:
    made = workload()
    x = [float(v) for v in made.batch.x.ravel()]
    y = [float(v) for v in made.batch.y.ravel()]
    w, b = float(made.parameters["weight"].item()), float(made.parameters["bias"].item())
    rate, b1, b2, epsilon = 0.1, 0.9, 0.999, 1e-8
    state = {"w": (w, 0.0, 0.0), "b": (b, 0.0, 0.0)}
    losses = []
    for t in range(1, 201):
        w, b = state["w"][0], state["b"][0]
        residuals = [w * xi + b - yi for xi, yi in zip(x, y, strict=True)]
        losses.append(math.fsum(r * r for r in residuals) / len(x))
        gradients = {
            "w": 2 * math.fsum(r * xi for r, xi in zip(residuals, x, strict=True)) / len(x),
            "b": 2 * math.fsum(residuals) / len(x),
        }
        for key, g in gradients.items():
            p, m, v = state[key]
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            if formula == KINGMA_BA:
                p -= rate * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + epsilon)
            elif formula == EPSILON_HAT_FROM_2:
                p -= rate * math.sqrt(1 - b2 ** (t + 1)) / (1 - b1 ** (t + 1)) * m / (math.sqrt(v) + epsilon)
            else:
                p -= rate * math.sqrt(1 - b2**t) / (1 - b1**t) * m / (math.sqrt(v) + epsilon)
            state[key] = (p, m, v)

    found = reference(made, formula)

    assert found.losses == pytest.approx(losses, rel=1e-9)
    assert found.parameters["weight"].item() == pytest.approx(state["w"][0], rel=1e-9)


def test_the_two_formulas_of_adam_differ() -> None:
    losses = [np.array(reference(workload(), formula).losses) for formula in (KINGMA_BA, EPSILON_HAT)]
    assert 0 < np.max(np.abs(losses[0] - losses[1])) < 1e-5


def test_the_step_that_is_counted_from_2_is_seen_at_once() -> None:
    losses = [np.array(reference(workload(), formula).losses) for formula in (EPSILON_HAT, EPSILON_HAT_FROM_2)]
    assert np.max(np.abs(losses[0] - losses[1])) > 0.05


def test_an_unknown_formula_is_refused() -> None:
    with pytest.raises(ValueError, match="not a formula of Adam"):
        reference(workload(), "sgd")
    with pytest.raises(ValueError, match="not a formula of SGD"):
        reference(workload("sgd"), KINGMA_BA)


def test_sha256_sees_values_and_not_shapes() -> None:
    one = {"weight": np.array([[1.5]], np.float32), "bias": np.array([0.5], np.float32)}
    flat = {"bias": np.array(0.5, np.float32), "weight": np.array(1.5, np.float32)}
    other = {**one, "bias": np.array([0.5000001], np.float32)}
    assert sha256(one) == sha256(flat)
    assert sha256(one) != sha256(other)
