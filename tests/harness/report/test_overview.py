"""The facts of each cell, and which cells lead their work."""

import dataclasses

import pytest

from bench.records.record import Memory
from harness.report.overview import CellFacts, cells, compared
from harness.report.tables.all import tables
from harness.validity.results import Run
from tests.factories import cell, record, run
from tests.harness.report.example import example
from tests.harness.report.multiplied import ladders


def facts(shown: Run) -> dict[tuple[str, str, str], CellFacts]:
    return {(one.framework, one.mode, one.workload): one for one in cells(shown, tables(shown))}


def test_there_is_one_for_each_row_of_the_table_of_steps_in_its_order() -> None:
    computed = tables(example())
    found = cells(example(), computed)
    assert [(one.framework, one.mode) for one in found] == [
        (row.cell.framework, row.cell.mode) for row in computed.steps.rows
    ]
    assert {one.status for one in found} == {"ok", "failed", "invalid", "skipped", "timeout"}
    assert all(one.reason for one in found if one.status != "ok")


def test_the_figures_are_those_of_the_tables() -> None:
    shown = run([record(cell(mode=mode), block=block, round_ns=(ns + block,) * 3) for block in range(1, 7)
                 for mode, ns in (("eager", 100_000), ("compile", 50_000))])  # fmt: skip
    computed = tables(shown)
    row = next(row for row in computed.steps.rows if row.cell.mode == "compile")
    one = facts(shown)["torch", "compile", "regression"]
    assert row.step_ns is not None
    assert row.step_ns.interval is not None
    assert (one.step_ns, one.low_ns, one.high_ns) == (
        row.step_ns.value, row.step_ns.interval.low, row.step_ns.interval.high,
    )  # fmt: skip
    assert one.first_step_ns == pytest.approx(4_000_000)
    assert one.peak_bytes == 300 << 20
    assert one.speedup is not None
    assert abs(one.speedup - 2) < 0.01
    assert one.verdict == "faster"


def test_of_two_that_the_blocks_do_not_tell_apart_one_is_best_and_the_other_tied() -> None:
    noise = (1.0, 1.3, 0.8, 1.1, 0.9, 1.2)
    records = [
        record(cell(mode=mode), block=block, round_ns=(int(ns * noise[(block * shift) % 6]),) * 3)
        for block in range(1, 7)
        for mode, ns, shift in (("eager", 100_000, 1), ("compile", 101_000, 5), ("slow", 900_000, 1))
    ]
    found = facts(run(records))
    leaders = {mode: (one.is_best, one.is_tied) for (_, mode, _), one in found.items()}
    assert sorted(leaders[mode] for mode in ("eager", "compile")) == [(False, True), (True, False)]
    assert leaders["slow"] == (False, False)


def test_one_block_ties_nothing() -> None:
    found = cells(ladders(), tables(ladders()))
    assert not any(one.is_tied for one in found)
    assert sum(one.is_best for one in found) == 5  # workloads


def test_each_work_has_a_best_of_its_own_and_inference_another() -> None:
    found = cells(example(), tables(example()))
    best = [one for one in found if one.is_best]
    assert {(one.framework, one.is_inference) for one in best} == {("jax", False), ("onnxruntime", True)}
    assert all(len({(one.is_inference, one.work) for one in group}) == 1 for group in compared(found).values())


def test_a_failed_cell_never_leads() -> None:
    good, bad = cell(mode="eager"), cell(mode="compile")
    shown = run([record(good), record(bad, block=1, status="failed", reason="it broke")])
    found = facts(shown)
    assert found["torch", "eager", "regression"].is_best
    assert not found["torch", "compile", "regression"].is_best


def test_a_run_of_memory_alone_has_its_cells_with_their_peaks() -> None:
    memory = dataclasses.replace(cell(), track="memory")
    shown = run([record(memory, timing=None)])
    (one,) = cells(shown, tables(shown))
    assert one.peak_bytes == 300 << 20
    assert one.step_ns is None


def test_on_a_gpu_the_peak_is_what_the_allocator_reserved_and_never_the_hosts() -> None:
    on_gpu = cell(device="cuda")
    figures = Memory(host_peak_rss_bytes=900 << 20, reserved_peak_bytes=64 << 20)
    shown = run([record(on_gpu, memory=figures)], device="cuda")
    (one,) = cells(shown, tables(shown))
    assert one.peak_bytes == 64 << 20
    bare = run([record(on_gpu)], device="cuda")
    assert cells(bare, tables(bare))[0].peak_bytes is None
