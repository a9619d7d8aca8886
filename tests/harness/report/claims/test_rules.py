"""Each rule, once for each verdict that it can lead to. The figures are known from how the records were made."""

import math
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.stats

from bench.records.record import Record
from harness.report.tables.all import tables
from tests import factories
from tests.factories import cell
from tests.harness.report.claims.runs import LOUD, bits, hellos, invalid, on_gpu, row, run, timed

CLAIMED = {"tensorflow": 8, "keras_tensorflow": 4, "torch": 10, "fastai": 2}
HELLO_MODES = ("fastai fit", "keras_tensorflow fit", "tensorflow eager", "torch eager")
HOLDS, FAILS, NOT_TOLD = "holds", "does not hold here", "not told"


class TestLinesOfCode:
    def test_holds_with_the_claimed_counts_and_one_line_more_or_less(self) -> None:
        exact = row("lines-of-code", hellos(CLAIMED))
        assert (exact.verdict, exact.needs) == (HOLDS, "")
        assert "TensorFlow 8, claimed 8 (agrees)" in exact.measured
        assert row("lines-of-code", hellos(CLAIMED | {"torch": 11, "fastai": 3})).verdict == HOLDS

    def test_does_not_hold_where_one_count_is_two_lines_off(self) -> None:
        found = row("lines-of-code", hellos(CLAIMED | {"torch": 12}))
        assert found.verdict == FAILS
        assert "PyTorch 12, claimed 10 (contradicts)" in found.measured
        assert "their order as claimed (agrees)" in found.measured

    def test_does_not_hold_where_two_have_as_many(self) -> None:
        found = row("lines-of-code", hellos(CLAIMED | {"fastai": 3, "keras_tensorflow": 3}))
        assert found.verdict == FAILS
        assert "their order not as claimed (contradicts)" in found.measured
        assert found.measured.count("contradicts") == 1

    def test_is_not_told_without_all_four(self) -> None:
        found = row("lines-of-code", hellos({"torch": 10, "fastai": 2}))
        assert (found.verdict, found.needs) == (NOT_TOLD, "results of TensorFlow and Keras")

    def test_a_first_look_can_tell_it(self) -> None:
        assert row("lines-of-code", hellos(CLAIMED), profile="quick", blocks=1).verdict == HOLDS


class TestSameAccuracy:
    def test_holds_where_all_four_end_within_the_tolerance(self) -> None:
        found = row("same-accuracy", hellos(CLAIMED, weight=2.99, bias=2.001))
        assert found.verdict == HOLDS
        assert "fastai 2.990 and 2.001 (agrees)" in found.measured

    def test_does_not_hold_where_one_ends_elsewhere(self) -> None:
        records = hellos({"torch": 10, "tensorflow": 8, "keras_tensorflow": 4})
        found = row("same-accuracy", [*records, *hellos({"fastai": 2}, weight=2.5, within_tolerance=False)])
        assert found.verdict == FAILS
        assert "fastai 2.500 and 2.000 (contradicts)" in found.measured

    def test_is_not_told_where_one_failed(self) -> None:
        *good, bad = hellos(CLAIMED)
        failed = type(bad)(cell=bad.cell, block=1, position=1, status="failed", reason="import: exit code 1")
        found = row("same-accuracy", [*good, failed])
        assert (found.verdict, found.needs) == (NOT_TOLD, "results of fastai")
        assert "Without a result: fastai hello: failed" in found.measured


class TestConvenienceCosts:
    RECORDS = hellos(CLAIMED)

    def test_holds_where_of_any_two_the_one_with_fewer_lines_takes_longer(self) -> None:
        steps = timed(dict(zip(HELLO_MODES, (4000, 2000, 1000, 100), strict=True)))
        found = row("convenience-costs", [*self.RECORDS, *steps])
        assert found.verdict == HOLDS
        assert found.measured.count("agrees") == 6
        assert "fastai (2 lines) ÷ Keras (4) 2.00×" in found.measured

    def test_does_not_hold_where_one_with_fewer_lines_is_faster(self) -> None:
        steps = timed(dict(zip(HELLO_MODES, (500, 2000, 1000, 100), strict=True)))
        found = row("convenience-costs", [*self.RECORDS, *steps])
        assert found.verdict == FAILS
        assert found.measured.count("contradicts") == 2

    def test_two_with_as_many_lines_are_not_compared(self) -> None:
        steps = timed(dict(zip(HELLO_MODES, (500, 2000, 1000, 100), strict=True)))
        found = row("convenience-costs", [*hellos(dict.fromkeys(CLAIMED, 7) | {"torch": 9}), *steps])
        assert found.measured.count("÷") == 1 + 3
        assert found.verdict == HOLDS

    def test_is_not_told_of_a_first_look(self) -> None:
        steps = timed(dict(zip(HELLO_MODES, (4000, 2000, 1000, 100), strict=True)))
        found = row("convenience-costs", [*self.RECORDS, *steps], profile="quick")
        assert (found.verdict, found.needs) == (NOT_TOLD, "six blocks")
        assert "agrees" not in found.measured

    def test_cells_of_a_work_that_is_no_regression_are_none(self) -> None:
        steps = timed({"torch eager": 100, "fastai fit": 500}, workload="mlp", size="S")
        assert row("convenience-costs", [*self.RECORDS, *steps]).verdict is None


class TestStaticGraph:
    def test_holds_where_every_graph_is_faster_and_says_by_how_much(self) -> None:
        records = timed({
            "torch eager": 100, "torch compile": 50, "tensorflow eager": 900, "tensorflow function": 300,
            "jax op-by-op": 800, "jax jit": 20,
        })  # fmt: skip
        found = row("static-graph", records)
        assert found.verdict == HOLDS
        for figure in ("PyTorch compile 2.00×", "TensorFlow function 3.00×", "JAX jit 40.0×"):
            assert figure in found.measured

    def test_the_interval_is_student_s_of_the_ratios_by_block(self) -> None:
        records = timed({"torch eager": 100, "torch compile": 50}, noise=0.02)
        steps = {
            mode: [one.timing.round_ns[0] for one in records if one.cell.mode == mode and one.timing]
            for mode in ("eager", "compile")
        }
        logs = np.log(np.divide(steps["eager"], steps["compile"]))
        half = scipy.stats.t.ppf(1 - 0.035 / 2, 5) * logs.std(ddof=1) / math.sqrt(6)
        low, value, high = np.exp([logs.mean() - half, logs.mean(), logs.mean() + half])
        assert (
            f"PyTorch compile {value:.2f}× ({low:.2f} to {high:.2f}, agrees)" in row("static-graph", records).measured
        )

    def test_does_not_hold_where_one_graph_is_slower(self) -> None:
        modes = {"torch eager": 100, "torch compile": 130, "tensorflow eager": 900, "tensorflow function": 300}
        found = row("static-graph", timed(modes))
        assert found.verdict == FAILS
        assert found.measured.count("agrees") == found.measured.count("contradicts") == 1

    def test_does_not_hold_where_one_is_as_fast(self) -> None:
        found = row("static-graph", timed({"torch eager": 100, "torch torchscript": 100}, noise=0.001))
        assert found.verdict == FAILS

    def test_is_not_told_where_the_interval_is_wide(self) -> None:
        found = row("static-graph", timed({"torch eager": 100, "torch compile": 90}, noise=LOUD))
        assert (found.verdict, found.needs) == (NOT_TOLD, "more blocks")

    @pytest.mark.parametrize(("profile", "blocks"), [("quick", 6), ("default", 5)])
    def test_a_first_look_never_says_holds(self, profile: str, blocks: int) -> None:
        records = timed({"torch eager": 100, "torch compile": 50}, blocks=blocks)
        assert row("static-graph", records, profile=profile, blocks=blocks).verdict == NOT_TOLD

    def test_five_blocks_of_a_run_of_six_are_too_few(self) -> None:
        records = timed({"torch eager": 100, "torch compile": 50}, blocks=5)
        assert row("static-graph", records).verdict == NOT_TOLD

    def test_inference_is_no_step_of_it(self) -> None:
        assert row("static-graph", timed({"torch eager": 100, "torch compile": 50}, optimizer="none")).verdict is None

    def test_an_invalid_cell_is_not_used_and_named(self) -> None:
        records = [*timed({"torch eager": 100}), *invalid(cell(mode="compile"))]
        found = row("static-graph", records)
        assert (found.verdict, found.needs) == (NOT_TOLD, "a result of these cells")
        assert found.measured == "Without a result: PyTorch compile: invalid"

    def test_is_compared_on_the_same_work_only(self) -> None:
        records = [*timed({"torch eager": 100}, optimizer="sgd"), *timed({"torch compile": 50})]
        assert row("static-graph", records).verdict is None

    def test_of_many_works_the_range_and_how_many_agree(self) -> None:
        works = {"mlp": 50, "convnet": 80, "pointwise": 125, "transformer": 90, "regression": 250}
        records = [
            one
            for workload, step_us in works.items()
            for one in timed({"torch eager": 100, "torch compile": step_us}, workload=workload)
        ]
        found = row("static-graph", records)
        assert found.verdict == FAILS
        assert found.measured.endswith(
            "PyTorch compile 0.400× to 2.00× on 5 works (3 agree, 2 contradict: pointwise 0.800× and regression 0.400×)"
        )


class TestGpuMemory:
    AHEAD = (
        on_gpu("tensorflow", before=70, peak=71, allocated=0.1),
        on_gpu("jax", before=60, peak=60, allocated=0.1, mode="jit"),
    )

    def test_holds_where_two_hold_a_pool_before_the_model_and_pytorch_little_more_than_it_hands_out(self) -> None:
        found = row("gpu-memory", [*self.AHEAD, on_gpu("torch", before=0.5, peak=8.6, allocated=8)], device="cuda")
        assert found.verdict == HOLDS
        for figure in ("TensorFlow 70 GiB", "PyTorch 614 MiB", "JAX 60 GiB"):
            assert figure in found.measured

    def test_does_not_hold_where_pytorch_holds_more(self) -> None:
        records = [*self.AHEAD, on_gpu("torch", before=0.5, peak=12, allocated=8)]
        assert row("gpu-memory", records, device="cuda").verdict == FAILS

    def test_does_not_hold_where_jax_has_no_pool(self) -> None:
        torch = on_gpu("torch", before=0.5, peak=1, allocated=0.4)
        jax = on_gpu("jax", before=0.5, peak=60, allocated=50)
        assert row("gpu-memory", [self.AHEAD[0], torch, jax], device="cuda").verdict == FAILS

    def test_is_not_told_without_one_of_them(self) -> None:
        found = row("gpu-memory", self.AHEAD, device="cuda")
        assert (found.verdict, found.needs) == (NOT_TOLD, "results of PyTorch")

    def test_has_no_cells_on_a_processor(self) -> None:
        found = row("gpu-memory", timed({"torch eager": 100, "jax jit": 10}))
        assert (found.verdict, found.measured) == (None, "")
        assert found.command.endswith("--device cuda")


class TestTrainerOverhead:
    def both(self, regression: float, mlp: float, **changes: Any) -> list:  # type: ignore[type-arg]
        return [
            *timed({"torch eager": 100, "lightning fit": 100 * regression}, **changes),
            *timed({"torch eager": 9000, "lightning fit": 9000 * mlp}, workload="mlp", size="L", **changes),
        ]

    def test_holds_where_it_is_at_most_a_tenth_on_the_largest_work_and_shows_the_others(self) -> None:
        found = row("trainer-overhead", self.both(8, 1.05))
        assert found.verdict == HOLDS
        assert "fit ÷ PyTorch eager 1.05×" in found.measured
        assert "smaller works 8.00×" in found.measured
        assert found.measured.count("agrees") == 1

    def test_does_not_hold_where_it_is_more(self) -> None:
        assert row("trainer-overhead", self.both(1.05, 1.3)).verdict == FAILS

    def test_the_regression_counts_where_it_is_all_there_is(self) -> None:
        assert row("trainer-overhead", timed({"torch eager": 100, "lightning fit": 800})).verdict == FAILS

    def test_is_not_told_at_the_threshold_or_where_the_interval_is_wide(self) -> None:
        assert row("trainer-overhead", self.both(8, 1.1)).verdict == NOT_TOLD
        assert row("trainer-overhead", self.both(8, 1.05, noise=LOUD)).verdict == NOT_TOLD

    def test_has_no_cells_without_pytorch(self) -> None:
        assert row("trainer-overhead", timed({"lightning fit": 800})).verdict is None


class TestLargeBatches:
    def sizes(self, *ratios: float, **changes: Any) -> list:  # type: ignore[type-arg]
        """JAX's step ÷ PyTorch's at S, M and L."""
        return [
            one
            for size, ratio in zip(("S", "M", "L"), ratios, strict=False)
            for one in timed({"torch compile": 1000, "jax jit": 1000 * ratio}, workload="mlp", size=size, **changes)
        ]

    def test_holds_where_jax_is_ahead_at_the_largest_size_by_more_than_at_the_smallest(self) -> None:
        found = row("large-batches", self.sizes(0.9, 2.0, 0.6))
        assert found.verdict == HOLDS
        assert "at mlp L 0.600×" in found.measured
        assert "change, mlp L over mlp S 0.667×" in found.measured

    @pytest.mark.parametrize("ratios", [(0.5, 0.6), (1.8, 1.2)], ids=["ahead by less", "behind by less"])
    def test_does_not_hold_where_one_of_both_is_not_so(self, ratios: tuple[float, ...]) -> None:
        assert row("large-batches", self.sizes(*ratios)).verdict == FAILS

    def test_is_not_told_where_the_interval_is_wide(self) -> None:
        assert row("large-batches", self.sizes(0.9, 0.6, noise=LOUD)).verdict == NOT_TOLD

    def test_one_size_is_none(self) -> None:
        assert row("large-batches", self.sizes(0.9)).verdict is None


class TestCompileIsClose:
    def test_holds_where_it_takes_at_most_a_quarter_more(self) -> None:
        found = row("compile-is-close", timed({"torch compile": 110, "tensorflow function": 100}))
        assert found.verdict == HOLDS
        assert "÷ TensorFlow function 1.10×" in found.measured
        assert row("compile-is-close", timed({"torch compile": 10, "tensorflow session": 100})).verdict == HOLDS

    def test_does_not_hold_where_it_takes_more(self) -> None:
        assert row("compile-is-close", timed({"torch compile": 140, "tensorflow session": 100})).verdict == FAILS

    def test_is_not_told_at_the_threshold(self) -> None:
        assert row("compile-is-close", timed({"torch compile": 125, "tensorflow function": 100})).verdict == NOT_TOLD

    def test_has_no_cells_without_a_static_graph(self) -> None:
        assert row("compile-is-close", timed({"torch compile": 140, "jax jit": 100})).verdict is None


class TestSameBallpark:
    def test_holds_where_no_two_are_more_than_twice_apart(self) -> None:
        found = row("same-ballpark", timed({"torch compile": 100, "tensorflow xla": 150, "jax jit": 90}))
        assert found.verdict == HOLDS
        assert "TensorFlow xla and JAX jit 1.67×" in found.measured
        assert found.measured.count("agrees") == 3

    @pytest.mark.parametrize("jax", [30, 350], ids=["faster", "slower"])
    def test_does_not_hold_where_one_is_more_than_twice_as_fast_or_slow(self, jax: float) -> None:
        found = row("same-ballpark", timed({"torch compile": 100, "tensorflow xla": 150, "jax jit": jax}))
        assert found.verdict == FAILS

    def test_is_not_told_at_the_threshold(self) -> None:
        assert row("same-ballpark", timed({"torch compile": 100, "jax jit": 50})).verdict == NOT_TOLD

    def test_has_no_cells_with_one_of_them(self) -> None:
        assert row("same-ballpark", timed({"torch compile": 100, "torch eager": 90})).verdict is None


class TestDeterministic:
    def test_holds_where_all_cells_have_the_same_bits(self) -> None:
        found = row("deterministic", bits(("torch eager", "torch compile", "jax jit"), equal=True))
        assert found.verdict == HOLDS
        assert "PyTorch 2 of 2 over 2 processes (agrees)" in found.measured

    def test_does_not_hold_where_a_framework_has_none(self) -> None:
        records = [*bits(("torch eager",), equal=False), *bits(("jax jit",), equal=True)]
        found = row("deterministic", records)
        assert found.verdict == FAILS
        assert "PyTorch 0 of 1 over 2 processes, not eager (contradicts)" in found.measured

    def test_is_not_told_where_some_differ_and_names_them(self) -> None:
        records = [*bits(("torch eager", "jax jit"), equal=True), *bits(("torch compile",), equal=False)]
        found = row("deterministic", records)
        assert found.verdict == NOT_TOLD
        assert "PyTorch 1 of 2 over 2 processes, not compile (not told)" in found.measured

    def test_is_not_told_without_one_of_them(self) -> None:
        found = row("deterministic", bits(("torch eager",), equal=True))
        assert (found.verdict, found.needs) == (NOT_TOLD, "results of JAX")

    def test_one_process_checks_nothing(self) -> None:
        assert row("deterministic", bits(("torch eager", "jax jit"), equal=True, replicates=1)).verdict is None


class TestOnnxInference:
    """No version has such cells yet: ONNX Runtime runs the regression, which has no forward pass alone."""

    def both(self, ratio: float, **changes: Any) -> list:  # type: ignore[type-arg]
        return [
            *timed({"onnxruntime from-torch": 100 * ratio}, **changes),
            *timed({"torch eager": 100}, optimizer="none", **changes),
        ]

    def test_holds_where_it_takes_at_most_a_quarter_more(self) -> None:
        found = row("onnx-inference", self.both(1.1))
        assert found.verdict == HOLDS
        assert "from-torch ÷ PyTorch eager 1.10×" in found.measured

    def test_does_not_hold_where_it_takes_more(self) -> None:
        assert row("onnx-inference", self.both(1.5)).verdict == FAILS

    def test_is_not_told_at_the_threshold(self) -> None:
        assert row("onnx-inference", self.both(1.25)).verdict == NOT_TOLD

    def test_a_training_step_or_another_source_is_none(self) -> None:
        runtime = timed({"onnxruntime from-torch": 100})
        assert row("onnx-inference", [*runtime, *timed({"torch eager": 100})]).verdict is None
        assert row("onnx-inference", [*runtime, *timed({"jax jit": 100}, optimizer="none")]).verdict is None

    def test_is_told_of_trained_models_at_each_batch_by_itself(self) -> None:
        found = row("onnx-inference", [*self.at(1, 1.1), *self.at(256, 1.5)])
        assert found.verdict == FAILS
        assert "batch 1 1.10×" in found.measured
        assert "batch 256 1.50×" in found.measured

    def test_two_batches_are_not_compared_with_each_other(self) -> None:
        runtime = timed({"onnxruntime from-torch": 100}, optimizer="none", batch=1)
        own = timed({"torch eager": 100}, optimizer="none", batch=256)
        assert row("onnx-inference", [*runtime, *own]).verdict is None

    def test_a_path_without_a_result_is_named(self) -> None:
        broken = invalid(cell(framework="onnxruntime", mode="from-jax", optimizer="none", batch=1))
        found = row("onnx-inference", [*timed({"jax jit": 100}, optimizer="none", batch=1), *broken])
        assert (found.verdict, found.measured) == (NOT_TOLD, "Without a result: ONNX Runtime from-jax: invalid")

    def at(self, batch: int, ratio: float) -> list:  # type: ignore[type-arg]
        own = timed({"torch eager": 100}, optimizer="none", batch=batch)
        return [*timed({"onnxruntime from-torch": 100 * ratio}, optimizer="none", batch=batch), *own]


class TestFeedingData:
    """From records TensorFlow's fastest pipeline is to be ahead, from memory PyTorch's."""

    def runs(self, slower: dict[str, float], **changes: Any) -> list[Record]:
        """Six blocks of pipelines, called as "torch memory", each so many times as slow as 100 µs a sample."""
        return [
            factories.streamed(*name.split(), block=block, slower=times * (1 + block % 3 / 1000), **changes)
            for block in range(1, 7)
            for name, times in slower.items()
        ]

    AHEAD: ClassVar = {
        "tensorflow records-0": 3.0,
        "tensorflow records-autotune": 1.0,
        "torch records-0": 2.0,
        "tensorflow memory": 2.0,
        "torch memory": 1.0,
    }

    def test_holds_where_the_fastest_of_each_is_ahead_in_its_place(self) -> None:
        found = row("feeding-data", self.runs(self.AHEAD))
        assert found.verdict == "holds"
        assert "from records, TensorFlow ÷ PyTorch 0.500×" in found.measured
        assert "from memory, PyTorch ÷ TensorFlow 0.500×" in found.measured

    def test_one_place_that_contradicts_is_enough(self) -> None:
        found = row("feeding-data", self.runs({**self.AHEAD, "torch records-2-workers": 0.5}))
        assert found.verdict == "does not hold here"
        assert "2.00×" in found.measured

    def test_without_one_of_the_places_it_is_not_told(self) -> None:
        records = {name: times for name, times in self.AHEAD.items() if "records" in name}
        found = row("feeding-data", self.runs(records))
        assert found.verdict == "not told"
        assert "memory in both" in found.needs

    def test_without_cells_the_row_has_the_command(self) -> None:
        found = row("feeding-data", timed({"torch eager": 100}))
        assert (found.verdict, found.measured) == (None, "")
        assert found.command == "samestep run --framework tensorflow,torch --stream 64MB"

    def test_the_table_is_shown_though_no_step_was_timed(self) -> None:
        found = run(self.runs(self.AHEAD))
        assert not found.is_timed
        shown = {table.name for table in tables(found).shown(found)}
        assert {"streaming", "claims"} <= shown
        assert "steps" not in shown
