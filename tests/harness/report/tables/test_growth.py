"""Rates at each size, and where a mode overtakes the one that it compares with."""

import csv
import dataclasses
import io

import pytest
from rich.console import Console

from bench.catalogue import SizeOffer, WorkloadOffer
from bench.records.record import Record
from harness.report import write
from harness.report.charts.all import charts
from harness.report.exporters.csv import to_csv
from harness.report.tables.all import tables
from harness.report.tables.table import Table
from harness.validity.results import Run
from tests import factories
from tests.factories import accuracy, cell, record, timing

SIZES = ("S", "M", "L")
MLP = WorkloadOffer(
    name="mlp",
    sentence="Multilayer perceptron",
    sizes=("tiny", *SIZES),
    optimizers=("adam",),
    sizes_on_cpu=("S", "M"),
    works=tuple(
        SizeOffer(
            name=size,
            samples=64 * 4**at,
            flops=10**7 * 100**at,
            bytes=10**6 * 10**at,
            forward_flops=3 * 10**6 * 100**at,
            forward_bytes=2 * 10**5 * 10**at,
            footprint=0,
        )
        for at, size in enumerate(SIZES)
    ),
)


def run(*records: Record) -> Run:
    made = factories.run(list(records))
    return dataclasses.replace(made, facts=dataclasses.replace(made.facts, workloads=(MLP,)))


def timed(mode: str, size: str, step_us: float, block: int = 1) -> Record:
    rounds = timing(round_ns=(int(step_us * 1000),) * 3, calls_per_round=1)
    return record(cell(mode=mode, workload="mlp", size=size), block=block, timing=rounds)


def both(eager: tuple[float, ...], compiled: tuple[float, ...]) -> Run:
    return run(
        *(timed("eager", size, step) for size, step in zip(SIZES, eager, strict=False)),
        *(timed("compile", size, step) for size, step in zip(SIZES, compiled, strict=False)),
    )


def read(table: Table) -> list[dict[str, str]]:  # type: ignore[type-arg]
    return list(csv.DictReader(to_csv(table).splitlines()))


def test_rates_are_the_declared_work_over_the_time_of_a_step() -> None:
    (row,) = read(tables(run(timed("eager", "M", 2000.0))).growth)
    assert float(row["step_us"]) == pytest.approx(2000)
    assert float(row["steps_per_s"]) == pytest.approx(500)
    assert float(row["samples_per_s"]) == pytest.approx(256 * 500)
    assert float(row["gflop_per_s"]) == pytest.approx(1e9 * 500 / 1e9)
    assert float(row["gbyte_per_s"]) == pytest.approx(1e7 * 500 / 1e9)


def test_a_forward_pass_is_paid_by_its_own_work_and_says_that_it_is_one() -> None:
    forward = timed("eager", "M", 2000.0)
    forward = dataclasses.replace(forward, cell=dataclasses.replace(forward.cell, optimizer="none"))
    found = tables(run(timed("eager", "M", 5000.0), forward))
    trained, passed = read(found.growth)
    assert float(trained["gflop_per_s"]) == pytest.approx(1e9 * 200 / 1e9)
    assert float(passed["gflop_per_s"]) == pytest.approx(3e8 * 500 / 1e9)
    assert float(passed["gbyte_per_s"]) == pytest.approx(2e6 * 500 / 1e9)
    assert [row.is_inference for row in found.steps.rows] == [False, True]
    assert "Inference, not training: their step is one forward pass" in found.steps.remarks[0]


def test_sizes_stand_from_the_smallest_to_the_largest_whatever_the_order_of_the_run() -> None:
    rows = read(tables(run(*(timed("eager", size, 100.0) for size in ("L", "S", "M")))).growth)
    assert [row["size"] for row in rows] == ["S", "M", "L"]


def test_the_regression_is_no_ladder() -> None:
    assert tables(run(record())).growth.rows == ()


@pytest.mark.parametrize(
    ("eager", "compiled", "ahead"),
    [
        ((100, 1000, 9000), (200, 800, 5000), "M"),
        ((100, 1000, 9000), (90, 800, 5000), "S"),
        ((100, 1000, 9000), (200, 1100, 9100), ""),
        ((100, 1000, 9000), (90, 800, 9100), ""),  # ahead at first, overtaken in the end
        ((100, 1000, 9000), (90, 1100, 5000), "L"),
    ],
)
def test_a_mode_is_ahead_from_the_size_after_which_it_is_never_behind(
    eager: tuple[float, ...], compiled: tuple[float, ...], ahead: str
) -> None:
    (row,) = read(tables(both(eager, compiled)).crossovers)
    assert (row["mode"], row["baseline"], row["sizes"], row["ahead_from"]) == ("compile", "eager", "S M L", ahead)


def test_one_size_makes_no_crossover() -> None:
    assert tables(both((100,), (50,))).crossovers.rows == ()


def test_a_cell_without_a_time_has_no_rate_and_keeps_its_row() -> None:
    failed = record(cell(workload="mlp", size="L"), status="oom", reason="rounds: killed for memory", timing=None)
    (row,) = read(tables(run(failed)).growth)
    assert (row["status"], row["steps_per_s"]) == ("oom", "")


def test_the_chart_has_a_panel_for_each_workload_and_is_left_out_without_a_ladder() -> None:
    drawn = both((100, 1000, 9000), (200, 800, 5000))
    (chart,) = (one for one in charts(drawn, tables(drawn)) if one.name == "growth")
    assert ">mlp</text>" in chart.svg
    assert all(f">{size}</text>" in chart.svg for size in SIZES)
    regression = run(record())
    assert "growth" not in [one.name for one in charts(regression, tables(regression))]


def test_a_ladder_fits_a_terminal_of_80_columns_without_cutting_a_value() -> None:
    names = ("transformer_naive", "regression_wide")
    cells = [cell(mode="compile-step", workload=name, size="M", optimizer="none") for name in names]
    made = factories.run([record(one, accuracy=accuracy(data_sha256=one.workload * 4)) for one in cells])
    offers = tuple(dataclasses.replace(MLP, name=name) for name in names)
    shown = dataclasses.replace(made, facts=dataclasses.replace(made.facts, workloads=offers))
    text = io.StringIO()
    write.show(shown, Console(file=text, width=80))
    assert "Growth." in text.getvalue()
    assert "…" not in text.getvalue()
