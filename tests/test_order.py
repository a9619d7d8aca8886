"""Who may import whom: harness → bench, never back; the host loads no framework; a record needs only Python."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORK_LIBRARIES = {"torch", "tensorflow", "keras", "jax", "flax", "fastai", "fastcore", "lightning", "onnxruntime"}
EXPORTERS = {"onnx", "onnxscript", "tf2onnx", "jax2onnx"}
# Read by the harness and by workers that idle: no NumPy, no pytest.
STDLIB_ONLY = (
    "records.record", "records.observation", "turns.turn", "turns.supervise", "turns.channel", "turns.worker", "lines",
    "turns.prepare", "turns.environment",
)  # fmt: skip


def imports(path: Path) -> Iterator[str]:
    """The full names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("path", files("bench"), ids=str)
def test_bench_knows_nothing_of_the_host(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path)}
    assert not tops & {"harness", "pandas", "docker", "rich", "typer", "pyarrow", "matplotlib", "tests"}
    if not {"frameworks", "hello", "onnx"} & set(path.parts):
        assert not tops & FRAMEWORK_LIBRARIES
    if path.parent.name != "onnx":
        assert not tops & EXPORTERS, "a timed process loads no exporter"


@pytest.mark.parametrize("path", files("harness"), ids=str)
def test_the_host_loads_no_framework(path: Path) -> None:
    names = set(imports(path))
    if "programs" not in path.parts:  # the scripts without samestep
        assert not {name.partition(".")[0] for name in names} & FRAMEWORK_LIBRARIES
    assert {name for name in names if name.startswith("bench.frameworks")} <= {"bench.frameworks.FRAMEWORKS"}
    assert not {name for name in names if name.startswith(("bench.protocol.replicate", "bench.hello"))}


@pytest.mark.parametrize("module", STDLIB_ONLY)
def test_what_both_sides_share_needs_only_the_standard_library(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports(ROOT / "bench" / f"{module.replace('.', '/')}.py")}
    assert tops <= {*sys.stdlib_module_names, "bench"}


def test_a_process_is_prepared_before_numpy_is_loaded() -> None:
    """Its BLAS takes the number of threads from the variables and the CPU set of that moment."""
    modules = "bench.__main__, bench.catalogue, bench.protocol.repeats, bench.turns.prepare, bench.turns.worker"
    code = f"import sys, {modules}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Late imports count: one that is there to break a circle says that two modules should be three."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in [*files("bench"), *files("harness")]
    }
    graph = {}
    for module, path in paths.items():
        names = set(imports(path))
        graph[module] = (names | {name.rpartition(".")[0] for name in names}) & set(paths)
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
