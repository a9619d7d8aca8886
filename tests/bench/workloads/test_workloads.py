"""Every workload's file keeps its promises, one that is added too, and what is forgotten is one sentence."""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.reference.inputs import Resident
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA, Workload
from bench.workloads import NEEDED, WORKLOADS, WorkloadError, load, make
from harness.environments.checkout import ROOT
from tests.copies import run
from tests.toy import workload as toy

H = 1e-6  # the error of a central difference is of the order h², that of rounding 1e-16 / h
RNG = np.random.default_rng(7)


def smallest(name: str) -> str:
    return str(next(iter(load(name).SIZES)))


@pytest.mark.parametrize(
    ("name", "optimizer"), [(name, which) for name in WORKLOADS for which in load(name).OPTIMIZERS]
)
def test_what_a_workload_makes_is_what_every_framework_is_promised(name: str, optimizer: str) -> None:
    made = make(name, size=smallest(name), optimizer=optimizer)
    if not made.trains:
        assert made.predict
        at = {parameter: array.astype(np.float64) for parameter, array in made.parameters.items()}
        assert np.all(np.isfinite(made.predict(at, {"x": made.batch.x.astype(np.float64)})))
        return
    losses = reference(made, made.formula(KINGMA_BA), steps=3).losses
    assert losses[2] < losses[0]


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_gradient_of_a_workload_is_the_difference_quotient_in_random_directions(name: str) -> None:
    made = make(name, size=smallest(name), optimizer="adam")
    at = {parameter: array.astype(np.float64) for parameter, array in made.parameters.items()}
    _, gradient = made.slope(at, made.batch.by_name())
    for _ in range(5):
        way = {parameter: RNG.standard_normal(array.shape) for parameter, array in at.items()}
        up, down = (
            made.slope({parameter: at[parameter] + h * way[parameter] for parameter in at}, made.batch.by_name())[0]
            for h in (H, -H)
        )
        slope = sum(float(np.sum(gradient[parameter] * way[parameter])) for parameter in at)
        assert (up - down) / (2 * H) == pytest.approx(slope, rel=1e-6)


def test_the_common_ground_is_run_by_everybody_and_stands_first() -> None:
    assert WORKLOADS[0] == "regression"
    assert list(WORKLOADS[1:]) == sorted(WORKLOADS[1:])
    assert [name for name in WORKLOADS if not load(name).ON_CPU] == ["regression"]


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The toy's file as bench/workloads/logistic.py, a fresh module to be spoiled."""
    module = ModuleType("bench.workloads.logistic")
    vars(module).update({name: value for name, value in vars(toy).items() if not name.startswith("__")})
    module.__doc__ = toy.__doc__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_the_toy_keeps_them(added: ModuleType) -> None:
    assert make("logistic", size="tiny", optimizer="sgd").name == "logistic"


@pytest.mark.parametrize("needed", NEEDED)
def test_what_a_file_lacks_is_named_with_its_meaning(added: ModuleType, needed: str) -> None:
    delattr(added, needed)
    sentence = f"bench/workloads/logistic.py has no {needed}: {NEEDED[needed]}."
    with pytest.raises(WorkloadError, match=re.escape(sentence)):
        load("logistic")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"__doc__": None}, "opens with no docstring"),
        ({"ON_CPU": ("S", "XL")}, "has 'XL' in ON_CPU, which is none of its SIZES"),
        ({"ON_CUDA": ()}, "names sizes in one of ON_CPU and ON_CUDA only"),
        ({"work": lambda size: (1, 2, 3)}, "returns no Work from work('tiny')"),
    ],
)
def test_what_a_file_contradicts_is_said(added: ModuleType, changes: dict[str, Any], sentence: str) -> None:
    vars(added).update(changes)
    with pytest.raises(WorkloadError, match=re.escape(f"bench/workloads/logistic.py {sentence}")):
        load("logistic")


def renamed(made: Workload) -> Workload:
    return replace(made, name="mlp")


def without_inputs(made: Workload) -> Workload:
    return replace(made, inputs=made.batch.by_name())  # type: ignore[arg-type]  # what a file might give


def with_doubles(made: Workload) -> Workload:
    return replace(made, inputs=Resident(x=made.batch.x.astype(np.float64), y=made.batch.y))


def with_long_labels(made: Workload) -> Workload:
    return replace(made, inputs=Resident(x=made.batch.x, y=made.batch.y.astype(np.int64)))


def untrained(made: Workload) -> Workload:
    return replace(made, update=None)


def writeable(made: Workload) -> Workload:
    return replace(made, parameters={**made.parameters, "bias": made.parameters["bias"].copy()})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (renamed, "calls itself mlp tiny"),
        (without_inputs, "has the inputs dict, and not Resident(x=…, y=…)"),
        (with_doubles, "has the input x in float64, and not in float32: `frozen` casts it"),
        (with_long_labels, "has the input y in int64, and not in float32 or int32"),
        (untrained, "is a forward pass without `predict`"),
        (writeable, "has the parameter bias writeable or not C-contiguous"),
    ],
)
def test_what_is_made_otherwise_is_said(
    added: ModuleType, spoil: Callable[[Workload], Workload], sentence: str
) -> None:
    vars(added)["make"] = lambda size, optimizer: spoil(toy.make(size, optimizer))
    with pytest.raises(WorkloadError, match=re.escape(f"what make('tiny', 'adam') returns {sentence}")):
        make("logistic", size="tiny", optimizer="adam")


def test_shapes_that_do_not_fit_each_other_are_named() -> None:
    made = toy.make("tiny", "adam")
    wide = replace(made, parameters={**made.parameters, "weight": np.zeros((9, 3), np.float32)})
    with pytest.raises(ValueError, match=r"of logistic cannot compute with x \(64, 8\), .*weight \(9, 3\)") as raised:
        wide.gradient()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("gradient", "found"),
    [({"weight": np.zeros((8, 3)), "bias": np.zeros(1)}, r"\(1,\)"), ({"weight": np.zeros((8, 3))}, "none")],
)
def test_a_gradient_of_another_shape_does_not_pass_unseen(gradient: dict[str, Any], found: str) -> None:
    wrong = replace(toy.make("tiny", "adam"), loss_and_gradient=lambda parameters, inputs: (0.0, gradient))
    for compute in (wrong.gradient, lambda: reference(wrong, KINGMA_BA)):
        with pytest.raises(ValueError, match=rf"of logistic gives bias \(3,\) the gradient {found}"):
            compute()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what `list` and `plan` need, with the toy's file added as docs/adding.md says."""
    root = tmp_path_factory.mktemp("adding") / "samestep"
    for folder in ("bench", "harness"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "tests" / "toy" / "workload.py", root / "bench" / "workloads" / "logistic.py")
    return root


def test_one_file_is_enough_to_be_listed_and_planned(checkout: Path) -> None:
    listed = run(checkout, "-m", "harness", "list")
    assert "workload logistic: Logistic: logistic regression with three classes" in listed

    planned = run(
        checkout, "-m", "harness", "plan", "--workload", "logistic", "--framework", "jax,torch", "--mode", "jit,eager",
        "--launcher", "here", "--profile", "quick",
    )  # fmt: skip

    assert planned.startswith("2 cells × 1 block + 2 turns for limits + 2 turns for memory = 6 replicates")
    assert "jax jit logistic S adam" in planned
    assert "logistic" not in run(checkout, "-m", "harness", "plan", "--launcher", "here", "--framework", "torch")


def test_a_command_says_what_a_file_lacks_in_one_line(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "copy")
    file = tmp_path / "copy" / "bench" / "workloads" / "logistic.py"
    file.write_text(file.read_text().replace('ON_CPU: Final = ("S",)\n', ""))

    printed = run(tmp_path / "copy", "-m", "harness", "list", code=1)

    assert printed == f"samestep: bench/workloads/logistic.py has no ON_CPU: {NEEDED['ON_CPU']}.\n"


def test_the_page_names_all_that_a_file_needs_and_only_files_that_are_there() -> None:
    section = (
        (ROOT / "docs" / "adding.md")
        .read_text(encoding="utf-8")
        .partition("## Add a workload\n")[2]
        .partition("\n## ")[0]
    )
    assert {name for name in NEEDED if f"`{name}" not in section} == set()
    files = re.findall(r"`([\w/]+\.py)`", section)
    assert {"bench/workloads/mlp.py", "tests/toy/workload.py"} <= set(files)
    folders = (ROOT, ROOT / "bench" / "frameworks")
    assert [name for name in files if not any((folder / name).is_file() for folder in folders)] == []


def test_the_gradient_alone_has_a_reference_at_some_larger_sizes_but_not_where_numpy_would_take_minutes() -> None:
    def judged(name: str, size: str) -> tuple[bool, bool]:
        of = replace(toy.make("tiny", "adam"), work=load(name).work(size), steps=20)
        return of.has_reference, of.has_reference_gradient

    assert judged("convnet", "S") == (True, True)
    assert judged("convnet", "M") == judged("mlp", "L") == (False, True)
    assert judged("pointwise", "XL") == judged("transformer", "L") == (False, False)
