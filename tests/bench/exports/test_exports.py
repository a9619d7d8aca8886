"""What is pure of exporting: who exports for whom, and the sentence when it fails."""

import ast
from pathlib import Path

import pytest

from bench import exports
from bench.catalogue import catalogue
from bench.exports.onnx import ExportError

FOLDER = Path(exports.__file__).parent
SOURCES = sorted(
    {(mode.source, mode.format) for offer in catalogue().frameworks for mode in offer.modes if mode.source}
)


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("framework", "format_"), SOURCES)
def test_what_an_engine_runs_has_an_exporter_and_a_description(framework: str, format_: str) -> None:
    assert "export" in functions(FOLDER / format_ / f"{framework}.py")
    assert "describe" in functions(FOLDER / format_ / "describe.py")


def test_no_exporter_is_left_over() -> None:
    exporters = {path for path in FOLDER.glob("*/[a-z]*.py") if "export" in functions(path)}
    assert {(path.stem, path.parent.name) for path in exporters} == set(SOURCES)


def test_an_export_that_fails_says_what_by_whom_and_for_which_onnx_on_one_line() -> None:
    error = ExportError("PyTorch", "prims.bessel_j0", "No ONNX function found.\n  Failure message: none")

    assert str(error) == (
        "PyTorch cannot export the operator prims.bessel_j0 to ONNX (IR version 10, opset 18): "
        "No ONNX function found. Failure message: none"
    )


def test_an_export_that_fails_for_no_operator_says_so_of_the_model() -> None:
    assert str(ExportError("JAX", "", "no")) == "JAX cannot export the model to ONNX (IR version 10, opset 18): no"
