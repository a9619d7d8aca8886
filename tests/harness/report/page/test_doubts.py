"""What a reader cannot trust: each cell without a result, each warning, and how far the session tells things."""

from harness.report import overview
from harness.report.page.doubts import Doubts, doubts
from harness.report.tables.all import tables
from harness.validity.results import Run
from tests.factories import cell, record, run
from tests.harness.report.example import BROKEN, PROBLEMS, example


def of(shown: Run) -> Doubts:
    computed = tables(shown)
    return doubts(shown, computed, overview.cells(shown, computed))


def test_every_cell_without_a_result_is_there_with_its_reason() -> None:
    found = of(example())
    without = [one for one in overview.cells(example(), tables(example())) if one.status != "ok"]
    assert len(found.anchors) == len(without) == len(BROKEN) + len(PROBLEMS)
    assert {entry.status for entry in found.without} == {"skipped", "failed", "invalid", "timeout"}
    reasons = " ".join(entry.reason for entry in found.without)
    assert "libcudart.so.13" in reasons
    assert "Keras on TensorFlow batch-jit" in {entry.names for entry in found.without}


def test_cells_of_one_reason_are_one_entry() -> None:
    shown = run([record(cell(mode=mode), status="skipped", reason="no device") for mode in ("a", "b")])
    (entry,) = of(shown).without
    assert entry.names == "Torch a and b"
    assert set(of(shown).anchors.values()) == {entry.anchor}


def test_a_reason_that_names_the_workload_is_one_entry_for_all_of_them() -> None:
    shown = run([
        record(cell(workload=name), status="skipped", reason=f"torch does not express the {name}")
        for name in ("mlp", "convnet")
    ] + [record(cell(workload="pointwise"), status="skipped", reason="the mlp is another workload")])  # fmt: skip
    first, second = of(shown).without
    assert (first.reason, first.names) == ("torch does not express the convnet and mlp", "Torch eager (convnet, mlp)")
    assert second.reason == "the mlp is another workload"
    assert len(of(shown).anchors) == 3


def test_the_worst_come_first() -> None:
    order = [entry.status for entry in of(example()).without]
    assert order.index("invalid") < order.index("skipped")


def test_a_warning_of_all_cells_lists_none() -> None:
    shown = run([record(block=block) for block in (1, 2)], blocks=2)
    few = next(entry for entry in of(shown).warned if entry.flag.name == "B<6")
    assert (few.cells, few.names) == ("all 1 cell", "")


def test_says_what_a_verdict_requires() -> None:
    assert any("noise floor" in sentence for sentence in of(example()).sentences)
    assert of(run([record()], blocks=1)).sentences == ("1 block is a first look: no verdicts.",)
