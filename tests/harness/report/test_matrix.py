"""The matrix: its rows and columns, what is best, what is shaded how, and what it says of itself."""

import pytest

from bench.catalogue import WorkloadOffer
from harness.report import matrix as module
from harness.report.matrix import Matrix, matrix, shade
from harness.report.overview import cells
from harness.report.tables.all import tables
from harness.validity.results import Run
from tests import factories
from tests.factories import cell, record, run
from tests.harness.report.example import example
from tests.harness.report.multiplied import ladders, large


def of(shown: Run) -> Matrix:
    computed = tables(shown)
    found = matrix(cells(shown, computed), computed.code.rows, shown.facts)
    assert found is not None
    return found


def two_by_two() -> Run:
    steps = {("eager", "mlp"): 400, ("compile", "mlp"): 100, ("eager", "convnet"): 300, ("compile", "convnet"): 330}
    return run([
        record(cell(mode=mode, workload=workload), block=block, round_ns=(us * 1000 + block,) * 3)
        for (mode, workload), us in steps.items()
        for block in range(1, 7)
    ])  # fmt: skip


def test_works_are_columns_and_each_has_its_best() -> None:
    found = of(two_by_two())
    assert found.has_works
    assert [column.text for column in found.columns] == ["convnet", "mlp"]
    fields = {row.mode: [(field.text, field.shade, field.is_best) for field in row.fields] for row in found.rows}
    assert fields == {
        "compile": [("330 µs", 0, False), ("100 µs", 0, True)],
        "eager": [("300 µs", 0, True), ("400 µs", 3, False)],
    }


def test_rows_come_by_their_mean_ratio_and_those_with_holes_last() -> None:
    found = of(two_by_two())
    assert [row.mode for row in found.rows] == ["compile", "eager"]  # √(1.1 · 1) < √(1 · 4)
    holes = [sum(bool(field.hole) for field in row.fields) for row in of(ladders()).rows]
    assert holes == sorted(holes)


def test_a_hole_has_its_status_and_no_shade() -> None:
    (field,) = {row.fields[0] for row in of(ladders()).rows if row.framework == "numpy"}
    assert (field.text, field.hole, field.shade) == ("skipped", "skipped", None)


def test_sizes_stand_below_their_workload_in_the_order_of_the_ladder() -> None:
    offer = WorkloadOffer(name="mlp", sentence="", sizes=("S", "M", "L"), optimizers=("adam",))
    records = [record(cell(workload="mlp", size=size)) for size in ("L", "S", "M")]
    found = of(run([*records, record(cell(workload="convnet", size="S"))], workloads=(offer,)))
    assert found.above == [("mlp", 3), ("convnet", 1)]
    assert [column.text for column in found.columns] == ["S", "M", "L", "S"]
    assert [column.key for column in found.columns] == ["mlp/S", "mlp/M", "mlp/L", "convnet/S"]


def test_with_one_work_its_measures_are_the_columns() -> None:
    found = of(example())
    assert not found.has_works
    assert [column.key for column in found.columns] == ["step", "first", "even", "memory", "lines"]
    assert found.rows[0].key == "jax:scan"
    assert found.rows[0].fields[0].is_best
    assert [row.is_inference for row in found.rows] == sorted(row.is_inference for row in found.rows)


def test_inference_is_compared_with_inference_alone() -> None:
    inference = [row for row in of(example()).rows if row.is_inference]
    assert sum(row.fields[0].is_best for row in inference) == 1
    assert any("inference alone" in sentence for sentence in of(example()).says)


def test_without_intervals_it_says_so_and_marks_nothing() -> None:
    found = of(ladders())
    assert not any(field.is_tied for row in found.rows for field in row.fields)
    assert found.says[0] == "No field has an interval (1 block), so no difference here is told from noise."


def test_first_steps_whose_intervals_overlap_are_not_told_apart() -> None:
    firsts = {"eager": (100, 110), "compile": (105, 115), "slow": (900, 910)}
    shown = run([
        record(cell(mode=mode), block=block, timing=factories.timing(first_step_ns=ms * 1_000_000))
        for mode, of_blocks in firsts.items()
        for block, ms in enumerate(of_blocks, start=1)
    ])  # fmt: skip
    tied = {row.mode: row.fields[1].is_tied for row in of(shown).rows}
    assert tied == {"eager": False, "compile": True, "slow": False}


def test_a_wide_interval_is_marked() -> None:
    shown = run([record(block=block, round_ns=(ns,) * 3) for block, ns in ((1, 100_000), (2, 900_000))])
    found = of(shown)
    assert found.rows[0].fields[0].text.startswith("~")
    assert any(sentence.startswith("~ marks") for sentence in found.says)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(0.9, 0), (1.0, 0), (1.1, 0), (1.11, 1), (2.0, 2), (2.01, 3), (10.0, 4), (100.0, 5), (1e6, 6)],
)
def test_shades(ratio: float, expected: int) -> None:
    assert shade(ratio) == expected
    assert len(module.shade_words()) == len(module.SHADES) + 1


def test_a_run_without_cells_has_none() -> None:
    computed = tables(run([]))
    assert matrix(cells(run([]), computed), computed.code.rows, run([]).facts) is None


def test_names_a_mode_once_with_its_works() -> None:
    found = cells(two_by_two(), tables(two_by_two()))
    assert module.names_in(found, found) == "Torch eager (convnet, mlp) and compile (convnet, mlp)"
    one_work = [cell for cell in found if cell.workload == "mlp"]
    assert module.names_in(one_work, one_work) == "Torch eager and compile"


def test_of_500_cells_has_25_columns_and_a_field_for_each() -> None:
    found = of(large())
    assert len(found.columns) == 25
    assert sorted(field.cell for row in found.rows for field in row.fields) == list(range(500))
