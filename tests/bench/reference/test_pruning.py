"""Magnitude pruning: by hand, and what a pruned model's predictions are compared with."""

from dataclasses import replace

import numpy as np
import pytest

from bench.records.record import FORWARD_ONLY
from bench.reference import accuracy, inference
from bench.reference.precision import PRECISIONS
from bench.reference.pruning import pruned
from bench.reference.workload import Array32
from bench.workloads import make


def test_the_smallest_magnitudes_of_each_matrix_become_zero_and_biases_stay() -> None:
    parameters = {
        "weight": np.array([[0.5, -0.1], [0.3, -4.0]], np.float32),
        "small": np.array([[0.01, 0.02]], np.float32),
        "bias": np.array([0.001, 1.0], np.float32),
    }
    half = pruned(parameters, 50)
    assert half["weight"].tolist() == [[0.5, 0.0], [0.0, -4.0]]
    assert half["small"].tolist() == [[0.0, np.float32(0.02)]]
    assert half["bias"] is parameters["bias"]
    assert pruned(parameters, 90)["weight"].tolist() == [[0.0, 0.0], [0.0, -4.0]]
    assert pruned(parameters, 0) is parameters
    assert parameters["weight"][0, 1] == np.float32(-0.1), "what is given is left as it is"


def test_of_equal_magnitudes_those_that_come_first_go() -> None:
    found = pruned({"w": np.array([[1, -1, 1, -1]], np.float32)}, 50)
    assert found["w"].tolist() == [[0, 0, 1, -1]]


@pytest.mark.parametrize("percent", [50, 90])
@pytest.mark.parametrize("name", ["mlp", "convnet", "transformer"])
def test_the_share_of_zeros_is_what_was_asked_for(name: str, percent: int) -> None:
    parameters = make(name, size="tiny", optimizer=FORWARD_ONLY).parameters
    for key, array in pruned(parameters, percent).items():
        if array.ndim > 1:
            assert np.sum(array == 0) == array.size * percent // 100
            assert np.min(np.abs(array[array != 0])) >= np.max(np.abs(parameters[key][array == 0]))
        else:
            assert np.array_equal(array, parameters[key])


def test_identity_is_held_to_the_pruned_model_and_classes_to_the_whole_one() -> None:
    untrained = make("mlp", size="tiny", optimizer=FORWARD_ONLY)
    parameters: dict[str, Array32] = dict(untrained.parameters)
    whole = inference.predictions(inference.at_batch(untrained, 16, parameters))
    workload = inference.at_batch(untrained, 16, parameters, percent=90, unpruned=whole)
    right = inference.predictions(workload)
    found = accuracy.compare_forward(workload, right, workload.parameters)
    assert accuracy.fault(found, workload, PRECISIONS["pruned-90"]) == ""
    assert found.max_loss_deviation == found.rms_deviation == 0
    assert found.classes
    assert found.classes.agreement < 1
    assert found.classes.loss != found.classes.reference_loss
    unpruned = accuracy.compare_forward(workload, whole, workload.parameters)
    assert "more than 1e-05" in accuracy.fault(unpruned, workload, PRECISIONS["pruned-90"])
    unknown = replace(workload, unpruned=None)
    assert accuracy.compare_forward(unknown, right, workload.parameters).classes is None
