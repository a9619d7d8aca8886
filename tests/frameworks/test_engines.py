"""The engines in a framework's packages infer what was exported as float64 NumPy does, and prove what they ran.

In CI each engine is run once, at the smallest model: AOTInductor's compilation takes longest.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from bench.catalogue import framework_offer, packages_of
from bench.reference.inference import TOLERANCE
from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("engines"),  # in one worker, so that each model is exported once
]

ENGINES: Final = ("aotinductor", "jax_export", "saved_model", "torchscript")
PATHS: Final = [
    (engine, mode.name, mode.source, mode.format) for engine in ENGINES for mode in framework_offer(engine).modes
]
AOT: Final = next(path for path in PATHS if path[0] == "aotinductor")
SCRIPT: Final = next(path for path in PATHS if path[0] == "torchscript")
PRODUCERS: Final = {
    "aotinductor": "AOTInductor 2.", "torchscript": "PyTorch 2.", "stablehlo": "jax.export 0.",
    "saved_model": "TensorFlow 2.",
}  # fmt: skip
PRODUCTS: Final = {
    "aotinductor": "cpu_addmm_out", "torchscript": "aten::linear", "stablehlo": "dot_general", "saved_model": "MatMul",
}  # fmt: skip

Path4 = tuple[str, str, str, str]  # engine, mode, source, format


def environment_of(framework: str, scratch: Path) -> dict[str, str]:
    asked = framework_offer(framework).environment
    return {name: value.format(threads=1, scratch=scratch) for name, value in asked if name != "SAMESTEP_MODEL"}


def printed_by(framework: str, scratch: Path, script: str, *arguments: str, **environment: str) -> dict[str, Any]:
    file = ROOT / "tests" / "frameworks" / script
    variables = environment_of(framework, scratch) | environment
    found: dict[str, Any] = json.loads(run_in(framework, scratch, str(file), *arguments, **variables).splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@cache
def exported(folder: Path, source: str, format_: str, *of: str) -> tuple[Path, dict[str, Any]]:
    """The file that `source` exports, and what it says of itself; `of`: workload, size, batch, and perhaps a fault."""
    (home := folder / "-".join((source, format_, *of))).mkdir()
    workload, size, batch, *fault = of
    file = home / "model.bin"
    arguments = (source, format_, workload, size, batch, str(file), *fault)
    return file, printed_by(source, home, "check_artifact.py", *arguments)


def inferred(folder: Path, path: Path4, *of: str) -> dict[str, Any]:
    engine, mode, source, format_ = path
    file, _ = exported(folder, source, format_, *of)
    return printed_by(engine, file.parent, "check_engine.py", engine, mode, *of[:3], SAMESTEP_MODEL=str(file))


TINY: Final = ("mlp", "tiny", "16")


@pytest.mark.parametrize("path", PATHS, ids="-".join)
def test_an_artifact_says_who_wrote_it_and_what_is_in_it(path: Path4, folder: Path) -> None:
    _, found = exported(folder, *path[2:], *TINY)
    assert found["format"] == path[3]
    assert found["producer"].startswith(PRODUCERS[path[3]])
    assert found["operators"].count(PRODUCTS[path[3]]) == 3, "a product for each layer"


@pytest.mark.parametrize("path", PATHS, ids="-".join)
def test_an_engine_predicts_as_numpy_does_in_float64_and_proves_what_it_ran(path: Path4, folder: Path) -> None:
    found = inferred(folder, path, *TINY)
    assert found["deviation"] <= TOLERANCE
    assert found["inference"]
    proof = found["proof"]
    assert (proof["mode"], proof["device"], proof["threads"]) == (path[1], "cpu", 1)
    assert {proof[name] for name in ("precision", "compute_precision", "output_precision")} == {"float32"}
    assert proof["output_device"] == "cpu"
    assert "int8" in found["int8"]
    assert found["versions"]


@pytest.mark.parametrize(
    ("fault", "path"),
    sampled(
        [(fault, path) for fault in ("transposed", "no-bias") for path in PATHS],
        ("transposed", SCRIPT),
        ("no-bias", next(path for path in PATHS if path[0] == "jax_export")),
    ),
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_fault_that_was_exported_is_far_outside_the_tolerance(fault: str, path: Path4, folder: Path) -> None:
    assert inferred(folder, path, *TINY, fault)["deviation"] > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("path", "begin"),
    [
        (AOT, "PyTorch cannot export the model to a package of AOTInductor (PyTorch 2."),
        (SCRIPT, "PyTorch cannot export the operator Python to TorchScript (PyTorch 2."),
        (("", "", "jax", "stablehlo"), "JAX cannot export the model to StableHLO (jax.export of JAX 0."),
        (
            ("", "", "tensorflow", "saved_model"),
            "TensorFlow cannot export the operator PyFunc to SavedModel (TensorFlow 2.",
        ),
    ],
    ids=lambda value: value[3] if isinstance(value, tuple) else "",
)
def test_what_a_format_cannot_hold_is_a_sentence_with_framework_and_version(
    path: Path4, begin: str, folder: Path
) -> None:
    file, found = exported(folder, *path[2:], *TINY, "unknown")
    assert found["error"].startswith(begin)
    assert "\n" not in found["error"]
    assert not file.exists()


@pytest.mark.whole
@pytest.mark.parametrize("batch", ["1", "256"])
@pytest.mark.parametrize("workload", ["mlp", "convnet", "transformer"])
@pytest.mark.parametrize("path", PATHS, ids="-".join)
def test_the_three_models_are_inferred_at_a_batch(path: Path4, workload: str, batch: str, folder: Path) -> None:
    found = inferred(folder, path, workload, "S", batch)
    assert found["deviation"] <= TOLERANCE
    assert found["proof"]["mode"] == path[1]


@pytest.mark.whole
def test_a_package_says_for_how_many_threads_its_kernels_were_compiled(folder: Path) -> None:
    """Its loader asked for another number must not claim it."""
    engine, mode, source, format_ = AOT
    file, _ = exported(folder, source, format_, "transformer", "S", "256")
    arguments = ("check_engine.py", engine, mode, "transformer", "S", "256", "2")
    proof = printed_by(engine, file.parent, *arguments, SAMESTEP_MODEL=str(file), OMP_NUM_THREADS="2")["proof"]
    assert re.search(r"loops of its own kernels on (1|2|any number of) thread", proof["evidence"])


def test_the_function_of_another_framework_is_not_claimed(folder: Path) -> None:
    file, _ = exported(folder, "jax", "stablehlo", *TINY)
    proof = printed_by(
        "jax_export", file.parent, "check_engine.py", "jax_export", "from-flax", *TINY, SAMESTEP_MODEL=str(file)
    )["proof"]
    assert proof["mode"] == "from-jax"


def test_the_engines_run_in_the_packages_of_those_that_export_for_them() -> None:
    assert {engine: packages_of(engine) for engine in ENGINES} == {
        "aotinductor": "torch", "jax_export": "jax", "saved_model": "tensorflow", "torchscript": "torch",
    }  # fmt: skip
