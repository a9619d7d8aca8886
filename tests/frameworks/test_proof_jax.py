"""What JAX and Flax did instead of the mode asked for is seen in the proof."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

COMPILED = [("jax", "jit"), ("jax", "jit-donate"), ("jax", "scan"), ("flax", "jit"), ("flax", "cached-partial")]


def proof(
    scratch: Path,
    framework: str,
    mode: str,
    fault: str = "",
    cell: str = "regression,base,sgd,float32",
    **environment: str,
) -> dict[str, Any]:
    script = str(ROOT / "tests" / "frameworks" / "check_proof_jax.py")
    found: dict[str, Any] = json.loads(run_in(framework, scratch, script, framework, mode, fault, cell, **environment))
    return found


@pytest.mark.parametrize(("framework", "mode"), sampled(COMPILED, ("jax", "scan"), ("flax", "cached-partial")))
def test_a_compiled_step_is_traced_once_and_is_one_program(framework: str, mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode)

    assert (found["mode"], found["traces"], found["graphs"]) == (mode, 1, 1)
    assert (found["guard_failures"], found["graph_breaks"]) == (0, 0)
    assert (found["device"], found["output_device"]) == ("cpu", "cpu")
    assert (found["precision"], found["output_precision"]) == ("float32", "float32")
    assert (found["matmul_precision"], found["tf32"], found["threads"]) == ("float32", False, 1)


@pytest.mark.parametrize(("framework", "mode"), sampled(COMPILED, ("jax", "jit"), ("flax", "jit")))
def test_a_retrace_by_a_changed_shape_is_counted(framework: str, mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode, "shape" if framework == "jax" else "variables")

    assert found["guard_failures"] == 1
    assert (found["traces"], found["graphs"]) == (2, 2)


@pytest.mark.parametrize(("framework", "mode"), sampled(COMPILED, ("flax", "jit")))
def test_a_switched_off_jit_is_called_by_its_name(framework: str, mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode, JAX_DISABLE_JIT="1")

    assert found["mode"] == {"jax": "op-by-op", "flax": "eager"}[framework]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
@pytest.mark.parametrize(
    ("framework", "mode"), sampled([("jax", "jit"), ("jax", "op-by-op"), ("flax", "jit")], ("jax", "op-by-op"))
)
def test_a_thread_count_that_does_not_take_is_seen(framework: str, mode: str, tmp_path: Path) -> None:
    assert proof(tmp_path, framework, mode, "threads")["threads"] == 2


def test_a_state_that_was_not_donated_is_plain_jit(tmp_path: Path) -> None:
    assert proof(tmp_path, "jax", "jit-donate", "donation")["mode"] == "jit"


@pytest.mark.parametrize(("flags", "deterministic"), [("--xla_gpu_deterministic_ops=true", True), ("", None)])
def test_the_switch_for_deterministic_kernels_is_read(flags: str, deterministic: bool | None, tmp_path: Path) -> None:
    assert proof(tmp_path, "jax", "jit", XLA_FLAGS=flags)["deterministic"] is deterministic


@pytest.mark.parametrize(
    ("framework", "mode"),
    sampled([("jax", "jit"), ("jax", "op-by-op"), ("flax", "jit"), ("flax", "eager")], ("jax", "jit")),
)
def test_a_second_process_finds_every_program_on_disk(framework: str, mode: str, tmp_path: Path) -> None:
    cold, warm = proof(tmp_path, framework, mode), proof(tmp_path, framework, mode)

    assert cold["cache_hits"] == 0, "not even a program that the first process met twice"
    assert cold["cache_misses"] > 0
    assert warm["cache_misses"] == 0
    assert warm["cache_hits"] >= cold["cache_misses"]


FORWARD = [("jax", "op-by-op"), ("jax", "jit"), ("flax", "eager"), ("flax", "jit"), ("flax", "cached-partial")]


@pytest.mark.parametrize(("framework", "mode"), sampled(FORWARD, ("flax", "jit")))
def test_a_forward_pass_is_one_program_of_bfloat16(framework: str, mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode, cell="mlp,tiny,none,bfloat16")

    compiled = mode not in ("op-by-op", "eager")
    assert (found["mode"], found["traces"], found["graphs"]) == ((mode, 1, 1) if compiled else (mode, None, None))
    assert found["guard_failures"] == (0 if compiled else None)
    assert (found["precision"], found["compute_precision"], found["output_precision"]) == (
        "float32",
        "bfloat16",
        "bfloat16",
    )


@pytest.mark.parametrize(
    ("framework", "fault", "products", "optimizer"),
    sampled(
        [
            (*wrong, optimizer)
            for optimizer in ("adam", "none")
            for wrong in (
                ("jax", "no cast", "float32"),
                ("jax", "late cast", "float32"),
                ("jax", "half a cast", "bfloat16, float32"),
                ("flax", "no cast", "float32"),
            )
        ],
        ("flax", "no cast", "float32", "adam"),
        ("jax", "late cast", "float32", "none"),
        ("jax", "half a cast", "bfloat16, float32", "adam"),
    ),
)
def test_a_wrong_cast_is_seen_in_the_products(
    framework: str, fault: str, products: str, optimizer: str, tmp_path: Path
) -> None:
    found = proof(tmp_path, framework, "jit", fault, f"mlp,tiny,{optimizer},bfloat16")

    assert found["compute_precision"] == products


@pytest.mark.parametrize(
    ("framework", "mode", "cell", "reason"),
    sampled(
        [
            ("jax", "jit", "mlp,tiny,adam,tf32", "TF32 needs an NVIDIA GPU, JAX runs on cpu"),
            ("flax", "jit", "mlp,tiny,none,tf32", "TF32 needs an NVIDIA GPU, JAX runs on cpu"),
            ("jax", "scan", "mlp,tiny,none,float32", "a forward pass has no updates to loop over"),
            ("jax", "jit-donate", "mlp,tiny,none,float32", "a forward pass has no state to donate"),
        ],
        ("flax", "jit", "mlp,tiny,none,tf32", "TF32 needs an NVIDIA GPU, JAX runs on cpu"),
        ("jax", "jit-donate", "mlp,tiny,none,float32", "a forward pass has no state to donate"),
    ),
)
def test_what_cannot_run_says_why(framework: str, mode: str, cell: str, reason: str, tmp_path: Path) -> None:
    assert proof(tmp_path, framework, mode, cell=cell) == {"skipped": reason}
