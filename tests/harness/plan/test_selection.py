"""What was typed becomes cells, or one sentence with the nearest valid names."""

from dataclasses import replace
from typing import Any

import pytest

from bench.catalogue import Catalogue, FrameworkOffer, ModeOffer, WorkloadOffer
from harness.errors import SelectionError
from harness.host import processors
from harness.plan import selection
from harness.plan.profiles import PROFILES
from harness.plan.request import parsed


def offer() -> Catalogue:
    def framework(name: str, *modes: str, hello: str = "") -> FrameworkOffer:
        offers = tuple(ModeOffer(name=mode, sentence="") for mode in modes)
        return FrameworkOffer(name=name, title=name, modes=offers, baseline=modes[0], hello=hello)

    return Catalogue(
        frameworks=(
            framework("torch", "eager", "compile", hello="import torch"),
            framework("jax", "op-by-op", "jit"),
        ),
        workloads=(WorkloadOffer(name="regression", sentence="", sizes=("base",), optimizers=("adam", "sgd")),),
    )


def chosen(profile: str = "quick", **requested: Any) -> list[tuple[str, str, str]]:
    cells = selection.cells(offer(), parsed(**requested).selection, PROFILES[profile], "cpu")
    return [(cell.framework, cell.mode, cell.optimizer) for cell in cells]


def test_nothing_named_is_everything_of_the_profile() -> None:
    assert chosen() == [
        ("torch", "eager", "adam"),
        ("torch", "compile", "adam"),
        ("torch", "hello", "adam"),
        ("jax", "op-by-op", "adam"),
        ("jax", "jit", "adam"),
    ]
    assert len(chosen("default")) == 9  # SGD too, but the hello world is run once


def test_names_are_separated_by_commas() -> None:
    assert chosen(framework="jax, torch", mode="jit,compile") == [
        ("torch", "compile", "adam"),
        ("jax", "jit", "adam"),
    ]


def test_the_hello_world_is_a_mode_of_the_idiomatic_track() -> None:
    (cell,) = selection.cells(offer(), parsed(mode="hello").selection, PROFILES["quick"], "cpu")
    assert (cell.framework, cell.track) == ("torch", "idiomatic")


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"framework": "torhc"}, "no framework 'torhc'. Did you mean torch?.* Valid: torch, jax."),
        ({"workload": "regresion"}, "no workload 'regresion'. Did you mean regression?"),
        ({"mode": "compiled"}, "no mode 'compiled'. Did you mean compile?"),
        ({"optimizer": "adan"}, "no optimizer 'adan'. Did you mean adam?"),
        ({"precision": "bf16"}, "no precision 'bf16'. Did you mean bfloat16?.* Valid: float32, tf32, bfloat16."),
        ({"framework": ","}, "names nothing"),
        ({"framework": "jax", "mode": "compile"}, "The selection is empty: no cell has framework jax; mode compile."),
        ({"framework": "jax", "mode": "hello"}, "The selection is empty"),
    ],
)
def test_what_is_unknown_or_empty_is_one_sentence(requested: dict[str, str], message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        chosen(**requested)


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(SelectionError, match=r"no profile 'quik'. Did you mean quick\?"):
        selection.profile("quik")


@pytest.mark.parametrize(
    "typed",
    ["", "a", "0-", "-1", "0-x", "9999", "1-", "3-1", "0x1", "1,,2", "٣", "1 2", "1.0", "9" * 5000, "x" * 5000],
    ids=lambda typed: typed[:5],
)
def test_a_cpu_set_that_is_none_or_not_here_is_refused(typed: str) -> None:
    with pytest.raises(SelectionError):
        processors.cpu_set(typed)


def test_a_huge_cpu_set_is_not_counted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    with pytest.raises(SelectionError, match=r"CPU 2 cannot be used here; usable: 0, 1\."):
        processors.cpu_set("0-999999999999")
    assert processors.cpu_set("0,0-1, 1") == (0, 1)


def test_a_cpu_set_is_a_list_of_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert processors.cpu_set("1-3,6,2") == (1, 2, 3, 6)


def ladder() -> Catalogue:
    """The offer, with a workload in a ladder of sizes beside the regression, and modes that are not on it."""
    rungs = WorkloadOffer(
        name="mlp", sentence="", sizes=("tiny", "S", "M", "L"), optimizers=("adam", "sgd"),
        sizes_on_cpu=("S", "M"), sizes_on_cuda=("M", "L"),
    )  # fmt: skip
    (torch, *others) = offer().frameworks
    eager, compiled = torch.modes
    torch = replace(torch, modes=(eager, replace(compiled, on_ladders=False)))
    return replace(offer(), frameworks=(torch, *others), workloads=(*offer().workloads, rungs))


def rungs(device: str = "cpu", **requested: Any) -> list[tuple[str, ...]]:
    cells = selection.cells(ladder(), parsed(**requested).selection, PROFILES["quick"], device)
    return [(cell.framework, cell.mode, cell.workload, cell.size) for cell in cells]


def test_a_ladder_runs_when_it_is_named_in_its_own_modes_and_the_sizes_of_the_device() -> None:
    assert {workload for _, _, workload, _ in rungs()} == {"regression"}
    assert rungs(workload="mlp", framework="torch") == [("torch", "eager", "mlp", "S"), ("torch", "eager", "mlp", "M")]
    assert {size for *_, size in rungs("cuda", workload="mlp")} == {"M", "L"}
    assert rungs(workload="mlp", framework="torch", mode="compile", size="tiny") == [
        ("torch", "compile", "mlp", "tiny")
    ]


def test_precisions_are_axes_of_a_cell_and_the_hello_world_has_one() -> None:
    def precisions(**requested: Any) -> list[tuple[str, str]]:
        cells = selection.cells(offer(), parsed(framework="torch", **requested).selection, PROFILES["quick"], "cpu")
        return [(cell.mode, cell.precision) for cell in cells]

    assert set(precisions()) == {("eager", "float32"), ("compile", "float32"), ("hello", "float32")}
    assert precisions(precision="bfloat16,tf32", mode="eager") == [("eager", "bfloat16"), ("eager", "tf32")]
    assert "hello" not in dict(precisions(precision="bfloat16"))


def test_a_size_that_does_not_exist_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(SelectionError, match=r"There is no size 'XXL'\. .*Valid: .*tiny, S, M, L"):
        rungs(workload="mlp", size="XXL")
    with pytest.raises(SelectionError, match="no cell has workload regression; size S"):
        rungs(workload="regression", size="S")
