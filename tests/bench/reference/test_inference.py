"""The trained model at a batch: its rows, its parameters, what is expected of it, and the tolerance."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.catalogue import catalogue
from bench.records.record import FORWARD_ONLY
from bench.reference import accuracy, inference
from bench.reference.classes import classes
from bench.reference.inputs import Resident
from bench.reference.precision import FLOAT32, PRECISIONS
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA, Array64, Workload
from bench.workloads import make

INFERRED = [offer.name for offer in catalogue().workloads if offer.infers]


def trained(name: str = "mlp") -> Workload:
    """A workload at its smallest size, at batch 3, with parameters that are easily told from the initial ones."""
    untrained = make(name, size="tiny", optimizer=FORWARD_ONLY)
    parameters = {key: array + np.float32(0.125) for key, array in untrained.parameters.items()}
    return inference.at_batch(untrained, 3, parameters)


def test_the_models_that_are_inferred_are_those_of_the_issue() -> None:
    assert {"mlp", "convnet", "transformer"} <= set(INFERRED)


@pytest.mark.parametrize("name", INFERRED)
def test_a_batch_begins_with_the_rows_of_every_smaller_one_and_with_the_workloads_own(name: str) -> None:
    workload = make(name, size="tiny", optimizer=FORWARD_ONLY)
    own = len(workload.batch.x)
    small, large = inference.rows(workload, own + 2), inference.rows(workload, own + 5)
    assert np.array_equal(inference.rows(workload, 1).x, workload.batch.x[:1])
    assert np.array_equal(large.x[:own], workload.batch.x)
    assert np.array_equal(large.x[: own + 2], small.x)
    assert np.array_equal(large.y[: own + 2], small.y)
    assert (str(large.x.dtype), str(large.y.dtype)) == ("float32", "int32")
    assert large.y.shape[1:] == workload.batch.y.shape[1:]
    assert len(np.unique(large.x.reshape(own + 5, -1), axis=0)) == own + 5, "no row is there twice"


@pytest.mark.parametrize("name", INFERRED)
def test_the_rows_of_a_batch_are_predicted_one_by_one_as_together(name: str) -> None:
    workload = trained(name)
    together = inference.predictions(workload).reshape(3, -1)
    first = inference.predictions(inference.at_batch(workload, 1, workload.parameters))
    assert np.allclose(together[0], first, rtol=1e-12, atol=1e-12)


def test_a_perceptron_is_predicted_as_by_hand() -> None:
    workload = trained()
    p = {name: array.astype(np.float64) for name, array in workload.parameters.items()}
    h = workload.batch.x.astype(np.float64)
    for layer in ("layer1", "layer2"):
        h = np.maximum(h @ p[f"{layer}.weight"] + p[f"{layer}.bias"], 0)
    expected = h @ p["layer3.weight"] + p["layer3.bias"]
    assert np.allclose(inference.predictions(workload), expected.ravel(), rtol=1e-12)


def test_the_trained_parameters_are_those_of_the_gates_last_step() -> None:
    workload = make("mlp", size="tiny", optimizer="adam")
    expected = reference(workload, KINGMA_BA, workload.steps).parameters
    found = inference.trained(workload)
    assert all(np.array_equal(found[name], expected[name].astype(np.float32)) for name in workload.parameters)
    assert not np.array_equal(found["layer1.weight"], workload.parameters["layer1.weight"])


def test_what_would_take_hours_is_not_trained() -> None:
    workload = make("mlp", size="tiny", optimizer="adam")
    long = replace(workload, work=replace(workload.work, flops=10**15))
    with pytest.raises(inference.UntrainedError, match=r"^mlp tiny is not trained in float64: that takes hours$"):
        inference.trained(long)


def test_parameters_of_another_shape_are_refused() -> None:
    workload = make("mlp", size="tiny", optimizer=FORWARD_ONLY)
    with pytest.raises(ValueError, match=r"no layer1.weight \(784, 32\)"):
        inference.at_batch(workload, 1, {**workload.parameters, "layer1.weight": np.zeros((2, 2), np.float32)})


def test_the_file_of_arrays_has_the_same_bytes_each_time_and_is_read_back() -> None:
    arrays = {"b": np.arange(3.0), "a": np.array([[1, 2]], np.float32)}
    first, second = (hashlib.sha256(inference.to_bytes(arrays)).hexdigest() for _ in range(2))
    assert first == second
    read = inference.from_bytes(inference.to_bytes(arrays))
    assert all(np.array_equal(read[name], array) for name, array in arrays.items())


@pytest.mark.parametrize("name", INFERRED)
def test_the_work_is_that_of_the_rows_and_the_parameters_are_read_once(name: str) -> None:
    own = make(name, size="tiny", optimizer=FORWARD_ONLY).work
    assert own.forward_at(own.samples).forward_flops == own.forward_flops
    assert own.forward_at(own.samples).forward_bytes == own.forward_bytes
    twice = own.forward_at(2 * own.samples)
    assert twice.forward_flops == 2 * own.forward_flops
    assert twice.forward_bytes - own.forward_bytes == own.forward_bytes - 4 * own.parameters


class TestTheGate:
    def fault(self, error: float, workload: Workload | None = None) -> str:
        """What is said of predictions of which one is off by `error` of their rms."""
        workload = workload or trained()
        right = inference.predictions(workload)
        wrong = right.copy()
        wrong[-1] += error * np.sqrt(np.mean(right**2))
        found = accuracy.compare_forward(workload, wrong, workload.parameters)
        assert found.max_loss_deviation == pytest.approx(error, abs=1e-12)
        return accuracy.fault(found, workload, PRECISIONS[FLOAT32])

    def test_lets_float32_pass(self) -> None:
        assert self.fault(4e-6) == ""

    def test_names_a_larger_deviation_relative_to_the_rms_of_the_predictions(self) -> None:
        assert self.fault(1e-3) == "the predictions differ from those of float64 NumPy by 1.00e-03, more than 1e-05"

    def test_compares_with_the_expected_predictions_of_the_run_where_there_are_some(self) -> None:
        workload = trained()
        told = replace(workload, expected=inference.predictions(workload) + 1)
        found = accuracy.compare_forward(told, inference.predictions(workload), workload.parameters)
        assert found.max_loss_deviation is not None
        assert found.max_loss_deviation > 0.1

    @pytest.mark.parametrize("plant", ["transposed", "no bias"])
    def test_notices_a_planted_fault(self, plant: str) -> None:
        workload = trained()
        wrong = dict(workload.parameters)
        if plant == "transposed":
            wrong["layer2.weight"] = np.ascontiguousarray(wrong["layer2.weight"].T)
        else:
            wrong["layer3.bias"] = np.zeros_like(wrong["layer3.bias"])
        predictions = inference.predictions(inference.at_batch(workload, 3, wrong))
        found = accuracy.compare_forward(workload, predictions, workload.parameters)
        assert "predictions differ" in accuracy.fault(found, workload, PRECISIONS[FLOAT32])


class TestClasses:
    """What predictions are worth as classes, by hand: three rows of two logits, the first two trained on."""

    def workload(self) -> Workload:
        small = make("mlp", size="tiny", optimizer=FORWARD_ONLY)
        rows = Resident(x=small.batch.x[:3], y=np.array([0, 1, 1], np.int32))
        return replace(small, inputs=rows, is_trained=True, trained_rows=2)

    def test_loss_and_share_are_of_the_trained_rows_and_agreement_of_all(self) -> None:
        reference = np.array([2.0, 0.0, 0.0, 2.0, 0.0, 2.0])  # names 0, 1, 1
        predictions = np.array([2.0, 0.0, 3.0, 2.0, 2.0, 0.0])  # names 0, 0, 0
        found = classes(self.workload(), predictions, reference)
        assert found is not None
        assert (found.labels, found.correct, found.reference_correct) == (2, 0.5, 1.0)
        assert found.agreement == pytest.approx(1 / 3)
        assert found.reference_loss == pytest.approx(np.log(1 + np.exp(-2)))
        assert found.loss == pytest.approx((np.log(1 + np.exp(-2)) + np.log(1 + np.exp(1))) / 2)

    def test_predictions_that_are_missing_or_no_numbers_have_no_classes(self) -> None:
        reference = np.zeros(6)
        assert classes(self.workload(), np.zeros(4), reference) is None
        assert classes(self.workload(), np.full(6, np.nan), reference) is None

    def test_large_logits_do_not_overflow(self) -> None:
        large = np.array([1e4, 0.0, 0.0, 1e4, 0.0, 0.0])
        found = classes(self.workload(), large, large)
        assert found is not None
        assert found.loss == 0

    def test_a_batch_beyond_the_workloads_own_is_not_all_trained_on(self) -> None:
        workload = make("mlp", size="tiny", optimizer=FORWARD_ONLY)
        assert inference.at_batch(workload, 40, workload.parameters).trained_rows == 16
        assert inference.at_batch(workload, 3, workload.parameters).trained_rows == 3


class TestTheGateOfInt8:
    """It is held to the root mean square of the deviation: one clipped prediction is none of a wrong model."""

    def fault(self, predictions: Callable[[Array64], Array64]) -> str:
        workload = trained()
        right = inference.predictions(workload)
        found = accuracy.compare_forward(workload, predictions(right), workload.parameters)
        return accuracy.fault(found, workload, PRECISIONS["int8"])

    def test_lets_one_prediction_be_clipped(self) -> None:
        def clipped(right: Array64) -> Array64:
            wrong = right.copy()
            wrong[0] += 0.5 * np.sqrt(np.mean(right**2))
            return wrong

        assert self.fault(clipped) == ""

    def test_refuses_predictions_that_are_all_off(self) -> None:
        told = self.fault(lambda right: right * 1.2)
        assert told.startswith(
            "the predictions differ from those of float64 NumPy by 0.2 in the root mean square, more"
        )
        assert told.endswith("than 0.15; 100.0% of them name the same class")

    def test_refuses_predictions_that_are_no_numbers(self) -> None:
        assert "by inf in the root mean square" in self.fault(lambda right: np.full_like(right, np.nan))

    def test_holds_a_record_of_an_older_schema_to_its_largest_deviation(self) -> None:
        workload = trained()
        right = inference.predictions(workload)
        found = accuracy.compare_forward(workload, right * 1.01, workload.parameters)
        old = replace(found, rms_deviation=None, classes=None, max_loss_deviation=0.3)
        assert "by 3.00e-01, more than 2e-01" in accuracy.fault(old, workload, PRECISIONS["int8"])
