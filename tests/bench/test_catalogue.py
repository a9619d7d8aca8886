"""What can be run is read from the framework files without importing them, and every file keeps its promises."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.catalogue import Catalogue, FrameworkError, catalogue, framework_offer
from bench.data import FORMATS
from bench.frameworks import FRAMEWORKS
from bench.interface import Framework
from bench.records import codec, record
from bench.workloads import WORKLOADS

BENCH = Path(record.__file__).parents[1]


def names(folder: str) -> set[str]:
    return {path.stem for path in (BENCH / folder).glob("[a-z]*.py")}


def test_the_lists_are_those_of_the_files() -> None:
    assert names("frameworks") == set(FRAMEWORKS) > {"numpy", "torch"}
    assert names("workloads") == set(WORKLOADS)
    assert names("hello") - {"data"} <= set(FRAMEWORKS)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_file_satisfies_the_interface(name: str) -> None:
    """Every member of the protocol is defined at the top of the file; its types are mypy's business."""
    tree = ast.parse((BENCH / "frameworks" / f"{name}.py").read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    shared = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    constants = {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
    wanted = {member for member in dir(Framework) if not member.startswith("_")} | set(Framework.__annotations__)
    assert wanted <= functions | constants | shared


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_offer_is_complete(name: str) -> None:
    offer = framework_offer(name)
    assert offer.modes
    assert all(mode.sentence for mode in offer.modes)
    modes = {mode.name for mode in offer.modes}
    assert {mode.baseline for mode in offer.modes} <= {"", *modes}
    assert {mode.source for mode in offer.modes} <= {"", *FRAMEWORKS}
    assert offer.title
    assert offer.sentence.startswith(f"{offer.title}: ")
    assert bool(offer.hello) == (offer.hello_lines > 0)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_form_is_of_a_workload(name: str) -> None:
    assert {workload for workload, form in framework_offer(name).forms if form} <= set(WORKLOADS)


def test_every_framework_with_a_transformer_states_the_form_of_its_attention() -> None:
    forms = {name: form for name in FRAMEWORKS for workload, form in framework_offer(name).forms}
    with_one = {
        "torch", "tensorflow", "jax", "flax", "lightning", "fastai", "keras_jax", "keras_tensorflow", "keras_torch",
    }  # fmt: skip
    assert with_one <= set(forms)
    assert not {"numpy", "onnxruntime"} & set(forms)
    assert forms["tensorflow"] == "attention of separate operations"


def test_the_command_prints_the_catalogue_and_loads_no_framework() -> None:
    code = (
        "import sys; from bench.__main__ import main; main(['cells']);"
        "print(sorted({'torch', 'tensorflow', 'jax', 'keras', 'fastai', 'pytest'} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=BENCH.parent
    ).stdout.splitlines()
    assert codec.decode(Catalogue, json.loads(printed[0])) == catalogue()
    assert printed[1] == "[]"


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_library_that_is_declared_has_its_probes(name: str) -> None:
    """By import or by definition, at the top of the file; a library's own name stands for it in tables."""
    library = framework_offer(name).limits
    text = (BENCH / "frameworks" / f"{name}.py").read_text(encoding="utf-8")
    assert bool(library) == ("probes = " in text or "probes() " in text or "memory, probes = " in text)
    assert not library or framework_offer(library).limits == library


def written(tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "frameworks").mkdir()
    head = ('"""Engine: runs models."""', 'MODES = {"from-torch": "a model"}', 'BASELINE = ""', "ENVIRONMENT = {}")
    (tmp_path / "frameworks" / "engine.py").write_text("\n".join((*head, *lines)) + "\n", encoding="utf-8")
    return tmp_path


def test_an_engine_says_whose_models_in_which_format_it_runs_and_in_whose_environment(tmp_path: Path) -> None:
    folder = written(tmp_path, 'SOURCES = {"from-torch": "torch/onnx"}', "TRAINS = False", 'PACKAGES = "torch"')
    offer = framework_offer("engine", folder)
    assert [(mode.source, mode.format) for mode in offer.modes] == [("torch", "onnx")]
    assert (offer.trains, offer.packages) == (False, "torch")


def test_a_source_without_a_format_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, 'SOURCES = {"from-torch": "torch"}')
    with pytest.raises(FrameworkError, match="from-torch has 'torch', and not a framework and a format such as"):
        framework_offer("engine", folder)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_pipelines_are_those_of_the_file_and_each_opens_with_a_format(name: str) -> None:
    path = BENCH / "streams" / f"{name}.py"
    pipelines = framework_offer(name).pipelines
    assert bool(pipelines) == path.exists()
    assert {each.format for each in pipelines} <= set(FORMATS)
    assert all(each.sentence for each in pipelines)


def test_a_pipeline_without_a_format_is_told(tmp_path: Path) -> None:
    for folder in ("frameworks", "streams"):
        (tmp_path / folder).mkdir()
    (tmp_path / "frameworks" / "new.py").write_text("MODES = {'a': 'b'}\nBASELINE = ''\nENVIRONMENT = {}\n")
    (tmp_path / "streams" / "new.py").write_text("PIPELINES = {'disk-0': 'one'}\n")
    with pytest.raises(FrameworkError, match="disk-0 opens with none of the formats memory, memmap, records"):
        framework_offer("new", tmp_path)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_strategies_are_those_of_the_file_and_each_has_a_plain_mode_beside_it(name: str) -> None:
    offer = framework_offer(name)
    assert bool(offer.strategies) == (BENCH / "parallel" / f"{name}.py").exists()
    assert {each.compared for each in offer.strategies} <= {mode.name for mode in offer.modes}
    assert all(each.sentence and each.devices for each in offer.strategies)


@pytest.mark.parametrize(
    ("literals", "said"),
    [
        ("COMPARED = {'x': 'other'}", "x is held beside 'other', which is none of MODES"),
        ("COMPARED = {'x': 'a'}\nPROCESSES = ('y',)", "PROCESSES or COMPARED has y, which is none of STRATEGIES"),
        ("COMPARED = {'x': 'a', 'z': 'a'}", "has z, which is none of STRATEGIES"),
    ],
)
def test_a_strategy_that_contradicts_the_modes_is_told(literals: str, said: str, tmp_path: Path) -> None:
    for folder in ("frameworks", "parallel"):
        (tmp_path / folder).mkdir()
    (tmp_path / "frameworks" / "new.py").write_text("MODES = {'a': 'b'}\nBASELINE = ''\nENVIRONMENT = {}\n")
    (tmp_path / "parallel" / "new.py").write_text(f"STRATEGIES = {{'x': 'one'}}\n{literals}\n")
    with pytest.raises(FrameworkError, match=said):
        framework_offer("new", tmp_path)
