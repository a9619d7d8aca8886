"""int8, bfloat16 and pruning on the engines: what they may lose, what proves them, and faults that are caught.

In CI each kind of quantisation is run once, at the smallest model.
"""

import zlib
from pathlib import Path
from typing import Any, Final

import pytest

from bench.protocol.required import InvalidResultError, require_mode
from bench.records.record import Cell, ModeProof
from bench.reference.inference import TOLERANCE
from bench.reference.precision import PRECISIONS
from tests.frameworks.test_engines import TINY, Path4, exported, printed_by

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("quantised"),  # in one worker, so that each model is exported once
]

DYNAMIC: Final = ("onnxruntime", "from-torch-int8", "torch", "onnx_int8")
STATIC: Final = ("onnxruntime", "from-torch-int8-static", "torch", "onnx_int8_static")
LITERT_DYNAMIC: Final = ("litert", "from-keras-int8", "keras_tensorflow", "litert_int8")
LITERT_STATIC: Final = ("litert", "from-keras-int8-static", "keras_tensorflow", "litert_int8_static")
PATHS: Final = (DYNAMIC, STATIC, LITERT_DYNAMIC, LITERT_STATIC)
FLOAT32: Final = {
    "onnxruntime": ("onnxruntime", "from-torch", "torch", "onnx"),
    "litert": ("litert", "from-keras", "keras_tensorflow", "litert"),
}
BFLOAT16: Final = ("openvino", "from-torch", "torch", "onnx")
PRUNED_50: Final = ("onnxruntime", "from-torch-pruned-50", "torch", "onnx_pruned_50")
PRUNED_90: Final = ("onnxruntime", "from-torch-pruned-90", "torch", "onnx_pruned_90")
PROOF: Final = {
    DYNAMIC: "3 x DynamicQuantizeMatMul multiplies integers of 8 bits, nothing numbers of float32",
    STATIC: "multiplies integers of 8 bits, nothing numbers of float32",
    LITERT_DYNAMIC: "2 of 3 products have weights of 8 bits, 0 all operands",
    LITERT_STATIC: "3 of 3 products have weights of 8 bits, 3 all operands",
}


def of_paths(*kept: Path4) -> pytest.MarkDecorator:
    """Parametrize `path`: in CI with those `kept`."""
    cases = [path if path in kept else pytest.param(path, marks=pytest.mark.whole) for path in PATHS]
    return pytest.mark.parametrize("path", cases, ids="-".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quantised")


def ran(folder: Path, path: Path4, precision: str, *of: str, as_: Path4 | None = None) -> dict[str, Any]:
    """What `path` makes of its file; `as_`: what that mode of its engine makes of it."""
    file, _ = exported(folder, *path[2:], *of)
    engine, mode = (as_ or path)[:2]
    arguments = ("check_planted.py", f"{engine}-nothing", mode, precision, *of[:3])
    return printed_by(engine, file.parent, *arguments, SAMESTEP_MODEL=str(file))


def refused(path: Path4, precision: str, proof: dict[str, Any]) -> str:
    """Why a replicate with this proof does not count; empty: it does."""
    cell = Cell(
        framework=path[0], mode=path[1], workload="mlp", optimizer="none", size="tiny", precision=precision,
        device="cpu", allocator="default", batch=16,
    )  # fmt: skip
    try:
        require_mode(cell, 1, ModeProof(**proof))
    except InvalidResultError as error:
        return str(error)
    return ""


@of_paths(DYNAMIC, STATIC, LITERT_STATIC)
def test_int8_loses_what_it_may_and_is_read_back(path: Path4, folder: Path) -> None:
    found = ran(folder, path, "int8", *TINY)
    assert (found["error"], found["fault"], refused(path, "int8", found["proof"])) == ("", "", "")
    assert found["accuracy"]["rms_deviation"] > 1e-3, "nothing was rounded"
    assert found["accuracy"]["classes"]["agreement"] > 0.8
    assert PROOF[path] in found["proof"]["evidence"]


@of_paths(DYNAMIC)
def test_a_transposed_weight_of_8_bits_is_outside_the_tolerance(path: Path4, folder: Path) -> None:
    found = ran(folder, path, "int8", *TINY, "transposed")
    assert "in the root mean square, more than" in found["fault"]
    assert found["accuracy"]["rms_deviation"] > 2 * PRECISIONS["int8"].rms


@of_paths(DYNAMIC, STATIC)
def test_a_float32_file_under_an_int8_name_is_refused(path: Path4, folder: Path) -> None:
    whole = FLOAT32[path[0]]
    found = ran(folder, whole, "int8", *TINY, as_=path)
    assert f"mode: {path[1]} was asked for, the framework ran {whole[1]}" in refused(path, "int8", found["proof"])


@of_paths(DYNAMIC, STATIC)
def test_an_int8_file_under_the_float32_name_is_refused(path: Path4, folder: Path) -> None:
    whole = FLOAT32[path[0]]
    found = ran(folder, path, "float32", *TINY, as_=whole)
    assert "differ from those of float64 NumPy" in found["fault"]
    assert f"mode: {whole[1]} was asked for, the framework ran {path[1]}" in refused(whole, "float32", found["proof"])


@pytest.mark.whole
def test_one_quantisation_under_the_name_of_the_other_is_refused(folder: Path) -> None:
    found = ran(folder, STATIC, "int8", *TINY, as_=DYNAMIC)
    assert "from-torch-int8 was asked for, the framework ran from-torch-int8-static" in refused(
        DYNAMIC, "int8", found["proof"]
    )


@pytest.mark.whole
def test_a_model_whose_weights_are_too_few_for_the_converter_is_not_called_int8(folder: Path) -> None:
    proof = ran(folder, LITERT_DYNAMIC, "int8", "convnet", "tiny", "4")["proof"]
    assert "from-keras-int8 was asked for, the framework ran from-keras" in refused(LITERT_DYNAMIC, "int8", proof)


@pytest.mark.whole
@pytest.mark.parametrize("workload", ["mlp", "convnet", "transformer"])
@pytest.mark.parametrize("path", PATHS, ids="-".join)
def test_the_three_models_lose_what_they_may_and_are_smaller(path: Path4, workload: str, folder: Path) -> None:
    """LiteRT quantises the transformer's norms and softmax as well: it loses the class of a quarter of the tokens."""
    of = (workload, "S", "32")
    found = ran(folder, path, "int8", *of)
    assert refused(path, "int8", found["proof"]) == ""
    assert ("more than 0.15" in found["fault"]) == (path == LITERT_STATIC and workload == "transformer")
    small, whole = (exported(folder, *each[2:], *of)[0] for each in (path, FLOAT32[path[0]]))
    assert small.stat().st_size < 0.5 * whole.stat().st_size


def test_openvino_in_bfloat16_is_read_back_from_its_products(folder: Path) -> None:
    found = ran(folder, BFLOAT16, "bfloat16", *TINY)
    if "skip" in found:
        assert found["skip"].startswith("this processor has no instructions for bfloat16")
        return
    assert (found["fault"], refused(BFLOAT16, "bfloat16", found["proof"])) == ("", "")
    assert found["deviation"] > 1e-3
    assert "the framework ran bfloat16" in refused(BFLOAT16, "float32", found["proof"])


@pytest.mark.parametrize("path", [PRUNED_90, pytest.param(PRUNED_50, marks=pytest.mark.whole)], ids="-".join)
def test_a_pruned_model_is_the_pruned_reference_and_no_smaller(path: Path4, folder: Path) -> None:
    precision = path[1].removeprefix("from-torch-")
    found = ran(folder, path, precision, *TINY)
    assert (found["fault"], refused(path, precision, found["proof"])) == ("", "")
    assert found["deviation"] <= TOLERANCE
    told = found["accuracy"]["classes"]
    assert told["agreement"] < 1
    assert told["loss"] > told["reference_loss"]
    assert f"in its matrices {path[1][-2:]} % are zero" in found["proof"]["evidence"]
    whole, zeros = (exported(folder, *each[2:], *TINY)[0] for each in (FLOAT32["onnxruntime"], path))
    assert zeros.stat().st_size == whole.stat().st_size
    assert len(zlib.compress(zeros.read_bytes())) < 0.7 * len(zlib.compress(whole.read_bytes()))


def test_a_whole_file_under_the_pruned_name_is_refused(folder: Path) -> None:
    found = ran(folder, FLOAT32["onnxruntime"], "pruned-90", *TINY, as_=PRUNED_90)
    assert "predictions differ from those of float64 NumPy" in found["fault"]
    assert "from-torch-pruned-90 was asked for, the framework ran from-torch" in refused(
        PRUNED_90, "pruned-90", found["proof"]
    )


@pytest.mark.whole
@pytest.mark.parametrize("workload", ["mlp", "convnet", "transformer"])
@pytest.mark.parametrize("path", [PRUNED_50, PRUNED_90], ids="-".join)
def test_the_three_models_are_pruned_to_the_reference(path: Path4, workload: str, folder: Path) -> None:
    precision = path[1].removeprefix("from-torch-")
    found = ran(folder, path, precision, workload, "S", "32")
    assert (found["fault"], refused(path, precision, found["proof"])) == ("", "")


@pytest.mark.whole
@pytest.mark.parametrize("workload", ["mlp", "convnet", "transformer"])
def test_openvino_loses_in_bfloat16_what_it_may(workload: str, folder: Path) -> None:
    found = ran(folder, BFLOAT16, "bfloat16", workload, "S", "256")
    assert found.get("fault", "") == ""
