import csv
import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.catalogue import WorkloadOffer
from bench.records.record import Memory, Record
from harness import format as formats
from harness.report.exporters.csv import to_csv
from harness.report.tables.all import TABLES, tables
from harness.report.tables.table import Table
from tests import check_run, factories
from tests.factories import accuracy, cell, record, run, timing
from tests.harness.report.example import example

EAGER, COMPILE = cell(mode="eager"), cell(mode="compile")
WRONG = "the losses leave the float64 reference by 7.10e-03, more than 1e-04"


def read(table: Table) -> list[dict[str, str]]:  # type: ignore[type-arg]
    return list(csv.DictReader(to_csv(table).splitlines()))


def steps(*records: Record) -> list[dict[str, str]]:
    return read(tables(run(records)).steps)


def timed(of: object, block: int, step_ns: int, first_ns: int = 4_000_000) -> Record:
    assert isinstance(of, type(EAGER))
    return record(of, block=block, timing=timing(round_ns=(step_ns,) * 3, first_step_ns=first_ns))


class TestContract:
    """What others script against: the columns, in this order, in this spelling."""

    def test_columns_of_steps(self) -> None:
        assert tables(run([])).steps.header == (
            "framework", "mode", "workload", "optimizer", "size", "precision", "device", "allocator", "status",
            "reason", "step_us", "ci_low_us", "ci_high_us", "replicates", "rounds", "steps_per_round", "first_step_ms",
            "speedup_vs_eager", "break_even_steps", "flags", "fit_overhead_ms", "verdict", "spread_within",
            "spread_between", "rounds_shape", "replicates_invalid", "first_calls", "form", "batch", "variant",
        )  # fmt: skip

    def test_columns_of_accuracy(self) -> None:
        assert tables(run([])).accuracy.header == (
            "framework", "mode", "workload", "optimizer", "weight", "bias", "within_tolerance", "max_loss_deviation",
            "data_sha256", "init_sha256", "size", "precision", "first_loss", "last_loss", "max_parameter_deviation",
            "gradient_norm", "max_gradient_deviation", "worst_gradient", "batch", "ranks", "scaling", "variant",
        )  # fmt: skip

    def test_columns_of_memory(self) -> None:
        assert tables(run([])).memory.header == (
            "framework", "mode", "workload", "allocator", "context_bytes", "allocated_peak_bytes",
            "reserved_peak_bytes", "device_peak_bytes", "host_peak_rss_bytes", "device_allocations_warmup",
            "device_allocations_timed", "residue_bytes", "optimizer", "size", "precision", "device", "status",
            "reason", "reserved_per_allocated", "unexplained_bytes", "growth_bytes_per_step",
            "growth_low_bytes_per_step", "growth_high_bytes_per_step", "fragmentation", "emptied_bytes", "exit_bytes",
            "import_rss_bytes", "build_rss_bytes", "training_peak_rss_bytes", "host_growth_bytes_per_step",
            "host_growth_low_bytes_per_step", "host_growth_high_bytes_per_step", "host_residue_bytes", "own_bytes",
            "batch", "ranks", "scaling", "variant",
        )  # fmt: skip

    def test_columns_of_compile(self) -> None:
        assert tables(run([])).compile.header == (
            "framework", "mode", "workload", "optimizer", "size", "precision", "device", "allocator", "status",
            "reason", "baseline", "first_step_cold_ms", "cold_count", "cold_class", "cold_cache_hits",
            "cold_cache_misses", "cold_cache_entries", "first_step_warm_ms", "warm_count", "warm_class",
            "warm_cache_hits", "warm_cache_misses", "warm_cache_entries", "saving_us", "saving_low_us",
            "saving_high_us", "break_even_cold_steps", "break_even_cold_low", "break_even_cold_high",
            "break_even_warm_steps", "break_even_warm_low", "break_even_warm_high", "cold_calls", "warm_calls",
            "batch", "variant",
        )  # fmt: skip

    def test_columns_of_proof(self) -> None:
        assert tables(run([])).proof.header == (
            "framework", "mode", "workload", "optimizer", "size", "precision", "device", "allocator", "status",
            "reason", "verdict", "mode_found", "parameters_device", "parameters_dtype", "output_device",
            "output_dtype", "threads_asked", "threads_reported", "threads_used", "traces", "compilations",
            "compilations_timed", "graph_breaks", "graph_breaks_declared", "guard_failures", "graphs", "cuda_graphs",
            "cuda_graphs_skipped",
            "matmul_precision", "tf32", "deterministic", "evidence", "batch", "ranks",
            "scaling", "variant",
        )  # fmt: skip

    def test_columns_of_reproducibility(self) -> None:
        assert tables(run([])).reproducibility.header == (
            "framework", "mode", "workload", "optimizer", "size", "precision", "device", "allocator", "status",
            "reason", "one_process", "two_processes", "processes", "other_threads", "threads", "threads_of_repeat",
            "largest_loss_difference", "unchecked", "batch", "ranks", "scaling", "variant",
        )  # fmt: skip

    def test_a_script_that_checks_a_run_knows_the_same_columns(self) -> None:
        assert {table.name: ", ".join(table.header) for table in tables(run([]))} == check_run.COLUMNS

    def test_the_names_of_the_tables_are_those_on_the_command_line(self) -> None:
        assert tuple(table.name for table in tables(run([]))) == TABLES

    def test_columns_of_code(self) -> None:
        assert tables(run([])).code.header == (
            "framework", "lines", "total_seconds", "weight", "bias", "within_tolerance", "variant",
        )  # fmt: skip

    def test_a_run_without_records_is_headings_alone(self) -> None:
        assert [to_csv(table).count("\n") for table in tables(run([]))] == [1] * len(TABLES)


class TestSteps:
    def test_a_small_run_computed_by_hand(self) -> None:
        # 4 ms against 2004 ms first, 100 µs against 80 µs a step: 2 s over 20 µs is 100 000 steps after the first
        records = [timed(EAGER, block, 100_000) for block in (1, 2)]
        records += [timed(COMPILE, block, 80_000, first_ns=2_004_000_000) for block in (1, 2)]
        assert to_csv(tables(run(records)).steps).splitlines()[1:] == [
            "torch,eager,regression,adam,base,float32,cpu,default,ok,,100,100,100,2,3,1,4,1,,B<6,,,0,0,,0,1,,,",
            "torch,compile,regression,adam,base,float32,cpu,default,ok,,80,80,80,2,3,1,2004,1.25,100001,B<6,,undetermined,0,0,,0,1,,,",
        ]

    def test_the_interval_is_student_s_on_the_logarithms(self) -> None:
        (row,) = steps(timed(EAGER, 1, 100_000), timed(EAGER, 2, 400_000))
        t = math.tan(math.pi / 2 * (1 - 0.035))  # one degree of freedom, see test_stats
        assert float(row["step_us"]) == pytest.approx(200)
        assert float(row["ci_low_us"]) == pytest.approx(200 * 2**-t)
        assert float(row["ci_high_us"]) == pytest.approx(200 * 2**t)

    def test_one_replicate_has_a_time_but_no_interval(self) -> None:
        (row,) = steps(timed(EAGER, 1, 100_000))
        assert (row["step_us"], row["ci_low_us"], row["ci_high_us"]) == ("100", "", "")

    def test_a_step_that_is_not_told_to_be_faster_has_no_break_even_nor_never_one(self) -> None:
        records = [timed(EAGER, 1, 100_000), timed(EAGER, 2, 100_000), timed(COMPILE, 1, 99_000)]
        *_, row = steps(*records, timed(COMPILE, 2, 100_500))
        assert row["break_even_steps"] == "not told"
        slower = [
            timed(COMPILE, 3, 130_000),
            timed(COMPILE, 4, 130_000),
            timed(EAGER, 3, 99_000),
            timed(EAGER, 4, 99_000),
        ]
        *_, row = steps(*slower)
        assert row["break_even_steps"] == "never"

    def test_speedup_is_empty_where_the_framework_names_no_baseline(self) -> None:
        facts = factories.framework("fastai", ("fit",), baseline="")
        fit = record(cell(framework="fastai", mode="fit"))
        (row,) = read(tables(run([fit], frameworks=(facts,))).steps)
        assert (row["speedup_vs_eager"], row["break_even_steps"]) == ("", "")

    def test_speedup_is_empty_where_the_baseline_has_no_time(self) -> None:
        failed = [record(EAGER, block=block, status="failed", reason="import: exit code 1") for block in (1, 2)]
        _, row = steps(*failed, timed(COMPILE, 1, 80_000), timed(COMPILE, 2, 80_000))
        assert (row["step_us"], row["speedup_vs_eager"]) == ("80", "")

    def test_a_mode_is_compared_with_the_same_work_only(self) -> None:
        adam, sgd = timed(EAGER, 1, 100_000), timed(cell(mode="eager", optimizer="sgd"), 1, 50_000)
        rows = steps(adam, sgd, timed(cell(mode="compile", optimizer="sgd"), 1, 25_000))
        assert [(row["mode"], row["optimizer"], row["speedup_vs_eager"]) for row in rows] == [
            ("eager", "adam", "1"),
            ("eager", "sgd", "1"),
            ("compile", "sgd", "2"),
        ]

    def test_a_trainer_is_the_slope_of_its_fits(self) -> None:
        fits = timing(calls_per_round=10, round_ns=(5000, 5000), double_round_ns=(6000, 6000))
        (row,) = steps(record(timing=fits))
        assert (row["step_us"], row["steps_per_round"]) == ("0.1", "10")

    def test_a_trainer_s_overhead_is_the_intercept_of_its_fits_and_others_have_none(self) -> None:
        # fits of 10 and 20 steps: 5 and 6 ms, so 4 ms besides the steps; then 5 and 7 ms, so 3 ms
        first, second = (
            timing(calls_per_round=10, round_ns=(5_000_000,) * 2, double_round_ns=(double,) * 2)
            for double in (6_000_000, 7_000_000)
        )
        fit = cell(mode="fit")
        rows = steps(record(fit, timing=first), record(fit, block=2, timing=second), timed(EAGER, 1, 100_000))
        assert {row["mode"]: row["fit_overhead_ms"] for row in rows} == {"fit": "3.5", "eager": ""}

    def test_a_trainer_without_a_slope_has_no_time_and_says_so(self) -> None:
        flat = timing(round_ns=(5000, 5000), double_round_ns=(5000, 5000))
        row, *_ = steps(record(timing=flat), timed(EAGER, 2, 100_000))
        assert row["step_us"] == ""
        assert "NOSLOPE" in row["flags"].split()

    def test_rows_follow_the_run_s_order_of_frameworks_and_modes_not_the_order_of_the_blocks(self) -> None:
        frameworks = (factories.framework("torch", ("eager", "compile")), factories.framework("jax", ("jit",)))
        shuffled = [record(cell(framework="jax", mode="jit")), record(COMPILE), record(EAGER)]
        rows = read(tables(run(shuffled, frameworks=frameworks)).steps)
        assert [(row["framework"], row["mode"]) for row in rows] == [
            ("torch", "eager"),
            ("torch", "compile"),
            ("jax", "jit"),
        ]

    def test_optimizers_of_a_mode_stand_in_one_order_whichever_ran_first(self) -> None:
        sgd, adam = cell(optimizer="sgd"), cell(optimizer="adam")
        rows = tables(run([record(sgd), record(adam)])).steps.rows
        assert [row.cell.optimizer for row in rows] == ["adam", "sgd"]

    def test_a_cell_that_the_facts_do_not_know_still_has_a_row(self) -> None:
        assert steps(record(cell(framework="mxnet")))[0]["framework"] == "mxnet"


class TestHoles:
    @pytest.mark.parametrize("status", ["skipped", "failed", "timeout", "oom"])
    def test_a_cell_without_a_result_keeps_its_row_with_status_and_reason(self, status: str) -> None:
        (row,) = steps(record(status=status, reason="import: exit code 1"))
        assert (row["status"], row["reason"]) == (status, "import: exit code 1")
        assert {row[name] for name in ("step_us", "rounds", "first_step_ms", "speedup_vs_eager", "flags")} == {""}

    def test_an_invalid_replicate_takes_the_whole_cell_s_time_away(self) -> None:
        wrong = dataclasses.replace(timed(EAGER, 2, 100_000), status="invalid", reason=WRONG)
        (row,) = steps(timed(EAGER, 1, 100_000), wrong)
        assert (row["status"], row["reason"]) == ("invalid", f"1 of 2 replicates: {WRONG}")
        assert (row["step_us"], row["first_step_ms"], row["replicates"]) == ("", "", "0")

    def test_a_failed_replicate_leaves_the_others_numbers_and_says_how_many_failed(self) -> None:
        failed = record(EAGER, block=2, status="timeout", reason="first_step: still running after 300 s")
        (row,) = steps(timed(EAGER, 1, 100_000), failed, timed(EAGER, 3, 100_000))
        assert (row["status"], row["step_us"], row["replicates"]) == ("timeout", "100", "2")
        assert row["reason"] == "1 of 3 replicates: first_step: still running after 300 s"

    def test_the_worst_status_of_a_cell_is_told(self) -> None:
        (row,) = steps(record(status="failed", reason="x"), dataclasses.replace(record(block=2), status="invalid"))
        assert row["status"] == "invalid"


class TestAccuracy:
    def test_shows_the_replicate_farthest_from_the_reference(self) -> None:
        near = record(block=1, accuracy=accuracy(max_loss_deviation=1e-7, weight=2.99))
        far = record(block=2, accuracy=accuracy(max_loss_deviation=2e-5, weight=2.98, within_tolerance=False))
        (row,) = read(tables(run([near, far])).accuracy)
        assert (row["max_loss_deviation"], row["weight"], row["within_tolerance"]) == ("2e-05", "2.98", "false")

    def test_an_invalid_cell_shows_what_was_wrong(self) -> None:
        wrong = record(accuracy=accuracy(max_loss_deviation=7.1e-3))
        (row,) = read(tables(run([dataclasses.replace(wrong, status="invalid", reason=WRONG)])).accuracy)
        assert row["max_loss_deviation"] == "0.0071"

    def test_a_deviation_that_is_no_number_is_the_worst(self) -> None:
        nan = record(block=2, accuracy=accuracy(max_loss_deviation=math.nan))
        (row,) = read(tables(run([record(), nan])).accuracy)
        assert row["max_loss_deviation"] == "nan"

    def test_replicates_that_saw_other_bytes_cannot_hide(self) -> None:
        other = record(block=2, accuracy=accuracy(data_sha256="f" * 64))
        (row,) = read(tables(run([record(), other])).accuracy)
        assert row["data_sha256"] == f"{'0' * 64} {'f' * 64}"


class TestMemory:
    def test_the_highest_figure_of_the_replicates_in_bytes(self) -> None:
        records = [record(block=block, memory=Memory(host_peak_rss_bytes=peak)) for block, peak in ((1, 300), (2, 200))]
        (row,) = read(tables(run(records)).memory)
        assert (row["host_peak_rss_bytes"], row["context_bytes"]) == ("300", "")

    def test_every_cell_has_a_row_of_its_own(self) -> None:
        records = [record(cell(optimizer=name), memory=Memory(host_peak_rss_bytes=1)) for name in ("adam", "sgd")]
        assert [row["optimizer"] for row in read(tables(run(records)).memory)] == ["adam", "sgd"]

    def test_nothing_allocated_is_a_zero_not_a_hole(self) -> None:
        (row,) = read(tables(run([record(memory=Memory(device_allocations_timed=0))])).memory)
        assert row["device_allocations_timed"] == "0"


class TestCode:
    HELLO = factories.framework("torch", hello="import torch\n", hello_lines=14)

    def test_median_of_the_blocks_in_seconds(self) -> None:
        runs = [factories.idiomatic(block=block, total_ns=ns) for block, ns in ((1, 2_000_000_000), (2, 9_000_000_000))]
        runs.append(factories.idiomatic(block=3, total_ns=2_500_000_000))
        assert to_csv(tables(run(runs)).code).splitlines()[1:] == ["torch,14,2.5,2.99,2,true,"]

    def test_a_hello_world_that_was_not_run_still_counts_its_lines(self) -> None:
        assert to_csv(tables(run([], frameworks=(self.HELLO,))).code).splitlines()[1:] == ["torch,14,,,,,"]

    def test_a_run_of_ladders_alone_says_nothing_of_hello_worlds(self) -> None:
        ladder = WorkloadOffer(name="mlp", sentence="", sizes=("S",), optimizers=("adam",), sizes_on_cpu=("S",))
        assert not tables(run([], frameworks=(self.HELLO,), workloads=(ladder,))).code.rows

    def test_outside_the_tolerance_in_one_block_is_outside(self) -> None:
        runs = [factories.idiomatic(block=1), factories.idiomatic(block=2, within_tolerance=False)]
        (row,) = read(tables(run(runs)).code)
        assert row["within_tolerance"] == "false"

    def test_is_no_row_of_the_other_tables(self) -> None:
        found = tables(run([factories.idiomatic()]))
        assert (found.steps.rows, found.accuracy.rows, found.memory.rows) == ((), (), ())


def test_every_flag_of_the_example_has_a_letter_in_the_legend() -> None:
    found = tables(example())
    letters = {flag.letter for flag in found.steps.flags}
    assert letters == {"N", "B", "I", "S", "M"}
    assert {flag.name for flag in found.steps.flags} >= {
        name for row in read(found.steps) for name in row["flags"].split()
    }


class TestFormats:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0.0009124, "0.000912"),
            (0.912, "0.912"),
            (16.34, "16.3"),
            (99.96, "100"),
            (104.4, "104"),
            (20662.0, "20,700"),
        ],
    )
    def test_three_significant_digits(self, value: float, text: str) -> None:
        assert formats.significant(value) == text

    @given(st.floats(1e-9, 1e12))
    def test_never_off_by_more_than_half_a_digit(self, value: float) -> None:
        assert float(formats.significant(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)

    @pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -0.0])
    def test_numbers_without_digits_pass_through(self, value: float) -> None:
        assert formats.significant(value) == f"{value:g}"

    @pytest.mark.parametrize(
        "format",
        [formats.significant, formats.rounded, formats.percent, formats.whole, formats.times, formats.mebibytes,
         formats.parameter, formats.scientific, formats.beginning, formats.plain],
    )  # fmt: skip
    def test_nothing_is_a_dash_everywhere(self, format: object) -> None:
        assert callable(format)
        assert format(None) == "–"

    def test_units(self) -> None:
        assert formats.mebibytes(300 << 20) == "300"
        assert formats.times(31.46) == "31.5×"
        assert formats.times(1) == "1×"
        assert [formats.percent(share) for share in (0.00533, 0.0187, 3.1)] == ["0.53 %", "1.9 %", "310 %"]
        assert formats.rounded(299_800) == "300,000"
        assert formats.whole(6400) == "6,400"
        assert formats.beginning("7f3a91c2aa 00ff00ff11") == "7f3a91c2 00ff00ff"
        assert formats.plain(value=True) == "yes"


def test_the_example_is_the_same_every_time() -> None:
    first, second = (to_csv(tables(example.__wrapped__()).steps) for _ in range(2))
    assert first == second
