"""The harness keeps off the physical cores that it measures: on sysfs trees of several machines."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.errors import SelectionError
from harness.host import processors
from harness.host.processors import cores, default_cpus, for_harness, shared, siblings

Machine = Callable[[Mapping[int, str]], Path]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    def made(siblings_of: Mapping[int, str], name: str = "core_cpus_list") -> Path:
        for cpu, text in siblings_of.items():
            folder = tmp_path / f"cpu{cpu}" / "topology"
            folder.mkdir(parents=True)
            (folder / name).write_text(text + "\n")
        return tmp_path

    return made


SMT_FAR = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}  # 2 cores with 4 threads, as Linux numbers them on most hosts
SMT_NEAR = {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}  # as in many virtual machines
PLAIN = {cpu: str(cpu) for cpu in range(4)}


@pytest.mark.parametrize(
    ("tree", "allowed", "measured", "left"),
    [
        (SMT_FAR, (0, 1, 2, 3), (1, 3), {0, 2}),
        (SMT_NEAR, (0, 1, 2, 3), (2, 3), {0, 1}),
        (PLAIN, (0, 1, 2, 3), (1, 2, 3), {0}),
        (SMT_FAR, (1, 2, 3), (2,), {1, 3}),  # a control group's cpuset: the first core is another
        (SMT_FAR, (1, 3), (3,), {1}),  # one core: its second thread
        (SMT_NEAR, (0, 1), (1,), {0}),
        (PLAIN, (3,), (3,), set()),  # one processor
        ({0: "0,64", 64: "0,64", 7: "7,71", 71: "7,71"}, (0, 7, 64, 71), (7, 71), {0, 64}),  # sparse numbers
        ({0: "0", 3: "3"}, (0, 3), (3,), {0}),  # siblings that are off line are in no list
        ({}, (0, 1, 2), (1, 2), {0}),  # a sandbox without sysfs
    ],
)
def test_the_first_core_is_left_to_the_harness(
    machine: Machine, tree: Mapping[int, str], allowed: tuple[int, ...], measured: tuple[int, ...], left: set[int]
) -> None:
    root = machine(tree)
    assert default_cpus(allowed, root) == measured
    assert for_harness(measured, allowed, root) == left


def test_a_set_that_was_named_is_left_with_its_siblings(machine: Machine) -> None:
    root = machine(SMT_FAR)
    assert for_harness((1,), range(4), root) == {0, 2}
    assert for_harness((0, 1), range(4), root) == {2, 3}  # no core is free: a thread of one
    assert for_harness(range(4), range(4), root) == set()


@pytest.mark.parametrize(
    ("tree", "cpus", "allowed", "said"),
    [
        (SMT_FAR, (1, 3), range(4), ""),
        (SMT_FAR, (3,), (1, 3), "CPU 1 and CPU 3 of the CPU set are threads of the same core"),
        (SMT_FAR, (0, 1), range(4), "CPU 2,3 and CPU 0,1 of the CPU set are threads of the same core"),
        (PLAIN, (0,), (0,), "no processor outside the CPU set"),
        (PLAIN, (), range(4), "no processor outside the CPU set"),
    ],
)
def test_it_is_said_where_the_harness_cannot_keep_off(
    machine: Machine, tree: Mapping[int, str], cpus: tuple[int, ...], allowed: range, said: str
) -> None:
    sentence = shared(cpus, allowed, machine(tree))
    assert said in sentence
    assert bool(said) == bool(sentence)


def test_the_name_of_older_kernels_and_a_damaged_list(machine: Callable[..., Path]) -> None:
    root = machine({0: "0,1", 1: "0,1"}, "thread_siblings_list")
    assert siblings(1, root) == {0, 1}
    assert cores((0, 1), root) == 1
    (root / "cpu0/topology/thread_siblings_list").write_text("none\n")
    assert siblings(0, root) == {0}


def test_processors_that_are_not_there_are_lost() -> None:
    own = sorted(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    assert processors.lost(own[:1]) == ()
    assert processors.gone(own[:1]) == ""
    assert processors.lost((own[0], 4000)) == (4000,)
    assert processors.lost((4000,)) == (4000,)
    assert processors.gone((own[0], 4000)).startswith(f"CPU 4000 of the CPU set {own[0]},4000 cannot be used here")
    assert os.sched_getaffinity(0) == before


def test_a_list_of_more_processors_than_anybody_has_is_refused_at_once() -> None:
    with pytest.raises(SelectionError, match="cannot be used here"):
        processors.cpu_set("0-99999999999999")


def test_a_process_comes_back_to_where_it_was() -> None:
    before = os.sched_getaffinity(0)
    with processors.away(sorted(before)[:1]):
        assert os.sched_getaffinity(0) == (before - {min(before)} or before)
    assert os.sched_getaffinity(0) == before
