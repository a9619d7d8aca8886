"""What Keras did instead of the mode asked for is seen in the proof, whatever computes for it."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

BACKENDS = ["keras_tensorflow", "keras_jax", "keras_torch"]
TRACED = [  # with the number of functions that Keras has traced for it
    ("keras_tensorflow", "fit", 2),
    ("keras_tensorflow", "fit-jit", 2),
    ("keras_tensorflow", "batch", 1),
    ("keras_tensorflow", "batch-jit", 1),
    ("keras_jax", "fit", 1),
    ("keras_jax", "batch", 1),
    ("keras_jax", "batch-jit", 1),
]


def proof(scratch: Path, framework: str, mode: str, fault: str = "", **environment: str) -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_proof_keras.py"
    found: dict[str, Any] = json.loads(run_in(framework, scratch, str(script), framework, mode, fault, **environment))
    return found


@pytest.mark.parametrize(
    ("framework", "mode"),
    sampled(itertools.product(BACKENDS, ["fit-eager", "batch-eager"]), ("keras_torch", "fit-eager")),
)
def test_an_eager_step_was_never_traced(framework: str, mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode)

    assert (found["mode"], found["traces"], found["graphs"]) == (mode, None, None)
    assert (found["device"], found["precision"], found["threads"], found["tf32"]) == ("cpu", "float32", 1, False)


@pytest.mark.parametrize(
    ("framework", "mode", "functions"), sampled(TRACED, ("keras_tensorflow", "fit", 2), ("keras_jax", "batch", 1))
)
def test_a_step_is_traced_once_and_fits_every_call(framework: str, mode: str, functions: int, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode)

    assert (found["mode"], found["traces"]) == (mode, functions)
    assert (found["guard_failures"], found["graph_breaks"]) == (0, 0)
    assert (found["device"], found["precision"], found["threads"], found["tf32"]) == ("cpu", "float32", 1, False)


@pytest.mark.parametrize(("framework", "mode", "functions"), sampled(TRACED, ("keras_jax", "fit", 1)))
def test_a_retrace_by_another_batch_is_counted(framework: str, mode: str, functions: int, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode, "batch")

    assert found["guard_failures"] >= 1
    assert found["traces"] > functions


def test_inductor_compiles_once_but_breaks_at_the_backward_pass(tmp_path: Path) -> None:
    found = proof(tmp_path, "keras_torch", "batch-jit")

    assert (found["mode"], found["guard_failures"]) == ("batch-jit", 0)
    assert found["graphs"] > 0
    assert "backward()" in found["evidence"]


@pytest.mark.whole
def test_a_recompilation_by_inductor_for_another_batch_is_counted(tmp_path: Path) -> None:
    assert proof(tmp_path, "keras_torch", "batch-jit", "batch")["guard_failures"] >= 1


@pytest.mark.parametrize(
    ("framework", "mode", "fault", "switch", "ran"),
    sampled(
        [
            ("keras_tensorflow", "batch", "eagerly", "", "batch-eager"),
            ("keras_tensorflow", "batch-jit", "eagerly", "", "batch-eager"),
            ("keras_tensorflow", "fit-jit", "eagerly", "", "fit-eager"),
            ("keras_tensorflow", "batch-jit", "refused", "", "batch"),
            ("keras_tensorflow", "fit-jit", "no-xla", "", "fit"),
            ("keras_jax", "batch", "", "JAX_DISABLE_JIT", "batch-eager"),
            ("keras_jax", "fit-jit", "", "JAX_DISABLE_JIT", "fit-eager"),
            ("keras_jax", "batch-jit", "refused", "", "batch-eager"),
            ("keras_torch", "batch-jit", "", "TORCHDYNAMO_DISABLE", "batch-eager"),
            ("keras_torch", "fit-jit", "refused", "", "fit-eager"),
        ],
        ("keras_tensorflow", "batch", "eagerly", "", "batch-eager"),
        ("keras_tensorflow", "fit-jit", "no-xla", "", "fit"),
        ("keras_jax", "fit-jit", "", "JAX_DISABLE_JIT", "fit-eager"),
        ("keras_jax", "batch-jit", "refused", "", "batch-eager"),
        ("keras_torch", "batch-jit", "", "TORCHDYNAMO_DISABLE", "batch-eager"),
    ),
)
def test_a_step_that_was_not_compiled_is_called_by_what_ran(
    framework: str, mode: str, fault: str, switch: str, ran: str, tmp_path: Path
) -> None:
    environment = {switch: "1"} if switch else {}

    assert proof(tmp_path, framework, mode, fault, **environment)["mode"] == ran


@pytest.mark.parametrize(
    ("framework", "mode"),
    sampled(
        [("keras_tensorflow", "fit-jit"), ("keras_tensorflow", "batch-jit"), ("keras_jax", "batch")],
        ("keras_tensorflow", "batch-jit"),
    ),
)
def test_a_second_process_finds_every_program_on_disk(framework: str, mode: str, tmp_path: Path) -> None:
    cold, warm = proof(tmp_path, framework, mode), proof(tmp_path, framework, mode)

    assert cold["cache_misses"] > 0
    assert warm["cache_misses"] == 0
    assert warm["cache_hits"] > 0
