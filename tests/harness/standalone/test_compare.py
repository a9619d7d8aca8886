"""The stand-alone scripts are an outsider's, and the table of ratios says what was paired and what is far off."""

import ast
import dataclasses
from pathlib import Path

import pytest

from bench.catalogue import catalogue
from harness.errors import SetupError
from harness.standalone.compare import ScriptRatio, main, table
from harness.standalone.scripts import SCRIPTS, script_of
from tests import factories

OFFERS = {offer.name: offer for offer in catalogue().frameworks}
FILES = sorted(path for path in SCRIPTS.rglob("*.py") if path.stem != "__init__")


def pair(mode: str, ratio: float | None, block: int = 1, us: float = 20.0, reason: str = "") -> ScriptRatio:
    return ScriptRatio(
        cell=factories.cell(framework="jax", mode=mode),
        block=block,
        samestep_ns=ratio and ratio * us * 1e3,
        script_ns=us * 1e3,
        ratio=ratio,
        reason=reason,
    )


def test_every_script_is_of_a_framework() -> None:
    """A framework may have none: `make standalone` leaves it out."""
    names = {path.stem for path in FILES if path.parent == SCRIPTS and not path.stem.startswith("_")}
    assert {"numpy", "torch", "jax", "tensorflow"} <= names <= set(OFFERS)


def test_a_selection_without_a_script_is_refused_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--workload", "pointwise", "--framework", "numpy,torch", "--blocks", "1"]) == SetupError.exit_code
    assert "has a program in harness/standalone/programs" in capsys.readouterr().err


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_a_script_uses_nothing_of_samestep(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    ours = {name for name in imported if name.partition(".")[0] in ("bench", "harness", "tests")}
    assert ours <= {"harness.standalone.programs", "harness.standalone.programs._keras"}


def test_ratios_are_averaged_over_blocks() -> None:
    # blocks ten times apart in time, but always 5 % dearer than the script beside it
    lines, far = table([pair("jit", 1.05, 1, 20.0), pair("jit", 1.05, 2, 200.0), pair("jit", 1.05, 3, 2.0)])

    assert lines[-1] == "| jax | jit | 21 | 20 | 1.050 | 1.050 to 1.050 |"
    assert far == []


def test_what_is_farther_than_a_tenth_is_named() -> None:
    _, far = table([pair("jit", 1.15), pair("scan", 1 / 1.2), pair("jit-donate", 1.095)])

    assert far == ["jax jit: 1.150", "jax scan: 0.833"]


def test_a_batch_has_a_column_and_is_named() -> None:
    slow = [dataclasses.replace(pair("jit", 1.2), cell=factories.cell(framework="jax", mode="jit", batch=256))]
    lines, far = table(slow)

    assert lines[0].startswith("| framework | mode | batch | samestep, µs |")
    assert lines[-1].startswith("| jax | jit | 256 | 24 | 20 | 1.200 |")
    assert far == ["jax jit at batch 256: 1.200"]


def test_engines_have_a_script_of_their_inference_that_all_of_their_modes_share() -> None:
    engines = {name for name, offer in OFFERS.items() if all(mode.source for mode in offer.modes)}
    folder = SCRIPTS / "mlp" / "inference"
    names = {path.stem for path in folder.glob("[a-z]*")}
    asked = {name: factories.cell(framework=name, mode="from-jax", workload="mlp", batch=1) for name in engines}
    assert {name for name, cell in asked.items() if script_of(cell)} == names == engines - {"toy"}
    assert script_of(asked["tract"]) == folder / "tract.py"
    assert script_of(asked["onnxruntime_web"]) == folder / "onnxruntime_web.mjs"
    assert script_of(dataclasses.replace(asked["tract"], workload="convnet")) is None


def test_a_mode_without_a_ratio_says_why() -> None:
    lines, far = table([pair("jit", None, 1, reason="needs a GPU"), pair("jit", None, 2)])

    assert lines[-1] == "| jax | jit | | | | needs a GPU |"
    assert far == []
