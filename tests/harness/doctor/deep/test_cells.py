"""Which cells a deep check tries, and in which order: every mode once, one of each framework first."""

from itertools import takewhile

from bench.catalogue import catalogue, plain_mode
from bench.records.record import Cell
from harness.doctor.deep import cells
from harness.plan.selection import Selection

OFFER = catalogue()
# engines need a model, which is exported; the exhibit takes part where it is named
TRAINING = [framework for framework in OFFER.frameworks if framework.trains and not framework.exhibit]


def order(device: str, **names: tuple[str, ...]) -> tuple[Cell, ...]:
    return cells.in_order(cells.selected(OFFER, Selection(**names), device), OFFER.frameworks)


def test_every_mode_of_every_framework_is_tried_once_on_the_smallest_workload() -> None:
    tried = [cell for cell in order("cpu") if not cell.batch]
    assert {(cell.framework, cell.mode) for cell in tried} == {
        (framework.name, mode.name)
        for framework in TRAINING
        for mode in framework.modes
        if not mode.precision  # what changes a model runs at a batch alone
    }
    assert len(tried) == len({(cell.framework, cell.mode) for cell in tried})
    assert {(cell.workload, cell.track, cell.precision, cell.allocator) for cell in tried} == {
        ("regression", "identical", "float32", "default")
    }


def test_each_engine_infers_once_after_the_first_mode_of_each_framework() -> None:
    engines = [framework for framework in OFFER.frameworks if not framework.trains]
    tried = order("cpu")[len(TRAINING) :][: len(engines)]
    assert {(cell.framework, cell.mode) for cell in tried} == {(each.name, each.modes[0].name) for each in engines}
    assert {(cell.workload, cell.size, cell.batch, cell.optimizer) for cell in tried} == {("mlp", "tiny", 1, "none")}
    assert not [cell for cell in order("cuda") if cell.batch], "they compute on the CPU alone"


def test_an_engine_that_is_named_is_tried_alone_in_the_modes_that_are_named() -> None:
    assert [cells.name(cell) for cell in order("cpu", framework=("tract",))] == ["tract from-torch"]
    named = order("cpu", framework=("tract",), mode=("from-jax", "from-keras"))
    assert [cells.name(cell) for cell in named] == ["tract from-keras", "tract from-jax"]


def test_one_mode_of_each_framework_comes_first_the_one_that_compiles_nothing() -> None:
    first = order("cpu")[: len(TRAINING)]
    plain = {framework.name: plain_mode(framework) for framework in TRAINING}
    assert {cell.framework: cell.mode for cell in first} == plain


def test_a_gpu_is_asked_about_memory_and_tf32_before_the_second_modes_and_about_allocators_last() -> None:
    tried = order("cuda")
    early = tried[len(TRAINING) :]
    assert {(cell.framework, cell.track) for cell in early[:3]} == {
        (name, "memory") for name in ("torch", "tensorflow", "jax")
    }
    assert {(cell.framework, cell.precision) for cell in early[3:6]} == {
        (name, "tf32") for name in ("torch", "tensorflow", "jax")
    }
    last = list(takewhile(lambda cell: cell.allocator != "default", reversed(tried)))
    assert {cell.framework for cell in last} == {"torch", "tensorflow", "jax"}
    assert {"cudaMallocAsync", "platform", "allow_growth"} <= {cell.allocator for cell in last}
    assert len(set(tried)) == len(tried)


def test_a_mode_that_is_named_is_tried_alone() -> None:
    (cell,) = order("cuda", framework=("torch",), mode=("max-autotune",))
    assert cells.name(cell) == "torch max-autotune"


def test_a_hello_world_is_tried_where_it_is_named() -> None:
    assert {cell.track for cell in order("cpu", framework=("torch",), mode=("eager", "hello"))} == {
        "identical",
        "idiomatic",
    }


def test_a_name_says_what_is_not_as_usual() -> None:
    names = [cells.name(cell) for cell in order("cuda", framework=("torch",), mode=("eager",))]
    assert names == [
        "torch eager",
        "torch eager memory",
        "torch eager tf32",
        "torch eager expandable_segments",
        "torch eager cudaMallocAsync",
    ]


def test_the_plan_has_just_this_order() -> None:
    tried = order("cuda", framework=("torch", "jax"))
    assert [planned.cell for planned in cells.plan(tried).in_order()] == list(tried)
