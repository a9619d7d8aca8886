"""The matrix of paths: how many cells of each work, how exactly, how fast."""

import dataclasses

from bench.catalogue import catalogue
from harness.report.exporters import github, markdown
from harness.report.tables.all import tables
from harness.report.tables.not_offered import NOT_OFFERED
from harness.report.tables.paths import Path, Paths, paths
from harness.validity.results import Run
from tests import factories
from tests.factories import accuracy
from tests.harness.report import inferring
from tests.harness.report.inferring import calls, cell, engine


def matrix(run: Run) -> Paths:
    found = paths(tables(run).inference.rows, ())
    assert found is not None
    return found


def field(found: Paths, of: str, exporter: str) -> tuple[Path, ...]:
    (row,) = (row for row in found.rows if row.engine == of)
    return row.fields[found.exporters.index(exporter)]


def test_a_run_without_batches_has_none() -> None:
    assert paths(tables(factories.run([factories.record()])).inference.rows) is None


def test_a_field_has_what_works_the_worst_parity_and_the_calls_at_the_smallest_batch() -> None:
    found = matrix(inferring.example())
    assert found.exporters == ("PyTorch", "JAX")
    assert [row.engine for row in found.rows] == ["own forward pass", "ONNX Runtime"]
    (path,) = field(found, "ONNX Runtime", "PyTorch")
    assert (path.name, path.works, path.parity, path.is_hole) == ("onnx", "4 of 4", "1.5e-06", False)
    assert path.calls == ("convnet S 260 µs", "mlp S 43.3 µs")


def test_a_path_that_fails_on_one_work_says_how_often_and_why() -> None:
    found = matrix(inferring.example())
    (path,) = field(found, "ONNX Runtime", "JAX")
    assert (path.works, path.calls) == ("2 of 4", ("mlp S 47.3 µs",))
    why = "failed: there is no model from jax: export: jax2onnx has no rule for erf"
    assert found.failing == [("JAX → ONNX Runtime onnx", why)]


def test_of_own_forward_passes_the_shortest_is_named() -> None:
    (path,) = field(matrix(inferring.example()), "own forward pass", "PyTorch")
    assert path.calls == ("convnet S 604 µs (compile)", "mlp S 101 µs (compile)")
    assert path.works == "8 of 8"


def test_a_wrong_path_has_neither_a_time_nor_a_parity_to_boast_of() -> None:
    of = cell("onnxruntime", "from-torch")
    good, wrong = calls(of, 43_000), calls(dataclasses.replace(of, workload="convnet"), 1_000)
    worse = dataclasses.replace(wrong, status="invalid", reason="off", accuracy=accuracy(max_loss_deviation=3.0))
    (path,) = field(matrix(inferring.run([good, worse])), "ONNX Runtime", "PyTorch")
    assert (path.works, path.parity, path.calls) == ("1 of 2", "1.5e-06", ("mlp S 43.0 µs",))
    assert path.reasons == ("invalid: off",)
    (path,) = field(matrix(inferring.run([worse])), "ONNX Runtime", "PyTorch")
    assert (path.is_hole, path.works, path.parity, path.calls) == (True, "0 of 1", "", ())


def test_modes_of_one_format_are_told_apart_and_another_format_has_its_name() -> None:
    """As an int8 form beside the float32 one."""
    modes = (("from-torch", "torch", "onnx"), ("from-torch-int8", "torch", "onnx"), ("package", "torch", "aoti"))
    frameworks = (inferring.TORCH, engine("some", "Some Engine", *modes))
    found = matrix(inferring.run([calls(cell("some", mode), 40_000) for mode, *_ in modes], frameworks))
    assert [row.engine for row in found.rows] == ["Some Engine"]
    names = [path.name for path in field(found, "Some Engine", "PyTorch")]
    assert names == ["onnx from-torch", "onnx from-torch-int8", "aoti"]


def test_at_most_some_works_are_named_and_the_others_counted() -> None:
    records = [calls(cell("onnxruntime", "from-torch", size=f"s{at}"), 40_000) for at in range(7)]
    (path,) = field(matrix(inferring.run(records)), "ONNX Runtime", "PyTorch")
    assert path.calls[-1] == "3 more"
    assert len(path.calls) == 5


def test_a_sentence_says_at_which_batch_the_calls_are() -> None:
    assert "the call at batch 1, from 6 processes or more" in matrix(inferring.example()).says[0]
    other = [calls(cell("torch", "eager", batch=32, workload="convnet"), 40_000), calls(cell("torch", "eager"), 40_000)]
    assert "the call at the smallest batch of its work, from 1 process or more" in matrix(inferring.run(other)).says[0]


def test_a_path_that_is_not_offered_is_skipped_with_its_reason_beside_those_of_the_run() -> None:
    found = paths(tables(inferring.example()).inference.rows)
    assert found is not None
    assert found.exporters == ("PyTorch", "JAX", "Keras on PyTorch", "Keras on JAX")
    (path,) = field(found, "ONNX Runtime", "Keras on PyTorch")
    assert (path.name, path.works, path.is_hole, path.calls) == ("onnx", "skipped", True, ())
    assert [row.engine for row in found.rows][:2] == ["own forward pass", "ONNX Runtime"]
    assert "TensorFlow.js" not in [row.engine for row in found.rows], "TensorFlow is not in the run"
    reasons = dict(found.failing)
    assert reasons["PyTorch → Apache TVM onnx"].startswith("skipped: untuned")
    assert field(found, "Apache TVM", "JAX") == ()


def test_what_is_not_offered_is_in_no_mode_and_its_exporters_are_frameworks() -> None:
    offers = catalogue().frameworks
    titles = {offer.name: offer.title for offer in offers}
    offered = {(titles[mode.source], offer.title) for offer in offers for mode in offer.modes if mode.source}
    assert [each for each in NOT_OFFERED if (each.exporter, each.engine) in offered] == []
    assert {each.exporter for each in NOT_OFFERED} <= set(titles.values())


def test_the_matrix_is_in_markdown_and_in_the_comment() -> None:
    run = inferring.example()
    for text in (markdown.render(run, tables(run), None), github.render(run, tables(run), None)):
        assert "| engine | PyTorch | JAX | Keras on PyTorch | Keras on JAX |" in text
        assert "| ONNX Runtime | onnx 4 of 4 1.5e-06 convnet S 260 µs, mlp S 43.3 µs" in text
        assert "- PyTorch → TensorRT onnx: skipped: it needs an NVIDIA GPU" in text
