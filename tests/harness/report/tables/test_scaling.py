"""The table of data-parallel steps, and what the other tables leave to it."""

import csv
import dataclasses
import io
import math
import re

import pytest

from bench.records.record import Record
from harness.report.exporters.csv import to_csv
from harness.report.tables.all import tables
from harness.report.tables.scaling import sentence
from harness.report.tables.scaling_row import ScalingRow
from tests.factories import cell, framework, parallel, ranked, record, run, strategy
from tests.harness.report.scaled import records, scaled_run, step_us

TORCH = framework(
    "torch", ("eager", "compile"), strategies=(strategy("ddp", "eager"), strategy("ddp-compile", "compile"))
)
PLAIN = cell(workload="mlp", size="S")


def rows(*found: Record, **facts: object) -> list[dict[str, str]]:
    shown = run(found, frameworks=(TORCH,), **facts)
    return list(csv.DictReader(io.StringIO(to_csv(tables(shown).scaling))))


def plain(block: int = 1, step_us: float = 100.0) -> Record:
    return record(PLAIN, block=block, round_ns=(round(step_us * 1000),) * 3)


def of(found: list[Record], ranks: int, scaling: str = "strong", **facts: object) -> ScalingRow:
    shown = tables(run(found, frameworks=(TORCH,), **facts)).scaling.rows
    return next(row for row in shown if (row.cell.ranks, row.cell.scaling) == (ranks, scaling))


class TestFigures:
    def test_a_small_run_computed_by_hand(self) -> None:
        one, strong, weak = rows(
            plain(), ranked(1, step_us=110), ranked(2, step_us=88), ranked(2, "weak", step_us=137.5)
        )
        assert (one["efficiency"], one["plain"]) == ("", "eager")
        assert float(one["overhead"]) == pytest.approx(1.1)
        assert float(strong["efficiency"]) == pytest.approx(110 / 176)
        assert float(strong["speedup"]) == pytest.approx(110 / 88)
        assert float(strong["samples_per_s"]) == pytest.approx(256 / 88e-6)
        assert float(weak["efficiency"]) == pytest.approx(0.8)
        assert float(weak["speedup"]) == pytest.approx(1.6)
        assert float(weak["samples_per_s"]) == pytest.approx(512 / 137.5e-6)
        assert (strong["overhead"], strong["plain"]) == ("", "")
        assert float(strong["communication"]) == pytest.approx(0.2)
        assert one["communication"] == "", "one rank exchanges with nobody"
        assert [row["memory_bytes"] for row in (one, strong)] == [str(300 << 20), str(600 << 20)]
        assert (strong["start_ms"], strong["collectives"], strong["reduced_bytes"]) == ("2000", "1", str(1 << 20))
        assert (strong["backend"], strong["operations"], strong["samples"]) == ("gloo", "all-reduce", "256")

    def test_weak_scaling_is_compared_with_the_only_cell_of_one_rank(self) -> None:
        found = [ranked(1, step_us=100), ranked(2, "weak", step_us=100)]
        assert of(found, 2, "weak").efficiencies == {1: pytest.approx(1.0)}

    def test_the_interval_is_that_of_the_ratios_in_the_blocks(self) -> None:
        # efficiencies 1/2 and 1/8 in two blocks, whose machine was ten times as slow in the second
        found = [ranked(1, step_us=100), ranked(2, step_us=100)]
        found += [ranked(1, block=2, step_us=1000), ranked(2, block=2, step_us=4000)]
        efficiency = of(found, 2).efficiency
        assert efficiency is not None
        assert efficiency.interval is not None
        t = math.tan(math.pi / 2 * (1 - 0.035))  # one degree of freedom
        assert efficiency.value == pytest.approx(0.25)
        assert efficiency.interval.low == pytest.approx(0.25 * 2**-t)
        assert efficiency.interval.high == pytest.approx(0.25 * 2**t)

    def test_communication_has_a_mean_of_the_replicates_which_may_be_negative(self) -> None:
        found = [
            ranked(2, block=block, parallel=parallel(synchronised_round_ns=(100,), unsynchronised_round_ns=(ns,)))
            for block, ns in ((1, 104), (2, 98))
        ]
        share = of(found, 2).communication
        assert share is not None
        assert share.value == pytest.approx(-0.01)
        assert share.interval is not None
        assert share.interval.low < -0.04 < 0.02 < share.interval.high

    def test_one_process_with_all_devices_has_its_own_memory(self) -> None:
        (row,) = rows(ranked(2, parallel=parallel(2, processes=1)))
        assert (row["memory_bytes"], row["processes"]) == (str(300 << 20), "1")

    def test_ranks_are_in_the_order_of_their_number(self) -> None:
        found = [ranked(count) for count in (16, 2, 1, 4)]
        assert [row["ranks"] for row in rows(*found)] == ["1", "2", "4", "16"]

    def test_a_strategy_has_its_works_in_their_order_the_smallest_size_first(self) -> None:
        found = [row.cell for row in tables(scaled_run(list(records(1)))).scaling.rows]
        assert [(each.mode, each.size, each.ranks, each.scaling) for each in found[:7]] == [
            ("ddp", "S", 1, "strong"), ("ddp", "S", 2, "strong"), ("ddp", "S", 2, "weak"),
            ("ddp", "M", 1, "strong"), ("ddp", "M", 2, "strong"), ("ddp", "M", 2, "weak"),
            ("ddp-compile", "S", 1, "strong"),
        ]  # fmt: skip


class TestTold:
    @pytest.mark.parametrize(
        ("step_us", "told"), [(50.0, "1"), (60.0, "below 1"), (45.0, "above 1")], ids=["same", "less", "more"]
    )
    def test_six_blocks_tell_it_from_one(self, step_us: float, told: str) -> None:
        found = [ranked(1, block=block, step_us=100) for block in range(1, 7)]
        found += [ranked(2, block=block, step_us=step_us * (1 + block / 10_000)) for block in range(1, 7)]
        assert of(found, 2).told == told

    def test_what_blocks_disagree_about_is_not_told(self) -> None:
        found = [ranked(1, block=block, step_us=100) for block in range(1, 7)]
        found += [ranked(2, block=block, step_us=50 + 3 * (-1) ** block) for block in range(1, 7)]
        assert of(found, 2).told == "not told"

    def test_one_block_tells_nothing(self) -> None:
        assert of([ranked(1, step_us=100), ranked(2, step_us=90)], 2).told == "not told"

    def test_one_rank_has_nothing_to_be_told(self) -> None:
        assert of([ranked(1), ranked(2)], 1).told is None


class TestOverhead:
    def flags(self, *steps_us: float) -> str:
        found = [plain(block) for block in range(1, len(steps_us) + 1)]
        found += [ranked(1, block=block, step_us=us) for block, us in enumerate(steps_us, start=1)]
        return rows(*found)[0]["flags"]

    def test_is_flagged_where_its_whole_interval_lies_above_five_per_cent(self) -> None:
        assert "OVERHEAD" in self.flags(110.0, 110.1, 110.2, 110.1, 110.0, 110.1)

    def test_is_not_flagged_below_and_where_the_interval_reaches_below(self) -> None:
        assert "OVERHEAD" not in self.flags(104.0, 104.1, 104.2, 104.1, 104.0, 104.1)
        assert "OVERHEAD" not in self.flags(100.0, 120.0, 105.0, 130.0, 99.0, 125.0)

    def test_one_block_flags_nothing(self) -> None:
        assert "OVERHEAD" not in self.flags(150.0)

    def test_a_compiled_strategy_is_held_beside_the_compiled_mode(self) -> None:
        compiled = dataclasses.replace(PLAIN, mode="compile")
        found = [
            record(compiled, round_ns=(50_000,) * 3), plain(), ranked(1, step_us=60, of={"mode": "ddp-compile"}),
        ]  # fmt: skip
        (row,) = rows(*found)
        assert row["plain"] == "compile"
        assert float(row["overhead"]) == pytest.approx(1.2)


class TestReasons:
    def test_a_cell_that_failed_has_its_reason_and_no_figures(self) -> None:
        reason = "rank 1 ended with SIGKILL in the timed rounds"
        good, bad = rows(ranked(1), ranked(2, status="failed", reason=reason, parallel=None))
        assert (bad["status"], bad["reason"], bad["step_us"], bad["efficiency"]) == ("failed", reason, "", "")
        assert good["status"] == "ok"

    def test_a_cell_without_one_rank_has_no_efficiency_and_the_table_says_so(self) -> None:
        shown = tables(run([ranked(2)], frameworks=(TORCH,))).scaling
        assert shown.rows[0].efficiency is None
        assert "No efficiency in one row: there is no time of the same strategy over one rank." in shown.remarks

    def test_what_could_not_be_read_has_its_reason(self) -> None:
        why = "the profiler names no collective"
        told = parallel(unsynchronised_round_ns=(), unsynchronised_why="FSDP2 cannot", collectives=None, why=why)
        shown = tables(run([ranked(2, parallel=told)], frameworks=(TORCH,))).scaling
        assert "No communication share in one row: FSDP2 cannot." in shown.remarks
        assert f"Collectives not read in one row: {why}." in shown.remarks

    def test_equal_parameters_are_said_and_others_are_not(self) -> None:
        said = "After the steps of the check all ranks held the same parameters to the last bit (SHA-256), in the cell."
        told = parallel()
        assert said in tables(run([ranked(2)])).scaling.remarks
        apart = dataclasses.replace(told.placed[1], parameters_sha256="1" * 64)
        other = dataclasses.replace(told, placed=(told.placed[0], apart))
        assert said not in tables(run([ranked(2, parallel=other)])).scaling.remarks


class TestTheOtherTables:
    RUN = scaled_run()

    def test_steps_have_the_plain_cells_alone(self) -> None:
        computed = tables(self.RUN)
        assert {row.cell.ranks for row in computed.steps.rows} == {0}
        assert {row.cell.ranks for row in computed.scaling.rows} == {1, 2}
        assert len(computed.timed) == len(computed.steps.rows) + len(computed.scaling.rows)

    @pytest.mark.parametrize("name", ["growth", "compile", "inference", "cold_start"])
    def test_what_compares_steps_has_no_data_parallel_ones(self, name: str) -> None:
        assert {row.cell.ranks for row in tables(self.RUN).named(name).rows} <= {0}

    @pytest.mark.parametrize("name", ["accuracy", "proof", "reproducibility"])
    def test_evidence_has_them_and_names_their_ranks(self, name: str) -> None:
        table = tables(self.RUN).named(name)
        written = list(csv.DictReader(io.StringIO(to_csv(table))))
        assert {(row["ranks"], row["scaling"]) for row in written} == {
            ("", ""), ("1", "strong"), ("2", "strong"), ("2", "weak"),
        }  # fmt: skip

    def test_without_such_cells_the_table_is_empty(self) -> None:
        assert tables(run([record()])).scaling.rows == ()


class TestSentence:
    def test_names_both_ends_where_they_are_apart_from_all_others(self) -> None:
        said = sentence(tables(scaled_run(list(records(sizes=("S",))))).scaling.rows)
        low = step_us("function", "S", dearer=1.12) / 2 / step_us("function", "S", 2, dearer=1.12, exchange=900)
        high = step_us("jit", "S") / 2 / step_us("jit", "S", 2, exchange=150)
        pattern = (
            r"Scaling efficiency over 2 ranks: strong from (.*) \(TensorFlow mirrored\) to (.*) \(JAX shard-map\), "
        )
        found = re.match(pattern, said)
        assert found, said
        assert [float(text) for text in found.groups()] == pytest.approx([low, high], abs=0.005)

    def test_names_nothing_that_is_not_told_and_says_on_how_few_blocks_it_stands(self) -> None:
        said = sentence(tables(scaled_run(list(records(1, sizes=("S",))), blocks=1)).scaling.rows)
        assert "(TensorFlow" not in said
        assert said.endswith("(1 block).")

    def test_is_empty_without_an_efficiency(self) -> None:
        assert sentence(tables(run([ranked(1), record()])).scaling.rows) == ""
