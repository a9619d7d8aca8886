"""What TensorFlow and Keras really multiply is in the proof, whatever was asked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]


def proof(scratch: Path, framework: str, mode: str, fault: str, precision: str, optimizer: str) -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_proof_keras.py"
    found: dict[str, Any] = json.loads(
        run_in(framework, scratch, str(script), framework, mode, fault, precision, optimizer)
    )
    return found


@pytest.mark.parametrize(
    ("framework", "mode", "fault", "multiplied"),
    sampled(
        [
            ("tensorflow", "eager", "", "bfloat16"),
            ("tensorflow", "eager", "cast", "float32"),
            ("tensorflow", "eager", "product", "bfloat16, float32"),
            ("tensorflow", "xla", "product", "bfloat16, float32"),
            ("tensorflow", "loop", "", "bfloat16"),
            ("tensorflow", "loop", "product", "bfloat16, float32"),
            ("tensorflow", "session", "product", "bfloat16, float32"),
            ("keras_tensorflow", "batch", "", "bfloat16"),
            ("keras_tensorflow", "batch", "policy", "float32"),
            ("keras_tensorflow", "batch", "layer", "bfloat16, float32"),
            ("keras_jax", "batch-jit", "policy", "float32"),
            ("keras_jax", "batch-jit", "layer", "bfloat16, float32"),
            ("keras_torch", "batch", "policy", "float32"),
            ("keras_torch", "batch", "layer", "bfloat16, float32"),
        ],
        ("tensorflow", "loop", "", "bfloat16"),
        ("tensorflow", "eager", "cast", "float32"),
        ("tensorflow", "xla", "product", "bfloat16, float32"),
        ("keras_tensorflow", "batch", "layer", "bfloat16, float32"),
        ("keras_torch", "batch", "policy", "float32"),
    ),
)
def test_products_that_are_not_of_bfloat16_are_seen(
    framework: str, mode: str, fault: str, multiplied: str, tmp_path: Path
) -> None:
    assert proof(tmp_path, framework, mode, fault, "bfloat16", "sgd")["compute_precision"] == multiplied


@pytest.mark.parametrize(
    ("framework", "mode", "traces"),
    sampled(
        [
            ("tensorflow", "eager", None),
            ("tensorflow", "xla", 1),
            ("keras_tensorflow", "batch-eager", None),
            ("keras_tensorflow", "batch", 1),
            ("keras_tensorflow", "batch-jit", 2),  # Keras' compiled step inside its tf.function
            ("keras_jax", "batch-jit", 1),
            ("keras_torch", "batch", None),
        ],
        ("keras_tensorflow", "batch-jit", 2),
    ),
)
def test_a_forward_pass_takes_its_mode_and_is_traced_once(
    framework: str, mode: str, traces: int | None, tmp_path: Path
) -> None:
    found = proof(tmp_path, framework, mode, "", "float32", "none")

    assert (found["mode"], found["traces"]) == (mode, traces)
    assert found["guard_failures"] in (None, 0)


@pytest.mark.parametrize(
    "framework", sampled(["tensorflow", "keras_tensorflow", "keras_jax", "keras_torch"], "keras_torch")
)
def test_tf32_is_skipped_on_a_cpu(framework: str, tmp_path: Path) -> None:
    mode = "eager" if framework == "tensorflow" else "batch"

    assert "TF32 needs an NVIDIA GPU" in proof(tmp_path, framework, mode, "", "tf32", "adam")["skipped"]


@pytest.mark.parametrize(
    ("framework", "mode"), sampled([("tensorflow", "loop"), ("keras_jax", "fit")], ("tensorflow", "loop"))
)
def test_what_repeats_updates_has_no_forward_pass(framework: str, mode: str, tmp_path: Path) -> None:
    assert "forward pass" in proof(tmp_path, framework, mode, "", "float32", "none")["skipped"]
