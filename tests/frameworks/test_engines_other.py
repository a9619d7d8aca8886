"""The engines with an environment of their own infer what was exported as float64 NumPy does, and prove what they ran.

In CI each engine is run once, at the smallest model.
"""

from pathlib import Path
from typing import Any, Final

import pytest

from bench.catalogue import framework_offer
from bench.protocol.required import InvalidResultError, require_mode
from bench.records.record import Cell, ModeProof
from bench.reference.inference import TOLERANCE
from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled
from tests.frameworks.test_engines import TINY, Path4, exported, inferred, printed_by

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("exports"),  # in one worker, so that each model is exported once
]

ENGINES: Final = ("openvino", "litert", "tract", "iree")
PATHS: Final = [
    (engine, mode.name, mode.source, mode.format)
    for engine in ENGINES
    for mode in framework_offer(engine).modes
    if not mode.precision
]
# Two exporters for four engines: Keras on TensorFlow writes ONNX and LiteRT, JAX writes StableHLO.
ONE_EACH: Final = [path for path in PATHS if path[1] == ("from-jax" if path[0] == "iree" else "from-keras")]
OF: Final[dict[str, Path4]] = {path[0]: path for path in ONE_EACH}
EVIDENCE: Final = {
    "openvino": "openvino-telemetry is not installed",
    "litert": "of 3 operators XNNPACK runs all but nothing",
    "tract": "3 x OptMatMul",
    "iree": "driver local-sync",
}


def planted(folder: Path, fault: str) -> dict[str, Any]:
    engine, mode, source, format_ = OF[fault.partition("-")[0]]
    file, _ = exported(folder, source, format_, *TINY)
    return printed_by(engine, file.parent, "check_planted.py", fault, mode, "float32", *TINY, SAMESTEP_MODEL=str(file))


def refused(engine: str, proof: dict[str, Any], threads: int = 1, path: Path4 | None = None) -> str:
    """Why a replicate with this proof does not count; empty: it does."""
    cell = Cell(
        framework=engine, mode=(path or OF[engine])[1], workload="mlp", optimizer="none", size="tiny",
        precision="float32", device="cpu", allocator="default", batch=16,
    )  # fmt: skip
    try:
        require_mode(cell, threads, ModeProof(**proof))
    except InvalidResultError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("engine", "mode", "source", "format_"), sampled(PATHS, *ONE_EACH))
def test_an_engine_predicts_as_numpy_does_in_float64_and_proves_what_it_ran(
    engine: str, mode: str, source: str, format_: str, folder: Path
) -> None:
    found = inferred(folder, (engine, mode, source, format_), *TINY)
    assert found["deviation"] <= TOLERANCE
    assert found["inference"]
    proof = found["proof"]
    assert (proof["mode"], proof["device"], proof["threads"]) == (mode, "cpu", 1)
    assert {proof[name] for name in ("precision", "compute_precision", "output_precision")} == {"float32"}
    assert EVIDENCE[engine] in proof["evidence"]
    assert "int8" in found["int8"]
    assert found["versions"]


def test_litert_and_stablehlo_files_say_who_wrote_them_and_what_is_in_them(folder: Path) -> None:
    _, litert = exported(folder, *OF["litert"][2:], *TINY)
    assert (litert["format"], litert["producer"]) == ("litert", "MLIR Converted")
    assert litert["operators"] == ["FULLY_CONNECTED"] * 3
    _, mlir = exported(folder, *OF["iree"][2:], *TINY)
    assert (mlir["format"], mlir["operators"].count("dot_general")) == ("mlir", 3)
    assert "StableHLO_v1." in mlir["producer"]


@pytest.mark.parametrize(
    ("fault", "path"),
    sampled(
        [(fault, path) for fault in ("transposed", "no-bias") for path in ONE_EACH],
        ("transposed", OF["openvino"]),
        ("no-bias", OF["iree"]),
    ),
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_fault_that_was_exported_is_far_outside_the_tolerance(fault: str, path: Path4, folder: Path) -> None:
    assert inferred(folder, path, *TINY, fault)["deviation"] > 100 * TOLERANCE


def test_openvino_in_its_own_precision_is_refused_by_its_layers(folder: Path) -> None:
    """On a processor without bfloat16 OpenVINO computes in float32, and may drop the hint."""
    found = planted(folder, "openvino-bfloat16")
    told = refused("openvino", found["proof"])
    if found["deviation"] > 10 * TOLERANCE:
        assert "precision of the products: float32 was asked for, the framework ran bfloat16" in told
        assert "INFERENCE_PRECISION_HINT bf16" in found["proof"]["evidence"]
    else:
        assert told == ""


def test_litert_without_its_delegate_is_refused(folder: Path) -> None:
    found = planted(folder, "litert-without-xnnpack")
    assert found["deviation"] <= TOLERANCE
    assert "XNNPACK took no part" in refused("litert", found["proof"])


@pytest.mark.parametrize("engine", ENGINES)
def test_two_threads_are_proved_or_refused(engine: str, folder: Path) -> None:
    found = planted(folder, f"{engine}-two-threads")
    if engine in ("tract", "iree"):
        assert found["skip"].endswith("computes on one thread, 2 are asked for")
    else:
        assert "threads: 1 asked for, the framework ran 2" in refused(engine, found["proof"]).replace(" was", "")
        assert refused(engine, found["proof"], threads=2) == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_model_is_an_error_without_addresses(engine: str, folder: Path) -> None:
    error = planted(folder, f"{engine}-cut-off")["error"]
    assert error
    assert "Stack backtrace" not in error


@pytest.mark.parametrize("engine", ["openvino", "tract"])
def test_the_model_of_another_exporter_is_not_claimed(engine: str, folder: Path) -> None:
    file, _ = exported(folder, *OF[engine][2:], *TINY)
    ours = file.with_name("by-hand.bin")
    ours.write_bytes(file.read_bytes().replace(b"tf2onnx", b"by hand", 1))
    arguments = ("check_engine.py", engine, "from-keras", *TINY)
    assert printed_by(engine, file.parent, *arguments, SAMESTEP_MODEL=str(ours))["proof"]["mode"] == "from by hand"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_keeps_nothing_about_its_use(engine: str, folder: Path, tmp_path: Path) -> None:
    file, _ = exported(folder, *OF[engine][2:], *TINY)
    script = str(ROOT / "tests" / "frameworks" / "check_engine.py")
    run_in(engine, tmp_path, script, *OF[engine][:2], *TINY, SAMESTEP_MODEL=str(file), HOME=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.whole
@pytest.mark.parametrize("batch", ["1", "256"])
@pytest.mark.parametrize("workload", ["mlp", "convnet", "transformer"])
@pytest.mark.parametrize("path", PATHS, ids="-".join)
def test_the_three_models_are_inferred_at_a_batch(path: Path4, workload: str, batch: str, folder: Path) -> None:
    found = inferred(folder, path, workload, "S", batch)
    assert found["deviation"] <= TOLERANCE
    assert found["proof"]["mode"] == path[1]
