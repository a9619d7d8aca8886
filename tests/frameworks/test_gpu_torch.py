"""What PyTorch and the frameworks on it do on a GPU, checked on the locked libraries with a CPU in its place."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import python_of, run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

COMPILED = [("torch", "compile"), ("lightning", "fit-compile"), ("fastai", "fit-compile"), ("keras_torch", "batch-jit")]
REPLAYED = ("reduce-overhead", "max-autotune")
ROUNDED = {
    "matmul, older": "high",
    "cublas, older": True,
    "cudnn, older": True,
    "generic": "tf32",
    "cublas": "tf32",
    "cudnn": "tf32",
    "cudnn, convolutions": "tf32",
    "cudnn, recurrent": "tf32",
}
STRICT = {**dict.fromkeys(ROUNDED, "ieee"), "matmul, older": "highest", "cublas, older": False, "cudnn, older": False}


def found(scratch: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_gpu_torch.py"
    printed = run_in(arguments[1], scratch, str(script), *arguments, **environment)
    answer: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return answer


class TestTf32:
    @pytest.mark.parametrize(
        ("framework", "mode"),
        sampled(
            [
                ("torch", "eager"),
                ("torch", "compile"),
                ("torch", "compile-step"),
                ("torch", "max-autotune"),
                ("lightning", "fit"),
                ("lightning", "fit-compile"),
                ("fastai", "fit"),
                ("fastai", "fit-compile"),
                ("keras_torch", "batch"),
                ("keras_torch", "batch-jit"),
            ],
            ("torch", "compile"),
            ("lightning", "fit"),
            ("fastai", "fit"),
            ("keras_torch", "batch"),
        ),
    )
    def test_every_getter_agrees_before_and_after_training(self, framework: str, mode: str, tmp_path: Path) -> None:
        answer = found(tmp_path, "tf32", framework, mode)

        assert answer["before"] == answer["after"] == ROUNDED
        assert answer["proof"]["tf32"]
        assert answer["proof"]["matmul_precision"] == "tf32 (high)"

    def test_every_getter_says_that_float32_is_strict(self, tmp_path: Path) -> None:
        answer = found(tmp_path, "tf32", "torch", "eager", "float32")

        assert answer["before"] == answer["after"] == STRICT
        assert not answer["proof"]["tf32"]

    def test_the_probes_of_one_process_go_through_the_precisions(self, tmp_path: Path) -> None:
        answer = found(tmp_path, "probes", "torch", "eager")

        for name, getters in answer.items():
            assert getters == (ROUNDED if name.endswith("tf32") else STRICT), name


class TestLightning:
    def test_the_model_stays_on_its_device_and_the_cache_is_kept(self, tmp_path: Path) -> None:
        answer = found(tmp_path, "resident", "lightning", "fit")

        assert (answer["device"], answer["output_device"]) == ("meta", "meta")
        assert answer["emptied"] == 0
        assert "4 batches seen in 4 updates asked for" in answer["evidence"]


class TestProof:
    @pytest.mark.parametrize(
        ("framework", "mode", "precision", "workload"),
        sampled(
            [
                ("torch", "eager", "float32", "mlp"),
                ("torch", "foreach", "float32", "mlp"),
                ("torch", "fused", "float32", "mlp"),
                ("torch", "compile", "float32", "mlp"),
                ("torch", "eager", "bfloat16", "convnet"),
                ("lightning", "fit", "bfloat16", "convnet"),
                ("keras_torch", "batch", "bfloat16", "convnet"),
            ],
            ("torch", "eager", "float32", "mlp"),
            ("torch", "fused", "float32", "mlp"),
            ("torch", "eager", "bfloat16", "convnet"),
        ),
    )
    def test_takes_no_memory_and_leaves_the_training_alone(
        self, framework: str, mode: str, precision: str, workload: str, tmp_path: Path
    ) -> None:
        """A copy of the optimiser would double what the process holds, and peaks are cumulative."""
        answer = found(tmp_path, "held", framework, mode, precision, workload)

        assert answer["largest"] < answer["batch"] / 4
        assert answer["same"]


class TestOptimizer:
    @pytest.mark.parametrize("mode", sampled(["eager", "torchscript", "compile"], "eager", "torchscript"))
    def test_is_pytorchs_own_choice_in_eager_and_in_what_is_compared_with_it(self, mode: str, tmp_path: Path) -> None:
        answer = found(tmp_path, "form", "torch", mode)

        assert answer["mode"] == mode
        assert "the optimiser (foreach, PyTorch's own choice)" in answer["evidence"]

    def test_foreach_is_no_second_eager_on_a_gpu(self, tmp_path: Path) -> None:
        assert "is what eager runs" in found(tmp_path, "form", "torch", "foreach")["skipped"]


class TestCudaGraphTrees:
    @pytest.mark.parametrize("mode", REPLAYED)
    def test_are_skipped_with_an_allocator_that_has_no_checkpoints(self, mode: str, tmp_path: Path) -> None:
        reason = found(tmp_path, "skipped", "torch", mode, "cudaMallocAsync")["skipped"]

        assert reason == (
            f"{mode} needs checkpoints of the allocator's memory for its CUDA graphs, and cudaMallocAsync has none"
        )

    @pytest.mark.parametrize(("framework", "mode"), [("torch", "compile"), ("lightning", "fit-compile")])
    def test_are_no_concern_of_plain_compile(self, framework: str, mode: str, tmp_path: Path) -> None:
        assert found(tmp_path, "skipped", framework, mode, "cudaMallocAsync")["skipped"] == ""

    def test_work_with_pytorchs_own_allocator(self, tmp_path: Path) -> None:
        assert found(tmp_path, "skipped", "torch", "max-autotune")["skipped"] == ""

    def test_alone_have_their_outputs_copied(self, tmp_path: Path) -> None:
        assert found(tmp_path, "kept", "torch", "compile") == {"compile": False, **dict.fromkeys(REPLAYED, True)}


class TestCompiler:
    @pytest.mark.parametrize(("framework", "mode"), sampled(COMPILED, *COMPILED[:2]))
    def test_a_missing_c_compiler_names_its_package(self, framework: str, mode: str, tmp_path: Path) -> None:
        reason = found(tmp_path, "skipped", framework, mode, PATH="/nonexistent")["skipped"]

        assert "Triton" in reason
        assert "apt install gcc" in reason

    @pytest.mark.parametrize(
        ("program", "variables", "is_enough"),
        [
            ("gcc", {}, True),
            ("clang", {}, True),
            ("g++", {}, False),
            ("mine", {"CC": "mine"}, True),
            ("gcc", {"CC": "absent"}, False),
        ],
    )
    def test_is_the_one_that_triton_looks_for(
        self, program: str, variables: dict[str, str], is_enough: bool, tmp_path: Path
    ) -> None:
        there = shutil.which("true")
        assert there
        (tmp_path / program).symlink_to(there)

        reason = found(tmp_path, "skipped", "torch", "compile", PATH=str(tmp_path), **variables)["skipped"]

        assert (reason == "") == is_enough, reason


def test_the_hello_world_of_pytorch_takes_the_accelerator(tmp_path: Path) -> None:
    """The stand-in for an accelerator computes nothing: the program fails where it reads its result from there."""
    program = (
        "import runpy, torch; torch.accelerator.is_available = lambda: True;"
        "torch.accelerator.current_accelerator = lambda **options: torch.device('meta');"
        "runpy.run_module('bench.hello.torch', run_name='__main__')"
    )
    ended = subprocess.run(
        [python_of("torch"), "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "meta tensors" in ended.stderr
