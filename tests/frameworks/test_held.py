"""What the suite keeps on the device beside a step is no part of the mode's memory, so it keeps nothing there.

The peaks of an allocator are those of the process: no library but PyTorch can start them again.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

ON_JAX = [
    *(("jax", mode) for mode in ("op-by-op", "jit", "jit-donate", "scan")),
    *(("flax", mode) for mode in ("eager", "jit", "cached-partial")),
    *(("keras_jax", mode) for mode in ("batch-eager", "batch-jit", "fit")),
]
ON_TENSORFLOW = [
    *(("tensorflow", mode) for mode in ("eager", "function", "xla", "loop", "session")),
    *(("keras_tensorflow", mode) for mode in ("batch", "batch-jit", "fit")),
]


def held(framework: str, mode: str, scratch: Path) -> dict[str, int]:
    script = str(ROOT / "tests" / "frameworks" / "check_held.py")
    found: dict[str, Any] = json.loads(run_in(framework, scratch, script, framework, mode).splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("framework", "mode"), sampled(ON_JAX, ("jax", "jit-donate"), ("flax", "jit"), ("keras_jax", "batch-jit"))
)
def test_on_jax_the_state_of_a_step_and_its_inputs_are_all_that_lives(
    framework: str, mode: str, tmp_path: Path
) -> None:
    found = held(framework, mode, tmp_path)
    state, some = 3 * found["parameters"], found["parameters"] // 2  # Adam's two moments beside the parameters
    most = state + 2 * found["inputs"] + some  # a fit of Keras makes a batch of the inputs
    assert found["stepped"] >= state
    assert max(found["stepped"], found["reset"], found["again"]) <= most
    assert found["before_reset"] <= (found["inputs"] + some if framework == "jax" else most)
    assert framework == "keras_jax" or found["released"] <= some


@pytest.mark.parametrize(
    ("framework", "mode"),
    sampled(ON_TENSORFLOW, ("tensorflow", "function"), ("tensorflow", "session"), ("keras_tensorflow", "fit")),
)
def test_on_tensorflow_nothing_is_kept_beside_what_the_step_computes_with(
    framework: str, mode: str, tmp_path: Path
) -> None:
    found = held(framework, mode, tmp_path)
    some = found["parameters"] // 2
    assert found["of_numpy"] <= some, "the moments of a fresh optimiser are zeros: their shapes are enough"
    assert found["tensors"] <= (some if mode == "fit" else found["inputs"] + some), "a fit has a dataset"
    assert found["constants"] <= found["inputs"] + some, "a constant lies on the device as long as its graph"
