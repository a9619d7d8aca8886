"""Every workload in every framework that expresses it: gradient, losses and parameters are the float64 reference's."""

import json
from pathlib import Path

import pytest

from bench.catalogue import catalogue, plain_mode
from bench.workloads import WORKLOADS
from harness.host import ROOT
from tests.frameworks.interpreters import run_in

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

TRAINING = {offer.name: offer for offer in catalogue().frameworks if not offer.modes[0].source}
PLAIN = [(name, plain_mode(offer)) for name, offer in TRAINING.items()]
COMPILED = [
    ("torch", "compile-step"),
    ("jax", "jit"),
    ("flax", "jit"),
    ("tensorflow", "xla"),
    ("keras_jax", "batch-jit"),
]
SGD = {"torch", "tensorflow", "jax", "keras_torch"}  # the others share their optimisers
LADDERS = {"regression_wide", "pointwise", "mlp", "convnet", "transformer", "transformer_naive"}
ONLY = {
    "numpy": {"regression_wide"},
    "tensorflow": LADDERS - {"transformer"},
}  # what a framework expresses of them, where it is not all; of a workload that is added it may express any


@pytest.mark.parametrize(
    ("framework", "mode", "optimizer"),
    [*((*cell, "adam") for cell in [*PLAIN, *COMPILED]), *((*cell, "sgd") for cell in PLAIN if cell[0] in SGD)],
)
def test_a_workload_follows_the_reference(framework: str, mode: str, optimizer: str, tmp_path: Path) -> None:
    script = ROOT / "tests" / "frameworks" / "check_workloads.py"
    found = json.loads(run_in(framework, tmp_path, str(script), framework, mode, optimizer, "float32").splitlines()[-1])

    expressed = {name for name, told in found.items() if told != "not expressed"}
    assert set(found) == set(WORKLOADS) - {"regression"}
    assert expressed & LADDERS == ONLY.get(framework, LADDERS)
    for name in expressed:
        assert isinstance(found[name], dict), f"{name}: {found[name]}"
        assert found[name]["max_gradient_deviation"] <= 1e-4
