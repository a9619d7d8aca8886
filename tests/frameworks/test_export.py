"""What PyTorch, Keras and JAX export, ONNX Runtime computes as NumPy does, and says whose model it ran."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.catalogue import framework_offer
from bench.reference import inference
from bench.reference.accuracy import prediction_deviation
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA
from bench.workloads import regression
from harness.environments.checkout import ROOT
from tests.frameworks.check_inference import at_batch
from tests.frameworks.interpreters import python_of, run_in
from tests.frameworks.sampling import sampled

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("exports"),  # in one worker, so that each model is exported once
]

SOURCES = {mode.name: mode.source for mode in framework_offer("onnxruntime").modes if not mode.precision}
PRODUCERS = {
    "torch": "pytorch 2.", "keras_tensorflow": "tf2onnx 1.", "jax": "jax2onnx 0.", "flax": "jax2onnx of Flax 0.",
}  # fmt: skip
WORKLOAD = regression.make("base", "adam")
TRAINED = {
    name: array.astype(np.float32)
    for name, array in reference(WORKLOAD, WORKLOAD.formula(KINGMA_BA)).parameters.items()
}


def environment_of(framework: str) -> dict[str, str]:
    """What the framework's file asks for, but for the folders, which `run_in` gives."""
    asked = framework_offer(framework).environment
    return {name: value.format(threads=1, scratch="/tmp") for name, value in asked if name != "SAMESTEP_MODEL"}


def exported(framework: str, scratch: Path, *fault: str) -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_export.py"
    arguments = (str(script), framework, str(scratch / f"{framework}.onnx"), *fault)
    printed = run_in(framework, scratch, *arguments, **environment_of(framework))
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@cache
def description(framework: str, scratch: Path) -> dict[str, Any]:
    return exported(framework, scratch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


def model_of(framework: str, folder: Path) -> bytes:
    description(framework, folder)
    return (folder / f"{framework}.onnx").read_bytes()


def inferred(mode: str, model: bytes, scratch: Path, threads: int = 1, *work: str) -> dict[str, Any]:
    (scratch / "model.onnx").write_bytes(model)
    script = ROOT / "tests" / "frameworks" / "check_inference.py"
    environment = environment_of("onnxruntime") | {"SAMESTEP_MODEL": str(scratch / "model.onnx"), "HOME": str(scratch)}
    printed = run_in("onnxruntime", scratch, str(script), mode, str(threads), *work, **environment)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize("framework", SOURCES.values())
def test_an_export_has_the_pinned_versions_and_says_who_wrote_it(framework: str, folder: Path) -> None:
    found = description(framework, folder)

    assert (found["ir_version"], found["opset"]) == (10, 18)
    assert found["producer"].startswith(PRODUCERS[framework])
    assert set(found["operators"]) <= {"Gemm", "MatMul", "Add"}
    assert found["operators"]


@pytest.mark.parametrize(
    ("framework", "title", "operator"),
    sampled(
        [
            ("torch", "PyTorch", "prims.bessel_j0"),
            ("keras_tensorflow", "Keras on TensorFlow", "BesselJ0"),
            ("jax", "JAX", "pure_callback"),
        ],
        ("keras_tensorflow", "Keras on TensorFlow", "BesselJ0"),
    ),
)
def test_an_operator_that_onnx_lacks_is_named_with_framework_and_versions(
    framework: str, title: str, operator: str, tmp_path: Path
) -> None:
    error = exported(framework, tmp_path, "unknown")["error"]

    assert error.startswith(f"{title} cannot export the operator {operator} to ONNX (IR version 10, opset 18): ")
    assert "\n" not in error
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize(("mode", "framework"), SOURCES.items())
def test_onnx_runtime_predicts_as_numpy_does_in_float64(
    mode: str, framework: str, folder: Path, tmp_path: Path
) -> None:
    found = inferred(mode, model_of(framework, folder), tmp_path)

    parameters = {name: array.astype(np.float64) for name, array in TRAINED.items()}
    expected = (WORKLOAD.batch.x.astype(np.float64) @ parameters["weight"] + parameters["bias"]).ravel()
    deviation = np.abs(np.array(found["predictions"]) - expected) / np.maximum(1, np.abs(expected))
    assert deviation.shape == (200,)
    assert deviation.max() <= 1e-6
    assert found["inference"]
    assert found["parameters"] == {name: array.tolist() for name, array in TRAINED.items()}, "to the last bit"
    assert "bfloat16" in found["bfloat16"]
    assert "CUDAExecutionProvider" in found["cuda"], "a build for the CPU must refuse CUDA"


@pytest.mark.parametrize(
    ("mode", "framework", "threads"),
    sampled(
        [(*source, threads) for source in SOURCES.items() for threads in (1, 2)],
        ("from-torch", "torch", 1),
        ("from-keras", "keras_tensorflow", 2),
    ),
)
def test_a_mode_is_proved_by_the_models_producer_and_the_sessions_options(
    mode: str, framework: str, threads: int, folder: Path, tmp_path: Path
) -> None:
    found = inferred(mode, model_of(framework, folder), tmp_path, threads)

    proof = found["proof"]
    assert (proof["mode"], proof["device"], proof["precision"], proof["threads"]) == (mode, "cpu", "float32", threads)
    assert (proof["output_device"], proof["output_precision"]) == ("cpu", "float32")
    assert "ORT_ENABLE_ALL" in proof["evidence"]
    assert found["pool_threads"] == threads - 1, "the calling thread is one of them"


def deviation_of(mode: str, framework: str, name: str, batch: int, scratch: Path, fault: str = "") -> float:
    """How far an exported model's predictions in ONNX Runtime are from float64 NumPy's, as the gate has it."""
    work = (name, str(batch))
    exported(framework, scratch, fault, *work)
    found = inferred(mode, (scratch / f"{framework}.onnx").read_bytes(), scratch, 1, *work)
    predictions = np.array(found["predictions"])
    return prediction_deviation(predictions, expected=inference.predictions(at_batch(name, batch)))


@pytest.mark.parametrize(
    ("mode", "framework", "name", "batch"),
    sampled(
        [
            (*source, name, batch)
            for source in SOURCES.items()
            for name in ("mlp", "convnet", "transformer")
            for batch in (1, 3)
        ],
        ("from-torch", "torch", "convnet", 3),
        ("from-keras", "keras_tensorflow", "transformer", 3),
        ("from-jax", "jax", "transformer", 1),
    ),
)
def test_a_trained_model_at_a_batch_passes_the_gate_of_float32(
    mode: str, framework: str, name: str, batch: int, tmp_path: Path
) -> None:
    assert deviation_of(mode, framework, name, batch, tmp_path) <= inference.TOLERANCE


@pytest.mark.parametrize(
    ("fault", "name"), sampled([("transposed", "mlp"), ("no bias", "transformer")], ("transposed", "mlp"))
)
def test_a_fault_that_is_planted_in_an_export_is_far_outside_of_it(fault: str, name: str, tmp_path: Path) -> None:
    assert deviation_of("from-torch", "torch", name, 3, tmp_path, fault) > 100 * inference.TOLERANCE


def test_the_model_of_another_framework_is_not_claimed(folder: Path, tmp_path: Path) -> None:
    assert inferred("from-torch", model_of("jax", folder), tmp_path)["proof"]["mode"] == "from-jax"


def test_the_model_of_an_unknown_producer_is_not_claimed(folder: Path, tmp_path: Path) -> None:
    model = model_of("torch", folder).replace(b"pytorch", b"by hand")

    assert inferred("from-torch", model, tmp_path)["proof"]["mode"] == "from by hand"


def test_onnx_runtime_keeps_nothing_about_its_use(folder: Path, tmp_path: Path) -> None:
    inferred("from-torch", model_of("torch", folder), tmp_path)  # at home and for temporary files in this folder

    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_without_the_switch_it_would(tmp_path: Path) -> None:
    unshared = subprocess.run(
        ["unshare", "--map-root-user", "--net", python_of("onnxruntime"), "-c", "import onnxruntime"],
        env={"HOME": str(tmp_path)},  # in a network of its own, so that nothing is sent
        capture_output=True,
        text=True,
        check=False,
    )
    if unshared.returncode != 0:
        pytest.skip(f"needs a network namespace: {unshared.stderr}")

    assert list(tmp_path.rglob("onnxruntime.db"))


@pytest.mark.parametrize(("mode", "framework"), sampled(SOURCES.items(), ("from-jax", "jax")))
def test_the_stand_alone_script_runs_the_same_model(mode: str, framework: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model_of(framework, folder))
    script = ROOT / "harness" / "standalone" / "programs" / "onnxruntime.py"
    printed = run_in("onnxruntime", tmp_path, "-P", str(script), mode, str(tmp_path / "model.onnx"))
    found = json.loads(printed.splitlines()[-1])

    assert (found["framework"], found["mode"], len(found["rounds"])) == ("onnxruntime", mode, 20)
    assert 0.1 < found["step_us"] < 1000
    assert found["weight"] == pytest.approx(float(TRAINED["weight"].item()), abs=1e-5)
    assert found["bias"] == pytest.approx(float(TRAINED["bias"].item()), abs=1e-5)
