"""Data-parallel cells: which are selected, on which processors they run, and what is refused with which numbers."""

from typing import Any

import pytest

from bench.catalogue import catalogue
from bench.records.record import Cell
from harness.errors import SelectionError
from harness.host import gpus
from harness.plan import companions, label, ranks
from harness.plan.profiles import PROFILES
from harness.plan.selection import Selection, cells
from tests import factories

QUICK = PROFILES["quick"]


def selected(**names: Any) -> tuple[Cell, ...]:
    return cells(catalogue(), Selection(framework=("torch",), **names), QUICK, "cpu")


def test_each_strategy_runs_at_each_number_of_ranks_and_its_plain_mode_once() -> None:
    found = selected(ranks=("1", "2"), mode=("ddp", "fsdp"), workload=("mlp",))
    assert [(cell.mode, cell.ranks, cell.scaling) for cell in found] == [
        ("eager", 0, ""),
        ("ddp", 1, "strong"),
        ("fsdp", 1, "strong"),
        ("ddp", 2, "strong"),
        ("fsdp", 2, "strong"),
        ("ddp", 2, "weak"),
        ("fsdp", 2, "weak"),
    ]
    assert {(cell.optimizer, cell.size, cell.track) for cell in found} == {("adam", "S", "identical")}
    assert len({cell.id for cell in found}) == len(found)


def test_the_workloads_are_those_whose_rows_can_be_drawn_anew() -> None:
    offer = catalogue()
    assert {cell.workload for cell in selected(ranks=("2",))} == {one.name for one in offer.workloads if one.infers}


def test_a_scaling_that_is_named_is_the_only_one() -> None:
    found = selected(ranks=("1", "2"), scaling=("weak",), mode=("ddp",), workload=("mlp",))
    assert [(cell.ranks, cell.scaling) for cell in found] == [(0, ""), (1, "strong"), (2, "weak")]


def test_look_runs_the_main_strategy_of_each_framework() -> None:
    found = cells(catalogue(), Selection(ranks=("2",), workload=("mlp",)), PROFILES["look"], "cpu")
    main = PROFILES["look"].parallel_modes
    assert {cell.framework for cell in found} == set(main)
    assert {(cell.framework, cell.mode) for cell in found if cell.ranks} == {
        (framework, mode) for framework, modes in main.items() for mode in modes
    }


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"scaling": ("weak",)}, "--scaling: only with --ranks"),
        ({"ranks": ("0",)}, "--ranks '0' is not a number of ranks from 1 to 1024"),
        ({"ranks": ("two",)}, "--ranks 'two' is not a number of ranks"),
        ({"ranks": ("2",), "batch": ("1",)}, "leave out --batch or --ranks"),
        ({"ranks": ("2",), "stream": ("1MB",)}, "leave out --stream or --ranks"),
        ({"ranks": ("2",), "optimizer": ("none",)}, "--ranks trains, --optimizer none does not"),
        ({"ranks": ("2",), "mode": ("eager",)}, "There is no mode 'eager'"),
        ({"ranks": ("2",), "scaling": ("medium",)}, "There is no scaling 'medium'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(names: dict[str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(SelectionError, match=said):
        selected(**names)


def test_each_rank_has_as_many_processors_as_a_plain_cell_whatever_the_ranks() -> None:
    cpus = (1, 2, 3, 4, 5)
    assert [ranks.cpus_of(count, cpus, 2) for count in (0, 1, 2)] == [(1, 2), (1, 2), (1, 2, 3, 4)]
    assert ranks.threads_of(cpus, 2) == 2
    assert (ranks.cpus_of(0, cpus, 0), ranks.threads_of(cpus, 0)) == (cpus, 5), "a run without ranks"


def test_all_processors_are_taken_where_all_but_one_core_are_too_few() -> None:
    assert ranks.cpu_set(None, 0, (900, 901)) == (901,)
    assert ranks.cpu_set(None, 2, (900, 901)) == (900, 901)
    with pytest.raises(SelectionError, match=r"^3 ranks need 3 processors, and this host gives 2: name fewer with"):
        ranks.cpu_set(None, 3, (900, 901))


def test_fewer_gpus_than_ranks_are_refused_with_both_numbers() -> None:
    count = gpus.count({"CUDA_VISIBLE_DEVICES": "0,3"}, in_container=False)
    assert (count, gpus.count({"SAMESTEP_GPU": "2"}, in_container=True)) == (2, 1)
    ranks.require_gpus(2, lambda: count)
    with pytest.raises(SelectionError, match="4 ranks need 4 GPUs, and a replicate sees 2"):
        ranks.require_gpus(4, lambda: count)


def test_of_data_parallel_steps_the_time_is_measured() -> None:
    cell = factories.cell(mode="ddp", ranks=2, scaling="strong")
    assert companions.measures((), PROFILES["default"], [cell]) == ("time",)
    with pytest.raises(SelectionError, match="--measure memory is of one process"):
        companions.measures(("time", "memory"), PROFILES["default"], [cell])


def test_the_name_of_a_cell_says_ranks_and_scaling() -> None:
    assert label.name(factories.cell(mode="ddp", ranks=1, scaling="strong")).endswith("adam, 1 rank")
    assert label.name(factories.cell(mode="ddp", ranks=2, scaling="weak")).endswith("adam, 2 ranks, weak")
