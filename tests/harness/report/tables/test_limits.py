"""What the report says of limits: the table, what binds a cell, and what was not measured."""

import csv
from typing import Any

import pytest

from bench.records.record import Limit, Record
from harness.report.exporters import markdown
from harness.report.exporters.csv import to_csv
from harness.report.exporters.html import page
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.report.tables.table import Table
from harness.report.view import view
from harness.validity import roofline
from harness.validity.results import Run
from harness.validity.validity import judged
from tests import factories
from tests.factories import cell, framework, record
from tests.harness.report.tables.test_growth import MLP, timed

LAUNCH = Limit(kind="launch", precision="", size=1, work=1000, round_ns=(900_000, 500_000))
TRIAD = Limit(kind="triad", precision="", size=256 << 20, work=4 * 10**8, round_ns=(20_000_000, 10_000_000))
PRODUCT = Limit(kind="matmul", precision="float32", size=512, work=2 * 10**8, round_ns=(2_000_000,))
TURN = {"mode": "limits", "workload": "", "optimizer": "", "size": "", "precision": "", "track": "limits"}


def measured(*found: Limit, **changes: Any) -> Record:
    return record(cell(**TURN), timing=None, limits=found, **changes)


def run(*records: Record) -> Run:
    return factories.run(records, workloads=(MLP,), frameworks=(framework(limits="torch"),))


def read(table: Table[Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(to_csv(table).splitlines()))


def test_the_table_has_the_best_round_of_each_probe_in_the_unit_of_its_kind() -> None:
    rows = read(tables(run(measured(LAUNCH, TRIAD, PRODUCT))).limits)
    told = [(row["kind"], row["size"], row["launch_us"], row["gbyte_per_s"], row["gflop_per_s"]) for row in rows]
    assert told == [
        ("launch", "1", "0.5", "", ""),
        ("triad", "268435456", "", "40", ""),
        ("matmul", "512", "", "", "100"),
    ]
    assert [row["rounds"] for row in rows] == ["2", "2", "1"]
    assert {row["library"] for row in rows} == {"torch"}


def test_people_read_sizes_and_kinds_in_words() -> None:
    text = markdown.section(view(tables(run(measured(LAUNCH, TRIAD, PRODUCT))).limits, wide=True))
    assert "| Torch | matrix product | float32 | 512 × 512 | 100 |" in text
    assert "| Torch | a += s·b | – | 256 MiB | – | 40.0 |" in text


def test_a_turn_that_failed_is_a_row_with_its_reason() -> None:
    (row,) = read(tables(run(measured(status="failed", reason="device: no driver"))).limits)
    assert (row["library"], row["kind"], row["status"], row["reason"]) == ("torch", "", "failed", "device: no driver")


def test_growth_says_what_binds_and_how_much_of_it_is_reached() -> None:
    records = (timed("eager", "S", 50.0), timed("eager", "M", 20_000.0), measured(LAUNCH, TRIAD, PRODUCT))
    small, large = read(tables(run(*records)).growth)
    assert (small["bound"], small["share_of_limit"], small["times_launch"]) == ("launch", "", "100")
    assert (large["bound"], large["share_of_limit"], large["times_launch"]) == ("matmul", "0.5", "")
    assert small["limit_missing"] == large["limit_missing"] == ""


def test_where_nothing_was_measured_the_columns_are_empty_with_the_reason() -> None:
    found = tables(run(timed("eager", "M", 20_000.0))).growth
    (row,) = read(found)
    assert (row["bound"], row["share_of_limit"], row["times_launch"]) == ("", "", "")
    assert row["limit_missing"] == "no limit was measured in this run"
    assert found.remarks == ("No limit in one row: no limit was measured in this run.",)


def test_a_cell_above_a_limit_is_struck_through_and_has_no_rate() -> None:
    above = run(timed("eager", "M", 5_000.0), timed("compile", "M", 20_000.0), measured(PRODUCT))
    standing = judged(above.records, above.facts, stages=((roofline.above_limits,),)).records
    found = tables(run(*standing))
    (eager, _) = view(found.steps, wide=True).rows
    assert eager.is_struck
    assert "200 Gflop/s, 2 of the 100 Gflop/s of torch's best float32 matrix product, n = 512" in eager.note
    assert [row["share_of_limit"] for row in read(found.growth)] == ["", "0.5"]
    assert "eager (invalid)" in " ".join(summary(run(*standing), found))


def test_a_step_of_the_regression_is_given_in_empty_launches_but_not_in_the_csv() -> None:
    found = tables(run(record(round_ns=(40_000,) * 3), measured(LAUNCH))).steps
    assert found.rows[0].launches == pytest.approx(80)
    assert tables(run(record(round_ns=(100_000,) * 3), measured(LAUNCH))).steps.rows[0].launches is None
    assert not any("launch" in key for key in found.header)
    assert "÷ empty launch" in [heading.unit for heading in view(found, wide=True).values]
    assert "÷ empty launch" not in [heading.unit for heading in view(found, wide=False).values]


def test_a_sentence_says_what_the_machine_gave() -> None:
    cached = Limit(kind="triad", precision="", size=4 << 20, work=10**9, round_ns=(10**7,))
    made = run(timed("eager", "M", 20_000.0), measured(LAUNCH, cached, TRIAD, PRODUCT))
    rates = "100 Gflop/s in float32 matrix products (Torch) and 40.0 GB/s from memory (Torch)"
    sentence = f"The highest rates on this machine: {rates}; an empty launch took 500 ns (Torch)."
    assert sentence in summary(made, tables(made))


def test_the_page_has_a_section_of_limits_where_there_are_some() -> None:
    made, without = run(record(), measured(LAUNCH, TRIAD, PRODUCT)), run(record())
    assert '<section id="limits">' in page(made, tables(made))
    assert '<section id="limits">' not in page(without, tables(without))
