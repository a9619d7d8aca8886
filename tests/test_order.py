"""Who may import whom: harness → bench, never back; down the floors; no circle; the host loads no framework."""

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORK_LIBRARIES = {
    "torch", "tensorflow", "keras", "jax", "flax", "fastai", "fastcore", "lightning", "onnxruntime", "openvino",
    "ai_edge_litert", "tract", "iree", "grain", "webdataset",
}  # fmt: skip
EXPORTERS = {"onnx", "onnxscript", "tf2onnx", "jax2onnx"}
# Read by the harness and by workers that idle: no NumPy, no pytest.
STDLIB_ONLY = (
    "records.record", "records.observation", "records.streaming", "records.schema", "records.codec", "records.text",
    "records.parallel",
    "turns.turn",
    "turns.supervise", "turns.channel", "turns.worker", "turns.members", "turns.watch", "turns.kept", "turns.parking",
    "turns.prepare", "turns.environment", "turns.variables", "turns.loaded", "turns.reason", "turns.killed", "lines",
)  # fmt: skip
# Each floor of the harness may import those below it. The packages of one floor do not import each other.
FLOORS = (
    ("__main__", "entry"),
    ("cli",),
    ("fleet", "rerun", "bisect"),
    ("commands", "session", "peers"),
    ("publish",),
    ("selftest", "standalone", "compare", "doctor", "loops"),
    ("run", "report"),
    ("validity", "samplers"),
    ("store",),
    ("plan",),
    ("launchers",),
    ("environments", "stats", "host", "hello"),
    ("terminal",),
    ("errors", "format", "strict"),
)
FLOOR_OF = {package: number for number, floor in enumerate(FLOORS) for package in floor}


def imports(source: str) -> Iterator[str]:
    """The full names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def module_of(path: Path) -> str:
    """The name by which others import a file: a package's own file has the package's."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, str]:
    return {module_of(path): path.read_text(encoding="utf-8") for path in [*files("bench"), *files("harness")]}


def imports_of_ours(modules: Mapping[str, str]) -> dict[str, set[str]]:
    """For each module the modules of ours that it imports: a name of a module counts as that module."""
    graph = {}
    for module, source in modules.items():
        names = set(imports(source))
        graph[module] = {name if name in modules else name.rpartition(".")[0] for name in names} & set(modules)
    return graph


def package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def breaches(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Imports that do not go down the floors."""
    return [
        f"{module} (floor {FLOOR_OF[ours]}) imports {name} (floor {FLOOR_OF[theirs]})"
        for module, names in graph.items()
        if (ours := package_of(module)) in FLOOR_OF and module.startswith("harness.")
        for name in names
        if name.startswith("harness.") and (theirs := package_of(name)) != ours and FLOOR_OF[theirs] <= FLOOR_OF[ours]
    ]


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_every_package_of_the_harness_has_a_floor() -> None:
    packages = {package_of(module) for module in sources() if module.startswith("harness.")}
    assert packages == set(FLOOR_OF)


def test_the_root_of_the_harness_has_ten_files_at_most() -> None:
    assert len(list((ROOT / "harness").glob("*.py"))) <= 10


def test_imports_go_down_the_floors() -> None:
    assert breaches(imports_of_ours(sources())) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Late imports count: one that is there to break a circle says that two modules should be three."""
    assert circle(imports_of_ours(sources())) == []


def test_no_package_imports_itself_by_way_of_others() -> None:
    def room(module: str) -> str:
        return ".".join(module.split(".")[:2]) if module.startswith("harness.") else module.split(".")[0]

    rooms: dict[str, set[str]] = {}
    for module, names in imports_of_ours(sources()).items():
        rooms.setdefault(room(module), set()).update(room(name) for name in names if room(name) != room(module))
    assert circle(rooms) == []


@pytest.mark.parametrize(
    ("module", "planted", "seen"),
    [
        ("harness.stats.estimate", "from harness.store import facts", "harness.stats.estimate (floor 11) imports"),
        (
            "harness.report.write",
            "def f():\n    from harness.run import loop",
            "harness.report.write (floor 6) imports",
        ),
        ("harness.store.facts", "import harness.cli", "harness.store.facts (floor 8) imports harness.cli (floor 1)"),
        ("harness.host.nvidia", "from harness.stats.flags import FLAGS", "imports harness.stats.flags (floor 11)"),
        ("harness.plan", "from harness.report.write import write", "harness.plan (floor 9) imports"),
    ],
)
def test_a_planted_import_up_or_sideways_is_noticed(module: str, planted: str, seen: str) -> None:
    modules = sources()
    modules[module] += f"\n{planted}\n"
    (breach,) = breaches(imports_of_ours(modules))
    assert seen in breach


def test_a_planted_circle_is_noticed() -> None:
    modules = sources()
    modules["harness.stats.spread"] += "\nfrom harness.stats.flags import FLAGS\n"
    assert {"harness.stats.spread", "harness.stats.flags"} <= set(circle(imports_of_ours(modules)))


@pytest.mark.parametrize("path", files("bench"), ids=str)
def test_bench_knows_nothing_of_the_host(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path.read_text(encoding="utf-8"))}
    of_its_environment = {"pyarrow"} if path == ROOT / "bench" / "streams" / "_parquet.py" else set()
    of_the_host = {"harness", "pandas", "docker", "rich", "typer", "pyarrow", "vl_convert", "tests"}
    assert not tops & of_the_host - of_its_environment
    if not {"frameworks", "hello", "exports", "streams", "parallel", "eras", "loops"} & set(path.parts):
        assert not tops & FRAMEWORK_LIBRARIES
    if "exports" not in path.parts:
        assert not tops & EXPORTERS, "a timed process loads no exporter"


@pytest.mark.parametrize("path", files("harness"), ids=str)
def test_the_host_loads_no_framework(path: Path) -> None:
    names = set(imports(path.read_text(encoding="utf-8")))
    if "programs" not in path.parts:  # the programs without samestep run in a framework's environment
        assert not {name.partition(".")[0] for name in names} & FRAMEWORK_LIBRARIES
    assert {name for name in names if name.startswith("bench.frameworks")} <= {"bench.frameworks.FRAMEWORKS"}
    assert not {name for name in names if name.startswith(("bench.protocol.replicate", "bench.hello"))}


@pytest.mark.parametrize("module", STDLIB_ONLY)
def test_what_both_sides_share_needs_only_the_standard_library(module: str) -> None:
    path = ROOT / "bench" / f"{module.replace('.', '/')}.py"
    tops = {name.partition(".")[0] for name in imports(path.read_text(encoding="utf-8"))}
    assert tops <= {*sys.stdlib_module_names, "bench"}


def test_a_process_is_prepared_before_numpy_is_loaded() -> None:
    """Its BLAS takes the number of threads from the variables and the CPU set of that moment."""
    modules = "bench.__main__, bench.catalogue, bench.protocol.repeats, bench.turns.prepare, bench.turns.worker"
    code = f"import sys, {modules}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_command_line_loads_nothing_heavy_before_a_command_runs() -> None:
    heavy = "{'numpy', 'scipy', 'pandas', 'pyarrow', 'vl_convert', 'rich', 'jinja2', 'docker'}"
    code = f"import sys, harness.cli; print(*({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert ended.stdout.split() == []


def test_every_room_that_the_pages_name_is_there() -> None:
    """`docs/where.md` and `docs/architecture.md` send a reader to files; at most two for each thing to change."""
    rows = []
    for page in ("where", "architecture"):
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        named = set(re.findall(r"`((?:bench|harness|tests|images|results|docs)/[\w/.-]*)`", text))
        assert named
        assert {path for path in named if not (ROOT / path).exists()} == set()
        rows += [line for line in text.splitlines() if page == "where" and line.startswith("| ") and "`" in line]
    assert len(rows) >= 7
    assert [row for row in rows if not 1 <= row.split("|")[2].count(".py`") <= 2] == []


def test_a_file_fits_a_few_screens_and_a_function_one() -> None:
    long = []
    for path in [*files("bench"), *files("harness")]:
        source = path.read_text(encoding="utf-8")
        most = 200 if path.parent.name == "frameworks" else 400
        long += [f"{path}: {count} lines"] if (count := len(source.splitlines())) > most else []
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                long.append(f"{path}: {node.name}")
    assert long == []


def test_the_readme_is_a_way_in() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120] == []
