"""What cannot fit is refused before it is begun; memory that ran out ends a ladder."""

import pytest

from bench.catalogue import SizeOffer, WorkloadOffer
from bench.records.record import Record
from harness.errors import SelectionError
from harness.format import GIB
from harness.plan.capacity import Capacity, fitting
from harness.run.ladders import Ends
from tests.factories import cell, record

SIZES = ("S", "M", "L")
MLP = WorkloadOffer(
    name="mlp",
    sentence="",
    sizes=SIZES,
    optimizers=("adam",),
    sizes_on_cpu=("S",),
    works=tuple(
        SizeOffer(name=size, samples=1, flops=10**at, bytes=1, forward_flops=1, forward_bytes=1, footprint=GIB * 4**at)
        for at, size in enumerate(SIZES)
    ),
)
CELLS = tuple(cell(workload="mlp", size=size) for size in SIZES)


def room(gib: float) -> Capacity:
    return Capacity(int(gib * GIB), "that this host has free")


def oom(size: str, **changes: str) -> Record:
    return record(cell(workload="mlp", size=size, **changes), status="oom", reason="rounds: killed", timing=None)


def test_a_size_that_was_typed_and_cannot_fit_is_refused_with_the_figures() -> None:
    with pytest.raises(SelectionError, match=r"mlp L holds at least 16 GiB in a step, more than the 8 GiB"):
        fitting(CELLS, [MLP], room(8), typed=True)


def test_of_the_usual_sizes_those_that_fit_are_run() -> None:
    assert [one.size for one in fitting(CELLS, [MLP], room(8), typed=False)] == ["S", "M"]
    assert fitting(CELLS, [MLP], room(16), typed=True) == CELLS
    with pytest.raises(SelectionError, match="mlp S"):
        fitting(CELLS, [MLP], room(0.5), typed=False)


def test_a_workload_without_sizes_always_fits() -> None:
    assert fitting((cell(),), [MLP], room(0), typed=False) == (cell(),)


def test_memory_that_ran_out_ends_the_ladder_of_that_cell_alone() -> None:
    ends = Ends([MLP], [])
    ends.note(oom("M"))
    assert [bool(ends.above(one)) for one in CELLS] == [False, False, True]
    assert ends.above(CELLS[2]) == "not run: M, which is smaller, ran out of memory"
    assert ends.above(cell(workload="mlp", size="L", mode="compile")) == ""


def test_the_smallest_size_that_ran_out_counts_and_an_earlier_session_too() -> None:
    ends = Ends([MLP], [oom("L"), oom("S")])
    assert ends.above(CELLS[1]) == "not run: S, which is smaller, ran out of memory"


def test_another_end_than_memory_ends_no_ladder() -> None:
    ends = Ends([MLP], [record(cell(workload="mlp", size="S"), status="failed", reason="why", timing=None)])
    ends.note(record(status="oom", reason="killed", timing=None))  # the regression has no ladder
    assert not any(ends.above(one) for one in CELLS)
