"""The table and the chart of streamed input, from records."""

import csv
import io

import pytest

from bench.records.record import Record
from harness.report.charts.streaming import streaming as drawn
from harness.report.exporters.csv import to_csv
from harness.report.exporters.html import page
from harness.report.tables.all import tables
from tests.factories import record, run, streamed, streaming


def rows(*records: Record) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(tables(run(records)).streaming))))


def test_a_row_has_the_times_of_a_sample_and_the_wait() -> None:
    (row,) = rows(streamed())
    assert (row["mode"], row["stream"], row["format"], row["status"]) == ("records-0", "64MB", "records", "ok")
    assert float(row["both_sample_ns"]) == pytest.approx(100_000)
    assert float(row["step_sample_ns"]) == pytest.approx(90_000)
    assert float(row["pipeline_sample_ns"]) == pytest.approx(10_000)
    assert float(row["stall"]) == pytest.approx(0.1)
    assert float(row["both_cpu_sample_us"]) == pytest.approx(1000 / 640)
    assert row["cold_sample_ns"] == ""


def test_of_several_replicates_the_geometric_mean() -> None:
    (row,) = rows(streamed(block=1, slower=1), streamed(block=2, slower=4))
    assert float(row["both_sample_ns"]) == pytest.approx(200_000)
    assert row["stream_replicates"] == "2"


def test_a_replicate_that_failed_has_its_reason() -> None:
    (row,) = rows(
        streamed(status="failed", reason="check: records-00000.tfrecord is damaged at byte 7", streaming=None)
    )
    assert (row["status"], row["both_sample_ns"]) == ("failed", "")
    assert "damaged at byte 7" in row["reason"]


def test_equal_samples_are_said_and_others_are_not() -> None:
    same = "All pipelines gave the same samples in the same order, each pixel and label (SHA-256)."
    alike = [streamed("torch"), streamed("tensorflow")]
    assert same in tables(run(alike)).streaming.remarks
    other = streamed("tensorflow", streaming=streaming(sha256="1" * 64))
    assert same not in tables(run([alike[0], other])).streaming.remarks


def test_a_pipeline_without_an_order_is_named_and_held_to_the_samples_alone() -> None:
    alike = [streamed("torch"), streamed("torch", "webdataset-2-workers", streaming=streaming(ordered=False))]
    expected = (
        "The same samples from all pipelines, each pixel and label; in an order of its own: webdataset-2-workers."
        " All others had the same order (SHA-256)."
    )
    assert expected in tables(run(alike)).streaming.remarks
    turned = streaming(ordered=False, sha256="1" * 64)
    assert (
        expected in tables(run([alike[0], streamed("jax", "webdataset-2-workers", streaming=turned)])).streaming.remarks
    )
    other = streaming(ordered=False, multiset="1" * 32)
    found = tables(run([alike[0], streamed("torch", "webdataset-2-workers", streaming=other)])).streaming.remarks
    assert not any("samples from all pipelines" in sentence for sentence in found)


def test_the_page_has_the_section_where_input_was_streamed_and_only_there() -> None:
    with_it, without = run([streamed()]), run([record()])
    assert '<section id="streaming">' in page(with_it, tables(with_it))
    assert '<section id="streaming">' not in page(without, tables(without))


def test_the_chart_divides_a_sample_into_step_and_wait() -> None:
    found = run([streamed("torch", "memory"), streamed("torch", "records-0", slower=2)])
    (chart,) = drawn(tables(found).streaming.rows, {"torch": 0}, "")
    assert chart.title == "Streamed input, mlp S adam from 64MB"
    assert "10,000" in chart.svg
    assert "5,000" in chart.svg
    assert chart.svg.count("10%") == 2


def test_each_data_set_has_a_chart() -> None:
    records = [streamed(), streamed(of={"stream": "1GB"}), streamed(of={"workload": "convnet"})]
    found = drawn(tables(run(records)).streaming.rows, {}, "")
    assert [chart.name for chart in found] == ["streaming", "streaming-2", "streaming-3"]
    assert {chart.title.partition(", ")[2] for chart in found} == {
        "mlp S adam from 64MB",
        "mlp S adam from 1GB",
        "convnet S adam from 64MB",
    }
    assert drawn((), {}, "") == ()
