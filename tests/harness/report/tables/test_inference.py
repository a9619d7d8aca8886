"""The tables of inference: by hand, from a few records."""

import csv
import dataclasses
import io
from typing import Any

import pytest

from bench.records.record import Classes, ColdStart, Record
from harness.report.exporters.csv import to_csv
from harness.report.tables.all import Tables, tables
from tests import factories
from tests.factories import phases, repeat
from tests.harness.report import inferring
from tests.harness.report.inferring import calls, cell, export

OWN, ENGINE = cell("torch", "eager"), cell("onnxruntime", "from-torch")


def rows(*records: Record, table: str = "inference") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(found(*records).named(table)))))


def found(*records: Record) -> Tables:
    return tables(inferring.run(records))


def both(blocks: int = 2) -> list[Record]:
    of_block = [(calls(OWN, 100_000, block=n), calls(ENGINE, 50_000, block=n)) for n in range(1, blocks + 1)]
    return [record for pair in of_block for record in pair]


def test_a_path_has_its_time_its_artifact_and_what_it_saves() -> None:
    own, engine = rows(*both(), export("torch"))
    assert (own["exporter"], own["format"], own["artifact_bytes"], own["export_ms"]) == ("", "", "", "")
    assert (own["speedup_vs_own"], own["break_even_calls"]) == ("", "")
    assert (engine["exporter"], engine["format"], engine["own_mode"]) == ("torch", "onnx", "eager")
    assert (engine["latency_us"], engine["samples_per_s"], engine["batch"]) == ("50", "20000", "1")
    assert (engine["artifact_bytes"], engine["export_ms"]) == (str(5 << 19), "2000")
    assert engine["artifact_sha256"].startswith("torch-onnx")
    assert float(engine["speedup_vs_own"]) == pytest.approx(2)
    assert engine["break_even_calls"] == "40000"  # 2 s, at 50 µs a call
    assert engine["deviation"] == "1.5e-06"


def test_a_call_that_is_no_faster_never_pays_its_export_back() -> None:
    records = [calls(OWN, 50_000 + n, block=n) for n in (1, 2)] + [calls(ENGINE, 60_000, block=n) for n in (1, 2)]
    _, engine = rows(*records, export("torch"))
    assert engine["break_even_calls"] == "never"


def test_an_export_of_unknown_time_is_not_paid_back() -> None:
    _, engine = rows(*both(), export("torch", export_ns=None))  # type: ignore[arg-type]
    assert (engine["break_even_calls"], engine["export_ms"]) == ("", "")
    assert float(engine["speedup_vs_own"]) == pytest.approx(2)


def test_it_is_compared_with_the_exporter_s_fastest_forward_pass_at_the_same_work() -> None:
    others = [
        calls(cell("torch", "compile"), 80_000),
        calls(cell("torch", "compile", batch=256), 10_000),  # another batch
        calls(cell("torch", "compile", size="M"), 10_000),  # another size
        calls(cell("torch", "compile", precision="bfloat16"), 10_000),  # another precision
        calls(cell("jax", "jit"), 10_000),  # another framework
        calls(cell("torch", "compile", workload="convnet"), 10_000, status="invalid", reason="wrong"),
    ]
    found_rows = rows(calls(OWN, 100_000), calls(ENGINE, 50_000), *others)
    (engine,) = (row for row in found_rows if row["framework"] == "onnxruntime")
    assert engine["own_mode"] == "compile"
    assert float(engine["speedup_vs_own"]) == pytest.approx(1.6)


def test_the_tail_is_of_all_rounds_of_all_replicates() -> None:
    _, engine = rows(*both())
    assert (engine["p99_us"], engine["p99_rounds"], engine["p99_missing"]) == ("50", "120", "")
    _, engine = rows(*both(blocks=1))
    assert (engine["p99_us"], engine["p99_missing"]) == ("", "60 rounds, fewer than 100")


def test_a_call_in_a_hundred_that_is_held_up_does_not_move_the_median_but_two_are_the_tail() -> None:
    slow = calls(ENGINE, 50_000, timing={"round_ns": (50_000,) * 118 + (900_000,) * 2})
    (engine,) = rows(slow)
    assert (engine["latency_us"], engine["p99_us"]) == ("50", "900")


def test_what_is_lost_stands_beside_what_is_won() -> None:
    """int8 is compared with the exporter's float32, the only one that it has."""
    int8 = cell("onnxruntime", "from-torch-int8", precision="int8")
    classes = Classes(labels=16, loss=0.51, reference_loss=0.5, correct=0.75, reference_correct=0.875, agreement=0.984)
    lossy = factories.accuracy(max_loss_deviation=0.1, rms_deviation=0.02, classes=classes)
    modes = (("from-torch", "torch", "onnx"), ("from-torch-int8", "torch", "onnx_int8"))
    frameworks = (inferring.TORCH, inferring.engine("onnxruntime", "ONNX Runtime", *modes))
    records = [calls(OWN, 100_000), calls(int8, 25_000, accuracy=lossy), export("torch", "onnx_int8")]
    table = tables(inferring.run(records, frameworks)).inference
    own, engine = csv.DictReader(io.StringIO(to_csv(table)))
    assert float(engine["speedup_vs_own"]) == pytest.approx(4)
    assert (engine["rms_deviation"], engine["agreement"], engine["labels"]) == ("0.02", "0.984", "16")
    assert (engine["loss"], engine["reference_loss"]) == ("0.51", "0.5")
    assert (engine["correct"], engine["reference_correct"]) == ("0.75", "0.875")
    assert (own["agreement"], own["loss"]) == ("", ""), "its record has no classes"
    shown = {f"{column.heading} {column.unit}": column for column in table.columns if column.heading and not column.key}
    (row,) = (row for row in table.rows if row.classes)
    texts = {name: column.format(column.get(row)) for name, column in shown.items()}
    assert texts["same class as float64"] == "98.4 %"
    assert texts["loss − float64's"] == "+0.01"
    assert texts["correct − float64's"] == "-12 %"
    hint = shown["correct − float64's"].hint
    assert hint
    assert hint(row) == "75.0 %, float64's 87.5 %; of 16 labels"


def test_a_wrong_path_has_no_time_and_keeps_its_deviation() -> None:
    wrong = factories.record(
        ENGINE, status="invalid", reason="it deviates", accuracy=factories.accuracy(max_loss_deviation=2.5)
    )
    (engine,) = rows(wrong)
    assert (engine["status"], engine["latency_us"], engine["p99_us"], engine["deviation"]) == ("invalid", "", "", "2.5")


def test_rows_at_the_workload_s_own_batch_are_not_in_it() -> None:
    plain = calls(cell("torch", "eager", batch=0), 100_000)
    assert rows(plain) == rows(plain, table="cold_start") == []


def test_what_stands_behind_the_tails_is_said_once() -> None:
    assert found(*both()).inference.remarks == (
        "p99 is that of 120 single calls from 2 processes together, none left out but those right after a switch"
        " of processes. In 2 rows the rounds are too few to bound it from above.",
    )
    assert found(calls(ENGINE, 50_000)).inference.remarks == ()
    (alone,) = found(calls(ENGINE, 50_000, rounds=1000)).inference.remarks
    assert alone.startswith("p99 is that of 1,000 single calls from 1 process, none left out")


def test_two_exporters_that_write_the_same_bytes_are_named() -> None:
    """As where one model was handed to two paths by mistake."""
    one, other = export("torch"), export("jax")
    assert one.export
    other = dataclasses.replace(other, export=one.export)
    engines = [calls(ENGINE, 50_000), calls(cell("onnxruntime", "from-jax"), 50_000)]
    (remark,) = found(*engines, one, other).inference.remarks
    assert remark == "The same bytes were exported twice: PyTorch mlp S and JAX mlp S."


class TestColdStart:
    def test_its_parts_and_their_sum(self) -> None:
        (row,) = rows(calls(ENGINE, 50_000), table="cold_start")
        assert [row[f"{name}_ms"] for name in ("startup", "import", "load", "first", "total")] == [
            "300", "85", "12", "3", "400",
        ]  # fmt: skip

    def test_a_record_without_the_time_to_load_has_no_sum(self) -> None:
        (row,) = rows(calls(ENGINE, 50_000, timing={"load_ns": None}), table="cold_start")
        assert (row["load_ms"], row["total_ms"], row["first_ms"]) == ("", "", "3")

    def test_it_is_of_the_smallest_batch_of_each_work(self) -> None:
        batches = [calls(cell("torch", "eager", batch=batch), 50_000) for batch in (32, 1, 256)]
        other = calls(cell("torch", "eager", batch=32, workload="convnet"), 50_000)
        shown = [(row["workload"], row["batch"]) for row in rows(*batches, other, table="cold_start")]
        assert sorted(shown) == [("convnet", "32"), ("mlp", "1")]

    def test_on_an_emptied_page_cache_it_is_another_process_and_shows_what_that_read(self) -> None:
        timed = calls(ENGINE, 50_000)
        start = ColdStart(load_ns=40_000_000, first_step_ns=9_000_000, read_bytes=36 << 20)
        emptied = dataclasses.replace(
            timed,
            cell=dataclasses.replace(ENGINE, track="cold"),
            timing=None,
            cold=start,
            phases=phases(import_ns=200_000_000, device_ns=1_000_000),
        )
        (row,) = rows(timed, emptied, table="cold_start")
        names = ("import_ms", "load_ms", "first_ms", "together_ms", "read_bytes")
        assert [row[f"emptied_{name}"] for name in names] == [
            "201", "40", "9", "250", str(36 << 20),
        ]  # fmt: skip
        assert (row["load_ms"], row["emptied_missing"]) == ("12", "")

        def why(**changes: Any) -> str:
            (row,) = rows(timed, dataclasses.replace(emptied, **changes), table="cold_start")
            assert row["emptied_together_ms"] == row["emptied_read_bytes"] == ""
            return row["emptied_missing"]

        unread = "nothing was read from storage: the files stayed in memory"
        assert why(cold=dataclasses.replace(start, read_bytes=0)) == unread
        uncounted = "the kernel does not count what a process reads from storage"
        assert why(cold=dataclasses.replace(start, read_bytes=None)) == uncounted
        assert why(status="skipped", reason="in a container", cold=None) == "skipped: in a container"
        assert found(timed).cold_start.remarks[-1] == (
            "No start on an emptied page cache in one row: it was not asked for (--measure time,cold)."
        )

    def test_a_warm_first_answer_is_one_that_found_warm_caches(self) -> None:
        warm = repeat(first_step_ns=1_500_000)
        (row,) = rows(calls(ENGINE, 50_000, repeats=(warm,)), table="cold_start")
        assert (row["warm_first_ms"], row["warm_missing"]) == ("1.5", "")
        again = repeat(first_step_ns=1_500_000, compile_cache="cold")
        (row,) = rows(calls(ENGINE, 50_000, repeats=(again,)), table="cold_start")
        assert (row["warm_first_ms"], row["warm_missing"]) == ("", "the second process prepared everything again")
        (row,) = rows(calls(ENGINE, 50_000), table="cold_start")
        assert row["warm_missing"] == "no second process"
