"""What JAX and Flax did instead of the mode asked for is seen in the proof."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.host import ROOT
from tests.frameworks.interpreters import run_in

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

COMPILED = [("jax", "jit"), ("jax", "jit-donate"), ("jax", "scan"), ("flax", "jit"), ("flax", "cached-partial")]


def proof(scratch: Path, framework: str, mode: str, fault: str = "", **environment: str) -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_proof_jax.py"
    found: dict[str, Any] = json.loads(run_in(framework, scratch, str(script), framework, mode, fault, **environment))
    return found


@pytest.mark.parametrize(("framework", "mode"), COMPILED)
def test_a_compiled_step_is_traced_once_and_is_one_program(framework: str, mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode)

    assert (found["mode"], found["traces"], found["graphs"]) == (mode, 1, 1)
    assert (found["guard_failures"], found["graph_breaks"]) == (0, 0)
    assert (found["device"], found["output_device"]) == ("cpu", "cpu")
    assert (found["precision"], found["output_precision"]) == ("float32", "float32")
    assert (found["matmul_precision"], found["tf32"], found["threads"]) == ("float32", False, 1)


@pytest.mark.parametrize(("framework", "mode"), COMPILED)
def test_a_retrace_by_a_changed_shape_is_counted(framework: str, mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode, "shape" if framework == "jax" else "variables")

    assert found["guard_failures"] == 1
    assert (found["traces"], found["graphs"]) == (2, 2)


@pytest.mark.parametrize(("framework", "mode"), COMPILED)
def test_a_switched_off_jit_is_called_by_its_name(framework: str, mode: str, tmp_path: Path) -> None:
    found = proof(tmp_path, framework, mode, JAX_DISABLE_JIT="1")

    assert found["mode"] == {"jax": "op-by-op", "flax": "eager"}[framework]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
@pytest.mark.parametrize(("framework", "mode"), [("jax", "jit"), ("jax", "op-by-op"), ("flax", "jit")])
def test_a_thread_count_that_does_not_take_is_seen(framework: str, mode: str, tmp_path: Path) -> None:
    assert proof(tmp_path, framework, mode, "threads")["threads"] == 2


def test_a_state_that_was_not_donated_is_plain_jit(tmp_path: Path) -> None:
    assert proof(tmp_path, "jax", "jit-donate", "donation")["mode"] == "jit"


@pytest.mark.parametrize(("flags", "deterministic"), [("--xla_gpu_deterministic_ops=true", True), ("", None)])
def test_the_switch_for_deterministic_kernels_is_read(flags: str, deterministic: bool | None, tmp_path: Path) -> None:
    assert proof(tmp_path, "jax", "jit", XLA_FLAGS=flags)["deterministic"] is deterministic


@pytest.mark.parametrize(
    ("framework", "mode"), [("jax", "jit"), ("jax", "op-by-op"), ("flax", "jit"), ("flax", "eager")]
)
def test_a_second_process_finds_every_program_on_disk(framework: str, mode: str, tmp_path: Path) -> None:
    cold, warm = proof(tmp_path, framework, mode), proof(tmp_path, framework, mode)

    assert cold["cache_hits"] == 0, "not even a program that the first process met twice"
    assert cold["cache_misses"] > 0
    assert warm["cache_misses"] == 0
    assert warm["cache_hits"] >= cold["cache_misses"]
