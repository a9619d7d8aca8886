"""The energy table: by hand, from what the counter and the replicate noted."""

import csv
import io
from typing import Any

import pytest

from bench.records.observation import Energy, Observation
from bench.records.record import Record
from harness.report.exporters.csv import to_csv
from harness.report.exporters.html import page
from harness.report.tables.all import tables
from tests.factories import cell, record, run

S = 10**9
WINDOW = Energy(idle_begin_ns=0, idle_end_ns=2 * S, begin_ns=3 * S, end_ns=8 * S, steps=10_000)


def replicate(block: int = 1, *, of: dict[str, Any] | None = None, **seen: Any) -> Record:
    """An energy replicate on a GPU: at rest 100 W, 500 J more than rest in a window of 5 s, unless told otherwise."""
    usual = {"gpu": "GPU-1", "energy_mj": 2_000_000, "energy_idle_mj": 200_000, "energy_window_mj": 1_000_000}
    where = cell(device="cuda", track="energy", **(of or {}))
    return record(where, block=block, timing=None, energy=WINDOW, observation=Observation(**{**usual, **seen}))


def rows(*records: Record) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(tables(run(records)).energy))))


def test_a_step_takes_what_the_window_took_above_rest() -> None:
    (row,) = rows(replicate())
    assert float(row["energy_per_step_uj"]) == pytest.approx((1000 - 100 * 5) / 10_000 * 1e6)
    assert float(row["energy_run_j"]) == 2000
    assert float(row["idle_w"]) == 100
    assert float(row["window_s"]) == 5
    assert (row["energy_replicates"], row["energy_missing"]) == ("1", "")


def test_of_several_replicates_the_median_of_those_that_have_a_figure() -> None:
    windows = (1_000_000, 1_100_000, 1_600_000, None)
    (row,) = rows(*(replicate(block, energy_window_mj=mj) for block, mj in enumerate(windows, start=1)))
    assert float(row["energy_per_step_uj"]) == pytest.approx(600 / 10_000 * 1e6)
    assert (row["energy_replicates"], row["energy_missing"]) == ("3", "")


def test_on_a_processor_the_fields_are_empty_with_the_reason() -> None:
    (row,) = rows(record(cell(track="energy"), timing=None, status="skipped", reason="only a GPU counts its energy"))
    assert row["energy_per_step_uj"] == row["energy_run_j"] == row["idle_w"] == ""
    assert row["energy_missing"] == "n/a: only a GPU counts its energy"
    shown = tables(run([record(cell(track="energy"), timing=None, status="skipped")])).energy
    assert shown.remarks == ("No energy of a step in one row: n/a: only a GPU counts its energy.",)


def test_the_page_has_the_section_where_energy_was_measured_and_only_there() -> None:
    with_it, without = run([replicate()]), run([record()])
    assert '<section id="energy">' in page(with_it, tables(with_it))
    assert '<section id="energy">' not in page(without, tables(without))
