"""Sizes that cannot fit are refused before the run; larger sizes are skipped after an out-of-memory."""

import pytest

from bench.catalogue import SizeOffer, WorkloadOffer
from bench.records.record import Record
from harness.errors import SelectionError
from harness.format import GIB
from harness.plan.capacity import Capacity, fitting
from harness.run.ladders import SizesToSkip
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


def capacity(gib: float) -> Capacity:
    return Capacity(int(gib * GIB), "that this host has free")


def oom(size: str, **changes: str) -> Record:
    return record(cell(workload="mlp", size=size, **changes), status="oom", reason="rounds: killed", timing=None)


def test_a_size_that_was_typed_and_cannot_fit_is_refused_with_the_figures() -> None:
    with pytest.raises(SelectionError, match=r"mlp L holds at least 16 GiB in a step, more than the 8 GiB"):
        fitting(CELLS, [MLP], capacity(8), typed=True)


def test_of_the_usual_sizes_those_that_fit_are_run() -> None:
    assert [cell.size for cell in fitting(CELLS, [MLP], capacity(8), typed=False)] == ["S", "M"]
    assert fitting(CELLS, [MLP], capacity(16), typed=True) == CELLS
    with pytest.raises(SelectionError, match="mlp S"):
        fitting(CELLS, [MLP], capacity(0.5), typed=False)


def test_a_workload_without_sizes_always_fits() -> None:
    assert fitting((cell(),), [MLP], capacity(0), typed=False) == (cell(),)


def test_after_an_out_of_memory_the_larger_sizes_of_that_cell_alone_are_skipped() -> None:
    to_skip = SizesToSkip([MLP], [])
    to_skip.note(oom("M"))
    assert [bool(to_skip.reason(size)) for size in CELLS] == [False, False, True]
    assert to_skip.reason(CELLS[2]) == "not run: the smaller size M ran out of memory"
    assert to_skip.reason(cell(workload="mlp", size="L", mode="compile")) == ""


def test_the_smallest_size_that_ran_out_counts_and_an_earlier_session_too() -> None:
    to_skip = SizesToSkip([MLP], [oom("L"), oom("S")])
    assert to_skip.reason(CELLS[1]) == "not run: the smaller size S ran out of memory"


def test_after_another_failure_no_size_is_skipped() -> None:
    to_skip = SizesToSkip([MLP], [record(cell(workload="mlp", size="S"), status="failed", reason="why", timing=None)])
    to_skip.note(record(status="oom", reason="killed", timing=None))  # the regression has no ladder
    assert not any(to_skip.reason(size) for size in CELLS)
