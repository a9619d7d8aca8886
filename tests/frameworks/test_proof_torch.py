"""What a mode of PyTorch, Lightning or fastai must not hide: each fallback planted here is in its proof."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

COMPILED = [("torch", "compile"), ("torch", "compile-step"), ("lightning", "fit-compile"), ("fastai", "fit-compile")]


def spoiled(scratch: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_proof.py"
    printed = run_in(arguments[0], scratch, str(script), *arguments, **environment)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize(("framework", "mode"), sampled(COMPILED, ("torch", "compile-step")))
def test_a_graph_break_is_in_the_proof(framework: str, mode: str, tmp_path: Path) -> None:
    proof = spoiled(tmp_path, framework, mode, "break")["after"]

    assert proof["graph_breaks"] >= 1
    assert "graph break: " in proof["evidence"]


@pytest.mark.parametrize("mode", sampled(["compile", "compile-step"], "compile"))
def test_a_changed_shape_is_a_failed_guard_and_a_compilation(mode: str, tmp_path: Path) -> None:
    found = spoiled(tmp_path, "torch", mode, "shape")

    assert (found["before"]["mode"], found["before"]["guard_failures"], found["before"]["graph_breaks"]) == (mode, 0, 0)
    assert found["after"]["guard_failures"] >= 1
    assert found["after"]["compilations"] > found["before"]["compilations"]
    assert "size mismatch" in found["after"]["evidence"]


@pytest.mark.parametrize(
    ("framework", "mode", "ran"),
    sampled(
        [
            ("torch", "compile", "eager"),
            ("torch", "reduce-overhead", "eager"),
            ("torch", "max-autotune", "eager"),
            ("torch", "compile-step", "eager"),
            ("lightning", "fit-compile", "fit"),
            ("fastai", "fit-compile", "fit"),
        ],
        ("torch", "compile-step", "eager"),
    ),
)
def test_a_compiler_that_was_switched_off_is_found(framework: str, mode: str, ran: str, tmp_path: Path) -> None:
    proof = spoiled(tmp_path, framework, mode, TORCHDYNAMO_DISABLE="1")["after"]

    assert proof["mode"] == ran
    assert proof["graphs"] == 0


def test_torchscript_that_was_switched_off_is_found(tmp_path: Path) -> None:
    assert spoiled(tmp_path, "torch", "torchscript")["after"]["mode"] == "torchscript"
    assert spoiled(tmp_path, "torch", "torchscript", PYTORCH_JIT="0")["after"]["mode"] == "eager"


def test_an_optimizer_that_is_not_fused_is_found(tmp_path: Path) -> None:
    assert spoiled(tmp_path, "torch", "fused")["after"]["mode"] == "fused"
    assert spoiled(tmp_path, "torch", "fused", "default-optimizer")["after"]["mode"] == "eager"


def test_a_thread_count_that_was_changed_is_found(tmp_path: Path) -> None:
    found = spoiled(tmp_path, "torch", "eager", "threads")

    assert (found["before"]["threads"], found["after"]["threads"]) == (1, 2)


@pytest.mark.whole
def test_cuda_graphs_that_a_cpu_cannot_record_are_skipped_with_the_reason(tmp_path: Path) -> None:
    proof = spoiled(tmp_path, "torch", "reduce-overhead")["after"]

    assert (proof["mode"], proof["cuda_graphs"]) == ("reduce-overhead", 0)
    assert "CPU" in proof["cuda_graphs_skipped"]


def test_the_cuda_graph_mode_is_skipped_on_a_cpu(tmp_path: Path) -> None:
    assert "NVIDIA GPU" in spoiled(tmp_path, "torch", "cuda-graph")["skipped"]


@pytest.mark.parametrize(("framework", "mode"), sampled(COMPILED, ("lightning", "fit-compile")))
def test_a_missing_compiler_names_its_package(framework: str, mode: str, tmp_path: Path) -> None:
    reason = spoiled(tmp_path, framework, mode, PATH="/nonexistent")["skipped"]

    assert "C++ compiler" in reason
    assert "apt install g++" in reason


@pytest.mark.parametrize(("framework", "mode"), sampled(COMPILED, ("fastai", "fit-compile")))
def test_missing_headers_name_their_package(framework: str, mode: str, tmp_path: Path) -> None:
    reason = spoiled(tmp_path, framework, mode, "no-headers")["skipped"]

    assert "Python.h" in reason
    assert "python3-dev" in reason
