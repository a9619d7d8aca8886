"""The variants of a request: their cells and companions, what they are called, and who cannot have any."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import catalogue
from bench.records.record import Cell
from harness.environments import variants as environments
from harness.environments.variants import Resolved, Variant
from harness.errors import SelectionError
from harness.plan import models, selection, variants
from harness.plan.planner import Planned, planned_run
from harness.plan.profiles import PROFILES
from harness.plan.request import parsed

OFFERS = catalogue().frameworks


def planned(launchers: str = "venv", **requested: Any) -> Planned:
    return planned_run(parsed(**requested), launchers=launchers, blocks=None, say=lambda line: None)


def ids(cells: tuple[Cell, ...], track: str) -> list[str]:
    return [cell.framework_id for cell in cells if cell.track == track]


def test_each_variant_has_the_cells_of_its_framework_hello_worlds_included() -> None:
    asked = parsed(framework="jax@0.9.2,numpy,jax", mode="jit,eager,hello").selection
    cells = selection.cells(catalogue(), asked, PROFILES["quick"], "cpu")

    assert ids(cells, "identical") == ["jax", "jax@0.9.2", "numpy"]
    assert ids(cells, "idiomatic") == ["jax", "jax@0.9.2"]
    plain = [cell for cell in cells if cell.framework_id == "jax"]
    assert [dataclasses.replace(cell, variant="") for cell in cells if cell.variant] == plain


def test_without_a_variant_nothing_has_one() -> None:
    assert all(cell.variant == "" for cell in planned(profile="look").plan.cells)


def test_the_companions_of_a_variant_run_in_it() -> None:
    cells = planned(framework="jax@0.9.2,jax@0.10.1", mode="op-by-op,jit", profile="default").plan.cells

    assert ids(cells, "memory") == ["jax@0.9.2"] * 4 + ["jax@0.10.1"] * 4  # two modes with two optimizers
    assert ids(cells, "twin") == ids(cells, "limits") == ids(cells, "sentinel") == ["jax@0.9.2"]


def test_the_first_look_measures_the_memory_of_each_variant_once() -> None:
    cells = planned(framework="numpy,numpy@2.3.4", profile="look").plan.cells
    assert ids(cells, "memory") == ["numpy", "numpy@2.3.4"]


def test_what_is_typed_becomes_the_names_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """No path gets into records or run.json, and what is the same environment is one."""

    def digested(spec: str, root: Path, device: str) -> Variant:
        framework, _, items = spec.partition("@")
        name = "2.13.0.0123abcd" if items.endswith(".whl") else items
        return Variant(framework=framework, name=name, wheels=(Path(items),))

    monkeypatch.setattr(environments, "parsed", digested)
    typed = parsed(framework="torch@/home/me/x.whl,keras-jax@3.14,torch@/tmp/y.whl,torch", mode="eager")

    named, found = variants.named(typed, OFFERS, "cpu")

    assert named.options == ("framework=torch@2.13.0.0123abcd,keras_jax@3.14,torch", "mode=eager")
    assert [variant.framework_id for variant in found] == ["torch@2.13.0.0123abcd", "keras_jax@3.14"]
    assert found[0].wheels == (Path("/home/me/x.whl"),)


@pytest.mark.parametrize(
    ("framework", "sentence"),
    [
        ("jaxx@0.9", r"There is no framework 'jaxx'\. Did you mean jax"),
        ("torchscript@2.9", r"torchscript@2\.9: torchscript runs in the environment of torch and has no variants of"),
        ("jax-export@0.9", r"jax-export@0\.9: jax_export runs in the environment of jax and has no variants of"),
        ("theano@1.0", r"theano@1\.0: theano computes in a guest, whose packages for node or an older Python"),
        ("tfjs@4.0", r"tfjs@4\.0: tfjs computes in a guest"),
    ],
)
def test_who_has_no_variants_says_so_in_a_sentence(framework: str, sentence: str) -> None:
    with pytest.raises(SelectionError, match=f"^{sentence}"):
        planned(framework=framework)


@pytest.mark.parametrize("launchers", ["here", "workers", "venv,here"])
def test_a_launcher_without_an_environment_for_each_refuses(launchers: str) -> None:
    with pytest.raises(SelectionError, match=r"so it has no variants: use --launcher docker or venv\.$"):
        planned(launchers, framework="numpy@2.3.4")
    assert planned(launchers, framework="numpy").variants == ()


def test_a_fleet_refuses() -> None:
    with pytest.raises(SelectionError, match="a fleet knows the locked environments alone"):
        planned_run(parsed(framework="numpy@2.3.4"), launchers="venv", blocks=1, say=print, elsewhere=True)


def test_what_was_named_and_is_not_there_is_looked_for_by_variant() -> None:
    assert planned(framework="jax@0.9.2,numpy", mode="jit,eager").left_out == ""
    said = planned(framework="jax@0.9.2,jax,numpy", mode="jit").left_out
    assert said == "Left out, named but not there: framework numpy."


def test_only_the_environments_that_run_are_made_and_an_export_is_from_the_locked_one() -> None:
    cells = planned(framework="jax@0.9.2,onnxruntime@1.22.0", mode="jit,from-torch", batch="1").plan.cells
    assert set(models.started(OFFERS, cells)) == {"jax@0.9.2", "onnxruntime@1.22.0", "torch"}
    engine, *_ = [cell for cell in cells if cell.framework == "onnxruntime" and cell.track == "identical"]
    export = models.export_of(OFFERS, engine)
    assert export is not None
    assert export.framework_id == "torch"
    assert export == models.export_of(OFFERS, dataclasses.replace(engine, variant="1.21.0"))


def test_each_is_resolved_into_the_folder_and_what_differs_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {"0.9.2": ("jax 0.10.2 -> 0.9.2", "jaxlib 0.10.2 -> 0.9.2"), "0.10.2": ()}

    def resolve(variant: Variant, root: Path, device: str, folder: Path) -> Resolved:
        assert (device, folder) == ("cpu", tmp_path)
        return Resolved(
            framework="jax", name=variant.name, python="3.11", lock="a", sha256="0", changed=changed[variant.name]
        )

    monkeypatch.setattr(environments, "resolve", resolve)
    said: list[str] = []
    wanted = [Variant(framework="jax", name=name) for name in changed]

    found = variants.resolved(wanted, "cpu", tmp_path, said.append)

    assert [one.name for one in found] == ["0.9.2", "0.10.2"]
    assert said == [
        "jax@0.9.2: jax 0.10.2 -> 0.9.2, jaxlib 0.10.2 -> 0.9.2; the rest as locked",
        "jax@0.10.2: nothing differs from the lock",
    ]
