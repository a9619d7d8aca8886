"""Every workload in every framework that expresses it: gradient, losses and parameters are the float64 reference's."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import catalogue, plain_mode
from bench.workloads import WORKLOADS
from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

TRAINING = {offer.name: offer for offer in catalogue().frameworks if not offer.modes[0].source and not offer.exhibit}
PLAIN = [(name, plain_mode(offer)) for name, offer in TRAINING.items()]
COMPILED = [
    ("torch", "compile-step"),
    ("jax", "jit"),
    ("flax", "jit"),
    ("tensorflow", "xla"),
    ("keras_jax", "batch-jit"),
]
BFLOAT16 = [
    ("torch", "eager"),
    ("tensorflow", "session"),
    ("keras_tensorflow", "batch"),
    ("keras_jax", "batch-jit"),
    ("keras_torch", "batch"),
    ("jax", "jit"),
    ("flax", "jit"),
]
FORWARD = [
    ("torch", "torchscript"),
    ("tensorflow", "xla"),
    ("keras_jax", "batch-eager"),
    ("jax", "jit"),
    ("flax", "cached-partial"),
]
SGD = {"torch", "tensorflow", "jax", "keras_torch"}  # the others share their optimisers
LADDERS = {"regression_wide", "pointwise", "mlp", "convnet", "transformer", "transformer_naive"}
ONLY = {
    "numpy": {"regression_wide"}
}  # what a framework expresses of them, where it is not all; of a workload that is added it may express any


def told(scratch: Path, *cell: str) -> dict[str, Any]:
    """Return what `check_workloads` says of framework, mode, optimizer and precision."""
    script = ROOT / "tests" / "frameworks" / "check_workloads.py"
    found: dict[str, Any] = json.loads(run_in(cell[0], scratch, str(script), *cell).splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("framework", "mode", "optimizer"),
    sampled(
        [*((*cell, "adam") for cell in [*PLAIN, *COMPILED]), *((*cell, "sgd") for cell in PLAIN if cell[0] in SGD)],
        ("numpy", "eager", "adam"),
        ("torch", "eager", "adam"),
        ("tensorflow", "eager", "adam"),
        ("jax", "jit", "adam"),
        ("keras_jax", "batch-jit", "adam"),
    ),
)
def test_a_workload_follows_the_reference(framework: str, mode: str, optimizer: str, tmp_path: Path) -> None:
    found = told(tmp_path, framework, mode, optimizer, "float32")

    expressed = {name for name, told in found.items() if told != "not expressed"}
    assert set(found) == set(WORKLOADS) - {"regression"}
    assert expressed & LADDERS == ONLY.get(framework, LADDERS)
    for name in expressed:
        assert isinstance(found[name], dict), f"{name}: {found[name]}"
        assert found[name]["max_gradient_deviation"] <= 1e-4


@pytest.mark.whole
@pytest.mark.parametrize(
    ("framework", "mode", "wrong"),
    [
        ("keras_jax", "batch-jit", "bias differs from the float64 reference"),
        ("keras_tensorflow", "batch-jit", "bias differs from the float64 reference"),
        ("jax", "jit", ""),
        ("torch", "eager", ""),
    ],
)
def test_a_bias_gradient_that_xla_sums_in_bfloat16_is_not_let_pass(
    framework: str, mode: str, wrong: str, tmp_path: Path
) -> None:
    found = told(tmp_path, framework, mode, "adam", "bfloat16", "convnet:S")["convnet:S"]
    if wrong:
        assert wrong in found
    else:
        assert found["max_gradient_deviation"] < 0.02


@pytest.mark.parametrize(("framework", "mode"), sampled(BFLOAT16, ("torch", "eager")))
def test_a_workload_in_bfloat16_multiplies_bfloat16_and_keeps_float32(
    framework: str, mode: str, tmp_path: Path
) -> None:
    found = told(tmp_path, framework, mode, "adam", "bfloat16")

    for name in ONLY.get(framework, LADDERS) - ({"pointwise"} if framework == "torch" else set()):
        assert isinstance(found[name], dict), f"{name}: {found[name]}"
        assert (found[name]["mode"], found[name]["compute_precision"]) == (mode, "bfloat16")
        assert (found[name]["precision"], found[name]["output_precision"] or "float32") == ("float32", "float32")
        assert found[name]["max_loss_deviation"] > 1e-4, "as near as float32: nothing was rounded"


@pytest.mark.parametrize(("framework", "mode"), sampled(FORWARD, ("jax", "jit")))
def test_a_forward_pass_predicts_what_the_reference_does(framework: str, mode: str, tmp_path: Path) -> None:
    found = told(tmp_path, framework, mode, "none", "float32")

    for name in ONLY.get(framework, LADDERS) - {"regression_wide"}:
        assert isinstance(found[name], dict), f"{name}: {found[name]}"
        assert (found[name]["mode"], found[name]["output_precision"]) == (mode, "float32")
        assert found[name]["max_loss_deviation"] <= 1e-5


@pytest.mark.parametrize("mode", sampled(["eager", "function", "xla", "session"], "xla"))
def test_tensorflow_has_a_transformer_in_its_own_best_form(mode: str, tmp_path: Path) -> None:
    found = told(tmp_path, "tensorflow", mode, "adam", "float32", "transformer")["transformer"]

    assert isinstance(found, dict), found
    assert found["mode"] == mode
    assert (found["max_loss_deviation"] <= 1e-3, found["max_parameter_deviation"] <= 2e-2) == (True, True)


@pytest.mark.whole  # minutes of Inductor
@pytest.mark.parametrize("workload", ["transformer", "transformer_naive"])
def test_keras_attention_stays_in_one_graph_on_pytorch(workload: str, tmp_path: Path) -> None:
    found = told(tmp_path, "keras_torch", "batch-jit", "adam", "float32", workload)[workload]

    assert (found["graph_breaks"], found["graph_breaks_declared"]) == (2, 2)
