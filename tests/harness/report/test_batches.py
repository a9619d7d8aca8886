"""Cells of different batches, in every place that puts cells together: never mixed, always told apart."""

import csv
import io
import json

import pytest
from rich.console import Console

from bench.catalogue import SizeOffer, WorkloadOffer
from harness.report import matrix, overview, summary
from harness.report.charts.all import charts
from harness.report.exporters import console, github, html, latex, markdown, pytest_benchmark
from harness.report.exporters.csv import to_csv
from harness.report.exporters.json import render as to_json
from harness.report.tables.all import TABLES, tables
from harness.report.view import view
from harness.validity.results import Run
from tests import factories
from tests.harness.report import inferring
from tests.harness.report.inferring import calls, cell

RUN = inferring.example()
OWN, LARGE = cell("torch", "eager"), cell("torch", "eager", batch=256)


def mixed() -> Run:
    """A training step, its forward pass at the workload's own batch, and inference at two batches, in each block."""
    cells = {
        cell("torch", "eager", optimizer="adam", batch=0): 900_000,
        cell("torch", "eager", batch=0): 300_000,
        OWN: 100_000,
        LARGE: 9_000_000,
    }
    return inferring.run([calls(of, ns, block=block) for block in range(1, 7) for of, ns in cells.items()])


def test_the_matrix_has_a_column_for_each_batch_of_a_work_in_order_of_size() -> None:
    run = inferring.run([calls(cell("torch", "eager", batch=batch), 50_000) for batch in (256, 32, 1)])
    shown = matrix.matrix(overview.cells(run, tables(run)), (), run.facts)
    assert shown
    assert [column.text for column in shown.columns] == ["batch 1", "batch 32", "batch 256"]
    assert [field.text for field in shown.rows[0].fields] == ["50.0 µs"] * 3


def test_each_batch_has_its_own_best() -> None:
    run = mixed()
    cells = overview.cells(run, tables(run))
    assert [each.is_best for each in cells] == [True] * 4
    assert {each.work for each in cells} == {
        ("mlp", "S", "adam", "float32", "cpu", "default", ""),
        *(("mlp", "S", "none", "float32", "cpu", "default", batch) for batch in ("", "1", "256")),
    }


def test_a_column_says_the_batch_where_rows_differ_in_it_and_a_sentence_where_they_agree() -> None:
    assert view(tables(mixed()).steps, wide=True).names[-1].text == "batch"
    alone = view(tables(inferring.run([calls(OWN, 100_000)])).steps, wide=True)
    assert "batch 1" in alone.common
    plain = view(tables(factories.run([factories.record()])).steps, wide=True)
    assert not any("batch" in text for text in (*plain.common, *(name.text for name in plain.names)))


def test_rows_stand_in_order_of_their_batch() -> None:
    run = inferring.run([calls(cell("torch", "eager", batch=batch), 50_000) for batch in (256, 32, 1)])
    assert [row.cell.batch for row in tables(run).steps.rows] == [1, 32, 256]


def test_a_mode_is_compared_with_its_baseline_at_the_same_batch() -> None:
    compiled = cell("torch", "compile"), cell("torch", "compile", batch=256)
    records = [
        calls(of, ns, block=block)
        for block in (1, 2)
        for of, ns in ((OWN, 100_000), (LARGE, 9_000_000), (compiled[0], 50_000), (compiled[1], 3_000_000))
    ]
    found = {row.cell: row for row in tables(inferring.run(records)).steps.rows}
    ratios = [row.speedup.value for of in compiled if (row := found[of]).speedup]
    assert ratios == pytest.approx([2, 3])


def test_growth_over_sizes_leaves_batches_to_the_table_of_inference() -> None:
    """There a size has one batch, and what grows is the work."""
    work = {"samples": 64, "flops": 10**9, "bytes": 10**7, "forward_flops": 3 * 10**8, "forward_bytes": 10**7}
    sizes = tuple(SizeOffer(name=name, footprint=10**7, parameters=1000, **work) for name in ("S", "M"))
    offer = WorkloadOffer(
        name="mlp", sentence="", sizes=("S", "M"), optimizers=("adam",), works=sizes, sizes_on_cpu=("S",)
    )
    found = tables(inferring.run(mixed().records, workloads=(offer,)))
    assert {row.cell.batch for row in found.growth.rows} == {0}
    assert len(found.growth.rows) == 2


def test_the_summary_names_calls_and_their_batches() -> None:
    shortest, paths, *_ = summary.summary(RUN, tables(RUN))
    assert shortest.startswith("The shortest calls: ONNX Runtime from-torch on mlp at batch 1 with 43.3 µs")
    assert "ONNX Runtime from-torch on convnet at batch 256 with" in shortest
    assert paths == (
        "18 of 20 cells infer the same trained models: every prediction is within 1.5e-06 of a float64 reference,"
        " relative to the root mean square of its predictions."
    )


def test_what_int8_loses_is_not_said_of_float32() -> None:
    lossy = calls(
        cell("torch", "eager", precision="int8"), 50_000, accuracy=factories.accuracy(max_loss_deviation=0.06)
    )
    run = inferring.run([calls(OWN, 100_000), lossy])
    assert "every prediction is within 1.5e-06 (float32) and 6.0e-02 (int8) of" in " ".join(
        summary.summary(run, tables(run))
    )


def test_a_run_without_batches_says_nothing_of_them() -> None:
    plain = factories.run([factories.record()])
    assert "batch" not in " ".join(summary.summary(plain, tables(plain)))


def test_the_page_has_the_section_and_only_where_there_are_batches() -> None:
    page = html.page(RUN, tables(RUN))
    assert '<section id="inference">' in page
    assert '<a href="#inference">Inference</a>' in page
    assert "onnx</span> <span" in page
    assert "there is no model from jax: export: jax2onnx has no rule for erf" in page
    plain = factories.run([factories.record()])
    assert 'id="inference"' not in html.page(plain, tables(plain))


def test_the_title_of_a_page_without_training_promises_none() -> None:
    assert "<h1>One forward pass, 3 frameworks</h1>" in html.page(RUN, tables(RUN))
    run = mixed()
    assert "<h1>One training step, 3 frameworks</h1>" in html.page(run, tables(run))


def test_what_a_framework_says_cannot_leave_its_field() -> None:
    reason = '"><script>alert(1)</script>'
    broken = factories.record(cell("onnxruntime", "from-torch"), status="failed", reason=reason)
    run = inferring.run([broken])
    assert "<script>alert(1)" not in html.page(run, tables(run))


def test_the_chart_of_artifacts_has_a_dot_for_each_path_with_a_file() -> None:
    (chart,) = (chart for chart in charts(RUN, tables(RUN)) if chart.name == "artifacts")
    for svg in (chart.svg, chart.narrow_svg):
        assert svg.count("<circle") == 3
        assert "ONNX Runtime from-torch" in svg
        assert "convnet S, batch 1" in svg
        assert "batch 256" not in svg


def test_without_a_file_there_is_no_chart_of_artifacts() -> None:
    run = inferring.run([calls(OWN, 100_000)])
    assert "artifacts" not in [chart.name for chart in charts(run, tables(run))]


@pytest.mark.parametrize("name", ["inference", "cold_start"])
def test_every_exporter_has_the_tables(name: str) -> None:
    found = tables(RUN)
    rows = list(csv.DictReader(io.StringIO(to_csv(found.named(name)))))
    assert len(rows) == (20 if name == "inference" else 10)
    assert found.named(name).title in markdown.render(RUN, found, name)
    assert json.loads(to_json(RUN, found, name))
    assert "ONNX Runtime" in latex.render(RUN, found, name)
    printed = io.StringIO()
    console.print_table(view(found.named(name), wide=False), Console(file=printed, width=100))
    assert "ONNX Runtime" in printed.getvalue()
    assert name in TABLES


def test_the_comment_and_pytest_benchmark_s_file_name_the_batches() -> None:
    found = tables(RUN)
    assert "convnet batch 256" in github.comment(RUN, found)
    groups = {each["group"] for each in json.loads(pytest_benchmark.render(RUN, found, None))["benchmarks"]}
    assert len(groups) == 4


def test_a_run_that_only_infers_is_told_as_such_above_its_steps() -> None:
    infers, both = tables(RUN).steps, tables(mixed()).steps
    assert infers.about.startswith("Time of one forward pass, and of the first: ")
    assert not any("training step" in remark for remark in infers.remarks)
    assert both.about.startswith("Time of one training step, and of the first: ")
