"""What is pure of exporting: who exports for whom, and the sentence when it fails."""

import ast
from pathlib import Path

from bench.catalogue import catalogue
from bench.exports import onnx
from bench.exports.onnx import ExportError

FOLDER = Path(onnx.__file__).parent
SOURCES = {mode.name: mode.source for offer in catalogue().frameworks for mode in offer.modes if mode.source}


def test_every_framework_whose_model_is_run_has_an_exporter_and_no_exporter_is_left_over() -> None:
    assert SOURCES == {"from-torch": "torch", "from-keras": "keras_tensorflow", "from-jax": "jax"}
    assert {path.stem for path in FOLDER.glob("[a-z]*.py")} - {"describe"} == set(SOURCES.values())


def test_every_exporter_gives_a_forward_pass_for_the_regression() -> None:
    for name in SOURCES.values():
        tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
        (forward,) = (
            node.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "FORWARD"
        )
        assert isinstance(forward, ast.Dict)
        assert [ast.literal_eval(key) for key in forward.keys if key] == ["regression"]


def test_an_export_that_fails_says_what_by_whom_and_for_which_onnx_on_one_line() -> None:
    error = ExportError("PyTorch", "prims.bessel_j0", "No ONNX function found.\n  Failure message: none")

    assert str(error) == (
        "PyTorch cannot export the operator prims.bessel_j0 to ONNX (IR version 10, opset 18): "
        "No ONNX function found. Failure message: none"
    )


def test_an_export_that_fails_for_no_operator_says_so_of_the_model() -> None:
    assert str(ExportError("JAX", "", "no")) == "JAX cannot export the model to ONNX (IR version 10, opset 18): no"
