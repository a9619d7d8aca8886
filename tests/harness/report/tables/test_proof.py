"""What backs the times: proof of mode, compile cost cold and warm, reproducibility, exports; runs of older schemas."""

import csv
import dataclasses
import json
import math
from typing import Any

import pytest

from bench.catalogue import ModeOffer
from bench.records.codec import from_json
from bench.records.record import Record
from harness.report.exporters import markdown
from harness.report.exporters.csv import to_csv
from harness.report.tables.all import Tables, tables
from harness.report.tables.models import exported
from harness.report.tables.table import Table
from harness.report.view import view
from harness.store import folder
from harness.validity import results
from harness.validity.results import Run
from tests import factories
from tests.factories import accuracy, cell, environment, proof, record, repeat, run, timing
from tests.older import OLDER

EAGER, COMPILE = cell(mode="eager"), cell(mode="compile")
COMPILED = proof(mode="compile", compilations=1, compilations_timed=0, traces=1, graphs=1, cache_hits=0, cache_misses=2)
A, B = "a" * 64, "b" * 64


def read(table: Table) -> list[dict[str, str]]:  # type: ignore[type-arg]
    return list(csv.DictReader(to_csv(table).splitlines()))


def one(table: Table, **who: str) -> dict[str, str]:  # type: ignore[type-arg]
    (row,) = (row for row in read(table) if who.items() <= row.items())
    return row


def compiled(
    block: int, *repeats: object, first_ns: int = 2_004_000_000, step_ns: int = 80_000, **times: object
) -> Record:
    took = timing(round_ns=(step_ns,) * 3, first_step_ns=first_ns, cache_entries=17, **times)
    return record(COMPILE, block=block, timing=took, proof=COMPILED, repeats=tuple(repeats))


def eager(block: int, step_ns: int = 100_000) -> Record:
    return record(EAGER, block=block, timing=timing(round_ns=(step_ns,) * 3, first_step_ns=4_000_000))


class TestProof:
    def test_shows_what_was_read_back_beside_what_was_asked(self) -> None:
        told = proof(
            mode="compile", threads=1, device="cpu", precision="float32", output_device="cpu",
            output_precision="float32", compilations=3, compilations_timed=0, traces=2, graph_breaks=0,
            guard_failures=0, graphs=1, cuda_graphs=0, cuda_graphs_skipped="no CUDA", matmul_precision="highest",
            tf32=False, deterministic=True, evidence="1 graph",
        )  # fmt: skip
        used = timing(process_cpu_ns=980, process_wall_ns=1000)
        (row,) = read(tables(run([record(COMPILE, proof=told, timing=used)])).proof)
        shown = list(row.values())[row_start(row, "status") :]
        assert shown == [
            "ok", "", "proved", "compile", "cpu", "float32", "cpu", "float32", "1", "1", "0.98", "2", "3", "0", "0",
            "0", "0", "1", "0", "no CUDA", "highest", "false", "true", "1 graph", "", "", "", "",
        ]  # fmt: skip

    def test_the_replicate_that_differs_cannot_hide(self) -> None:
        odd = proof(mode="compile", compilations=4, graph_breaks=1, device="cuda:0", tf32=True)
        same = proof(mode="compile", compilations=1, graph_breaks=0, tf32=False)
        records = [record(COMPILE, block=block, proof=which) for block, which in enumerate((same, odd, same), start=1)]
        row = one(tables(run(records)).proof)
        assert (row["compilations"], row["graph_breaks"], row["tf32"]) == ("4", "1", "true")
        assert row["parameters_device"] == "cpu, cuda:0"

    def test_a_mode_that_fell_back_is_invalid_and_shows_what_ran_instead(self) -> None:
        fell = proof(mode="eager", evidence="no frame was compiled")
        wrong = record(COMPILE, block=2, proof=fell)
        wrong = dataclasses.replace(
            wrong, status="invalid", reason="mode: compile was asked for, eager ran", timing=None
        )
        row = one(tables(run([compiled(1), wrong])).proof)
        assert (row["verdict"], row["mode_found"], row["evidence"]) == (
            "invalid", "eager, compile", "no frame was compiled",
        )  # fmt: skip
        assert row["reason"] == "1 of 2 replicates: mode: compile was asked for, eager ran"

    @pytest.mark.parametrize("status", ["skipped", "failed", "timeout"])
    def test_a_cell_without_a_time_proves_nothing(self, status: str) -> None:
        row = one(tables(run([record(status=status, reason="why")])).proof)
        assert (row["verdict"], row["mode_found"], row["threads_asked"]) == ("", "", "")

    def test_threads_used_are_the_most_that_any_replicate_used(self) -> None:
        used = [timing(process_cpu_ns=cpu, process_wall_ns=1000) for cpu in (990, 1870, 1000)]
        records = [record(block=block, timing=took) for block, took in enumerate(used, start=1)]
        assert one(tables(run(records)).proof)["threads_used"] == "1.87"

    def test_what_all_rows_share_is_a_sentence_and_what_some_do_not_tell_is_said(self) -> None:
        silent = record(EAGER, proof=proof(tf32=None))
        sentence = view(tables(run([silent, compiled(1)])).proof, wide=False).common_sentence
        assert "parameters cpu float32" in sentence
        assert "compiled in rounds 0 (where reported)" in sentence

    def test_one_row_that_differs_brings_its_column_back(self) -> None:
        other = record(COMPILE, proof=dataclasses.replace(COMPILED, device="cuda:0"))
        shown = view(tables(run([record(EAGER), other])).proof, wide=False)
        assert "parameters" in {heading.text for heading in shown.values}
        assert "parameters" not in shown.common_sentence

    def test_every_column_that_people_see_is_explained(self) -> None:
        shown = view(tables(run([record()])).proof, wide=True)
        explained = {column.text for column in shown.explanations}
        columns = {f"{heading.text} {heading.unit}".strip() for heading in shown.values}
        assert columns <= explained
        assert all(column.sentence.endswith(".") for column in shown.explanations)


def row_start(row: dict[str, str], key: str) -> int:
    return list(row).index(key)


class TestCompile:
    def test_cold_and_warm_computed_by_hand(self) -> None:
        # first steps 2.004 s cold and 404 ms warm against 4 ms, 20 µs saved a step from then on: 100 000 and 20 000
        warm = repeat(first_step_ns=404_000_000, cache_hits=2, cache_misses=0, cache_entries=0)
        records = [*map(eager, (1, 2)), *(compiled(block, warm) for block in (1, 2))]
        (row,) = read(tables(run(records)).compile)
        assert list(row.values())[row_start(row, "status") :] == [
            "ok", "", "eager",
            "2004", "2", "cold", "0", "2", "17",
            "404", "2", "warm", "2", "0", "0",
            "20", "20", "20",
            "100001", "100001", "100001",
            "20001", "20001", "20001",
            "1", "1", "", "",
        ]  # fmt: skip

    def test_only_modes_that_trace_or_compile_appear_and_never_the_baseline(self) -> None:
        op_by_op = record(
            EAGER, proof=proof(compilations=40)
        )  # compiles each operation, and is what others compare with
        fused = record(cell(mode="fused"), proof=proof(mode="fused"))
        traced = record(cell(mode="torchscript"), proof=proof(mode="torchscript", traces=1))
        rows = read(tables(run([op_by_op, fused, traced, compiled(1)])).compile)
        assert {row["mode"] for row in rows} == {"torchscript", "compile"}

    def test_a_saving_that_is_not_told_pays_neither_cold_nor_warm_nor_never(self) -> None:
        records = [*map(eager, (1, 2)), compiled(1, repeat(), step_ns=99_000), compiled(2, repeat(), step_ns=100_500)]
        row = one(tables(run(records)).compile)
        assert (row["break_even_cold_steps"], row["break_even_warm_steps"]) == ("not told", "not told")
        assert float(row["saving_low_us"]) < 0 < float(row["saving_high_us"])

    def test_the_saving_s_interval_is_student_s(self) -> None:
        records = [*map(eager, (1, 2)), compiled(1, step_ns=80_000), compiled(2, step_ns=60_000)]
        row = one(tables(run(records)).compile)
        half = math.tan(math.pi / 2 * (1 - 0.035)) * 10  # µs; standard error of 20 and 40 is 10, t as in test_tables
        assert float(row["saving_us"]) == pytest.approx(30)
        assert float(row["saving_high_us"]) == pytest.approx(30 + half)

    def test_one_warm_process_gives_a_break_even_without_an_interval(self) -> None:
        warm = repeat(first_step_ns=404_000_000)
        records = [*map(eager, (1, 2, 3)), compiled(1, warm), compiled(2), compiled(3)]
        row = one(tables(run(records)).compile)
        assert (row["warm_count"], row["break_even_warm_steps"], row["break_even_warm_low"]) == ("1", "20001", "")
        assert row["break_even_cold_low"] == "100001"

    def test_a_whole_compiled_loop_is_held_to_one_step_in_the_break_even_also_when_warm(self) -> None:
        # 200 steps of 1 µs in the first call: 4.199 ms less 199 µs are the baseline's 4 ms, so it pays at once
        loop = {"steps_per_call": 200, "first_ns": 204_199_000, "step_ns": 200_000}
        warm = repeat(first_step_ns=4_199_000)
        records = [*map(eager, (1, 2)), *(compiled(block, warm, **loop) for block in (1, 2))]
        row = one(tables(run(records)).compile)
        assert row["break_even_warm_steps"] == "1"
        assert row["break_even_cold_steps"] == str(math.ceil(1 + 200_000_000 / 99_000))

    def test_calls_that_compile_after_the_first_are_in_the_first_step_and_in_the_break_even(self) -> None:
        warm = repeat(first_step_ns=404_000_000, settling_ns=(600_000_000,))
        captured = [compiled(block, warm, settling_ns=(80_000, 2_000_000_000)) for block in (1, 2)]
        found = tables(run([*map(eager, (1, 2)), *captured]))
        row = one(found.compile)
        assert (row["first_step_cold_ms"], row["cold_calls"]) == ("4004.08", "3")
        assert (row["first_step_warm_ms"], row["warm_calls"]) == ("1004", "2")
        # 4 s dearer, less the two further steps of 80 µs, at 20 µs a step
        assert row["break_even_cold_steps"] == str(math.ceil(1 + (4_004_080_000 - 2 * 80_000 - 4_000_000) / 20_000))
        assert row["break_even_warm_steps"] == str(math.ceil(1 + (1_004_000_000 - 80_000 - 4_000_000) / 20_000))
        step = one(found.steps, mode="compile")
        assert (step["first_step_ms"], step["first_calls"]) == ("4004.08", "3")
        name = "torch compile regression adam (3 calls)"
        sentence = f"Calls after the first compiled or captured, too, and count as first step: {name}."
        assert sentence in found.steps.remarks
        assert sentence in found.compile.remarks

    def test_a_mode_that_is_seen_to_capture_by_its_time_alone_has_a_row(self) -> None:
        silent = record(COMPILE, timing=timing(settling_ns=(2_000_000_000,)), proof=proof(mode="compile"))
        assert one(tables(run([eager(1), silent])).compile)["mode"] == "compile"

    def test_a_start_that_was_warm_is_not_in_the_cold_time(self) -> None:
        records = [compiled(1), compiled(2, first_ns=9_000_000, compile_cache="warm")]
        row = one(tables(run(records)).compile)
        assert (row["first_step_cold_ms"], row["cold_count"], row["cold_class"]) == ("2004", "1", "cold, warm")

    def test_a_second_process_that_compiled_anew_is_not_in_the_warm_time(self) -> None:
        row = one(tables(run([compiled(1, repeat(compile_cache="cold"))])).compile)
        assert (row["first_step_warm_ms"], row["warm_class"], row["break_even_warm_steps"]) == ("", "cold", "")

    def test_why_there_is_no_warm_start_is_told(self) -> None:
        skipped = repeat(status="skipped", reason="the mode keeps no compile cache", first_step_ns=None)
        found = tables(run([compiled(1, skipped), record(cell(mode="x"), proof=COMPILED)])).compile
        assert found.remarks == (
            "No warm first step in one row: the mode keeps no compile cache.",
            "No warm first step in one row: no second process used its caches.",
        )

    def test_an_invalid_cell_costs_nothing_that_is_told(self) -> None:
        wrong = dataclasses.replace(compiled(2), status="invalid", reason="wrong")
        row = one(tables(run([*map(eager, (1, 2)), compiled(1), wrong])).compile)
        assert (row["status"], row["first_step_cold_ms"], row["saving_us"]) == ("invalid", "", "")

    def test_each_mode_is_held_to_its_own_baseline(self) -> None:
        facts = factories.framework("torch", baseline="")
        modes = [
            ModeOffer(name=name, sentence="", baseline=f"{name[0]}-eager")
            for name in ("a-eager", "a-jit", "b-eager", "b-jit")
        ]
        shown = [
            record(cell(mode=mode), proof=proof(mode=mode, traces=1), block=block, round_ns=(step,) * 3)
            for mode, step in (("a-eager", 1000), ("a-jit", 900), ("b-eager", 100), ("b-jit", 50))
            for block in (1, 2)
        ]  # fmt: skip
        found = tables(run(shown, frameworks=(dataclasses.replace(facts, modes=tuple(modes)),)))
        assert [(row["mode"], row["baseline"], row["saving_us"]) for row in read(found.compile)] == [
            ("a-jit", "a-eager", "0.1"), ("b-jit", "b-eager", "0.05"),
        ]  # fmt: skip
        speedups = [float(row["speedup_vs_eager"]) for row in read(found.steps)]
        assert speedups == pytest.approx([1, 1000 / 900, 1, 2])


def gated(block: int, first: str = A, after: str | None = None, *repeats: object, **changes: object) -> Record:
    told = accuracy(fingerprint=first, fingerprint_after=first if after is None else after, **changes)
    return record(block=block, accuracy=told, repeats=tuple(repeats))


class TestReproducibility:
    def test_equal_everywhere(self) -> None:
        other = repeat("threads", fingerprint=A)
        row = one(tables(run([gated(1, A, A, other), gated(2), gated(3)])).reproducibility)
        assert list(row.values())[row_start(row, "status") :] == [
            "ok", "", "true", "true", "3", "true", "1", "2", "", "", "", "", "", "",
        ]  # fmt: skip

    def test_one_replicate_whose_second_run_differs_is_enough(self) -> None:
        row = one(tables(run([gated(1), gated(2, A, B)])).reproducibility)
        assert (row["one_process"], row["two_processes"]) == ("false", "true")
        assert row["largest_loss_difference"] == ""  # of the second run no losses are kept

    def test_processes_that_differ_say_by_how_much_at_most(self) -> None:
        records = [gated(1, A, losses=(4.0, 2.0, 1.0)), gated(2, B, losses=(4.0, 2.25, 0.875)), gated(3, A)]
        row = one(tables(run(records)).reproducibility)
        assert (row["one_process"], row["two_processes"], row["processes"]) == ("true", "false", "3")
        assert row["largest_loss_difference"] == "0.25"

    def test_another_number_of_threads_is_held_to_its_own_replicate(self) -> None:
        row = one(tables(run([gated(1, A, A, repeat("threads", fingerprint=B)), gated(2)])).reproducibility)
        assert (row["other_threads"], row["threads"], row["threads_of_repeat"]) == ("false", "1", "2")

    def test_what_was_not_checked_says_why(self) -> None:
        failed = repeat("threads", status="failed", reason="its process ended without a result", fingerprint="")
        found = tables(run([gated(1, A, A, failed)])).reproducibility
        assert one(found)["two_processes"] == ""
        assert one(found)["unchecked"] == (
            "processes: only one replicate; threads: failed: its process ended without a result"
        )
        assert found.remarks[0].startswith("Not checked in one row: processes: only one replicate")

    def test_nothing_is_claimed_of_an_invalid_cell(self) -> None:
        wrong = dataclasses.replace(gated(2), status="invalid", reason="wrong")
        row = one(tables(run([gated(1), wrong])).reproducibility)
        assert (row["one_process"], row["two_processes"], row["other_threads"]) == ("", "", "")

    def test_a_record_of_the_first_schema_left_no_fingerprint(self) -> None:
        assert "left no fingerprint" in one(tables(run([record(), record(block=2)])).reproducibility)["unchecked"]

    def test_threads_are_those_that_were_asked_for(self) -> None:
        told = dataclasses.replace(gated(1), environment=environment(threads=4))
        assert one(tables(run([told])).reproducibility)["threads"] == "4"


ONNX = factories.framework("onnxruntime", title="ONNX Runtime", baseline="")
ONNX = dataclasses.replace(ONNX, modes=(ModeOffer(name="from-torch", sentence="", source="torch"),))


def inferring(**changes: Any) -> Record:
    told = accuracy(losses=(), reference_losses=(), max_loss_deviation=3e-7)
    return record(
        cell(framework="onnxruntime", mode="from-torch"), accuracy=told, **{"round_ns": (1000,) * 3, **changes}
    )


class TestInference:
    RUN = run([inferring(), eager(1)], frameworks=(ONNX, factories.framework("torch", title="PyTorch")))

    def test_stands_below_all_training_and_says_so(self) -> None:
        found = tables(self.RUN)
        assert [row.cell.framework for row in found.steps.rows] == ["torch", "onnxruntime"]
        shown = view(found.steps, wide=True)
        assert [row.is_inference for row in shown.rows] == [False, True]
        assert shown.rows[1].name == "ONNX Runtime from-torch, inference"
        assert shown.remarks[0].startswith("Inference, not training: ONNX Runtime runs models that PyTorch trained")

    def test_is_compared_with_nothing(self) -> None:
        row = one(tables(self.RUN).steps, framework="onnxruntime")
        assert (row["mode"], row["step_us"], row["speedup_vs_eager"]) == ("from-torch", "1", "")
        assert read(tables(run([inferring(proof=COMPILED)], frameworks=(ONNX,))).compile) == []


class TestExports:
    def test_are_in_no_table(self) -> None:
        found = tables(run([factories.export(), record()]))
        rows: dict[str, int] = {table.name: len(read(table)) for table in found}
        with_one = ("steps", "proof", "reproducibility", "accuracy", "memory")  # the record's own
        assert {name for name, count in rows.items() if count} == {*with_one, "claims"}
        assert all(rows[name] == 1 for name in with_one)

    def test_are_listed_with_their_producer_versions_and_operators(self) -> None:
        (model,) = exported(run([factories.export()]))
        assert model.sentence == "pytorch 2.13.0, IR 10, opset 18: MatMul, Add"
        assert "- Torch: pytorch 2.13.0, IR 10, opset 18: MatMul, Add" in markdown.index(*indexed([factories.export()]))

    def test_one_that_failed_says_why(self) -> None:
        failed = factories.export(export=None, status="failed", reason="export: no rule for Erf")
        assert exported(run([failed]))[0].sentence == "failed: export: no rule for Erf"

    def test_are_not_mentioned_where_there_are_none(self) -> None:
        assert "Exported" not in markdown.index(*indexed([record()]))


def indexed(records: list[Record]) -> tuple[Run, Tables]:
    shown = run(records)
    return shown, tables(shown)


class TestOlderRuns:
    FIRST = OLDER / "20261120-cpu-quick"

    def test_a_run_of_the_first_schema_still_has_its_baselines_and_titles(self) -> None:
        found = tables(results.load(folder.RunFolder(self.FIRST)))
        keras = [row for row in found.steps.rows if row.cell.framework == "keras_tensorflow"]
        assert [(row.title, row.cell.mode, row.is_baseline) for row in keras] == [
            ("Keras", "batch-eager", True), ("Keras", "batch", False), ("Keras", "batch-jit", False),
        ]  # fmt: skip
        assert all(row.speedup is not None for row in keras)

    def test_a_record_of_the_first_schema_has_a_row_in_every_table(self) -> None:
        lines = map(json.loads, (self.FIRST / "records.jsonl").read_text().splitlines())
        line = next(line for line in lines if line["schema"] == 1 and line["cell"]["track"] == "identical")
        found = tables(run([from_json(json.dumps(line))]))
        assert all(table.rows for table in (found.steps, found.proof, found.reproducibility, found.accuracy))
