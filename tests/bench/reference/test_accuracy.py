"""The correctness gate, rule by rule: each fault alone closes it."""

import dataclasses

import numpy as np
import pytest

from bench.records.record import Accuracy
from bench.reference import accuracy
from bench.reference.accuracy import compare, fault, loss_deviation
from bench.reference.precision import FLOAT32, PRECISIONS
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA
from bench.workloads import regression

WORKLOAD = regression.make("base", "adam")
FLOAT = PRECISIONS[FLOAT32]
EXPECTED = reference(WORKLOAD, KINGMA_BA)


def good(**off: float) -> Accuracy:
    """What a framework gives whose arithmetic is the reference's, in float32, its parameters `off` by so much."""
    trained = {name: (array + off.get(name, 0)).astype(np.float32) for name, array in EXPECTED.parameters.items()}
    losses = np.asarray(EXPECTED.losses, dtype=np.float32).astype(np.float64)
    return compare(WORKLOAD, KINGMA_BA, EXPECTED, losses, initial=WORKLOAD.parameters, trained=trained)


def test_the_reference_itself_passes() -> None:
    found = good()
    assert fault(found, WORKLOAD, FLOAT) == ""
    assert found.within_tolerance
    assert found.max_loss_deviation is not None
    assert found.max_loss_deviation < 1e-6
    assert len(found.losses) == WORKLOAD.steps


def test_deviation_is_relative_above_one_and_absolute_below() -> None:
    expected = np.array([10.0, 0.01])
    assert loss_deviation(np.array([10.5, 0.01]), expected=expected) == pytest.approx(0.05)
    assert loss_deviation(np.array([10.0, 0.03]), expected=expected) == pytest.approx(0.02)
    assert loss_deviation(np.array([9.5, 0.01]), expected=expected) == pytest.approx(0.05)


@pytest.mark.parametrize("losses", [[10.0], [10.0, float("nan")], [10.0, float("inf")], [10.0, 0.01, 0.01]])
def test_losses_that_are_missing_or_not_finite_are_infinitely_far(losses: list[float]) -> None:
    assert loss_deviation(np.array(losses), expected=np.array([10.0, 0.01])) == float("inf")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"init_sha256": "0" * 64}, "the initial parameters are not the workload's"),
        ({"max_loss_deviation": 1.01e-4}, "the losses differ from the float64 reference by 1.01e-04, more than 1e-04"),
        ({"max_loss_deviation": float("nan")}, "the losses differ from the float64 reference"),
        (
            {"max_parameter_deviation": 1.01e-4},
            "a trained parameter differs from the reference's by 1.01e-04, more than 1e-04",
        ),
        ({"max_parameter_deviation": float("nan")}, "a trained parameter differs"),
    ],
)
def test_each_fault_alone_closes_the_gate(changes: dict[str, float], sentence: str) -> None:
    assert fault(dataclasses.replace(good(), **changes), WORKLOAD, FLOAT).startswith(sentence)  # type: ignore[arg-type]


@pytest.mark.parametrize("off", [{"weight": 1.1e-4}, {"bias": -1.1e-4}, {"bias": float("nan")}])
def test_each_parameter_is_looked_at(off: dict[str, float]) -> None:
    assert fault(good(**off), WORKLOAD, FLOAT).startswith("a trained parameter differs from the reference's by")


def test_just_inside_the_limits_it_stays_open() -> None:
    near = dataclasses.replace(good(weight=0.9e-4, bias=-0.9e-4), max_loss_deviation=0.99e-4)
    assert fault(near, WORKLOAD, FLOAT) == ""


def test_tolerance_is_to_the_truth_and_not_to_the_reference() -> None:
    assert accuracy.within(WORKLOAD, {"weight": 3.0499, "bias": 1.9501})
    assert not accuracy.within(WORKLOAD, {"weight": 3.0501, "bias": 2.0})
    assert not accuracy.within(WORKLOAD, {"weight": 3.0, "bias": float("nan")})


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_a_slope_that_is_not_a_number_is_infinitely_far_wherever_it_stands(name: str) -> None:
    slopes = WORKLOAD.gradient()
    spoiled = {**slopes, name: slopes[name] * np.nan}
    found = accuracy.compare_gradient(good(), {key: array.astype(np.float32) for key, array in spoiled.items()}, slopes)
    assert found.max_gradient_deviation == float("inf")
    assert found.worst_gradient == name


def test_a_small_parameter_cannot_hide_behind_a_large_one() -> None:
    reference = {"weight": np.array([[300.0, -400.0]]), "bias": np.array([0.3, 0.4])}
    wrong_bias = {"weight": reference["weight"], "bias": np.array([0.3, 0.1])}
    off, worst = accuracy.gradient_deviation({k: v.astype(np.float32) for k, v in wrong_bias.items()}, reference)
    assert off == pytest.approx(0.3 / 0.5, rel=1e-6)
    assert worst == "bias"


def test_a_parameter_without_a_slope_is_not_held_to_its_own_rounding() -> None:
    reference = {"weight": np.array([3.0, -4.0]), "key": np.zeros(2)}
    rounded = {"weight": np.array([3.0, -4.0], np.float32), "key": np.array([1e-8, -2e-8], np.float32)}
    off, worst = accuracy.gradient_deviation(rounded, reference)
    # rms(1e-8, 2e-8) over a thousandth of rms(3, 4)
    assert off == pytest.approx(2.5**0.5 * 1e-8 / (12.5**0.5 * 1e-3), rel=1e-6)
    assert worst == "key"


def test_the_gate_names_the_parameter_whose_gradient_is_off() -> None:
    steep = dataclasses.replace(good(), max_gradient_deviation=0.93, worst_gradient="stem.bias")
    told = fault(steep, dataclasses.replace(WORKLOAD, gradient_tolerance=1e-4), FLOAT)
    assert (
        told == "the gradient of stem.bias differs from the float64 reference by 9.30e-01 of its norm, more than 1e-04"
    )
