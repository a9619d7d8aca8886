"""The table of variants: each beside the reference, and only what is told is said."""

import csv
import dataclasses
import io
import math
from typing import Any

import pytest

from bench.records.record import Memory, Record
from harness.report.exporters.csv import to_csv
from harness.report.tables.all import tables
from harness.report.tables.variant_row import VariantRow
from harness.report.tables.variants import sentences
from harness.report.view import view
from tests import factories
from tests.factories import accuracy, cell, framework, phases, record, run
from tests.harness.report.varied import IMPORT_MS, SIZES, records, resolved, varied_run
from tests.harness.stats.test_alternation import turns

JAX = framework("jax", ("op-by-op", "jit"), title="JAX", baseline="op-by-op")
JIT = cell(framework="jax", mode="jit")
OLD, NEW = (dataclasses.replace(JIT, variant=name) for name in ("0.9.2", "0.10.2"))
TYPED = (resolved("jax", "0.9.2"), resolved("jax", "0.10.2"))
VARIED = tables(varied_run())


def rows(*found: Record, **facts: Any) -> tuple[VariantRow, ...]:
    return tables(run(found, **{"frameworks": (JAX,), "variants": TYPED} | facts)).variants.rows


def pair_of(old_us: float, new_us: float, block: int = 1) -> list[Record]:
    return [record(each, block=block, round_ns=(round(us * 1000),) * 3) for each, us in ((OLD, old_us), (NEW, new_us))]


class TestFigures:
    def test_a_small_run_computed_by_hand(self) -> None:
        old = record(
            OLD,
            round_ns=(100_000,) * 3,
            phases=phases(import_ns=500_000_000),
            memory=Memory(host_peak_rss_bytes=300 << 20),
            timing=factories.timing(round_ns=(100_000,) * 3, first_step_ns=10_000_000),
        )
        new = record(
            NEW,
            phases=phases(import_ns=600_000_000),
            memory=Memory(host_peak_rss_bytes=330 << 20),
            timing=factories.timing(round_ns=(110_000,) * 3, first_step_ns=20_000_000),
            environment=factories.environment(installed_bytes=12345),
            accuracy=accuracy(max_loss_deviation=2e-6),
        )
        reference, other = rows(new, old)
        assert (reference.is_reference, other.is_reference) == (True, False)
        assert reference.ratio is None
        assert other.ratio is not None
        assert other.ratio.value == pytest.approx(1.1)
        assert other.first_step_ratio is not None
        assert other.first_step_ratio.value == pytest.approx(2.0)
        assert other.import_ratio is not None
        assert other.import_ratio.value == pytest.approx(1.2)
        assert (reference.peak_bytes, other.peak_bytes) == (300 << 20, 330 << 20)
        assert (reference.installed_bytes, other.installed_bytes) == (None, 12345)
        assert (reference.deviation, other.deviation) == (0.0, 2e-6)

    def test_the_interval_is_that_of_the_ratios_in_the_blocks(self) -> None:
        # ratios 2 and 8 in two blocks, whose machine was ten times as slow in the second
        _, row = rows(*pair_of(100, 200), *pair_of(1000, 8000, block=2))
        assert row.ratio is not None
        assert row.ratio.interval is not None
        t = math.tan(math.pi / 2 * (1 - 0.035))  # one degree of freedom
        assert row.ratio.value == pytest.approx(4)
        assert (row.ratio.interval.low, row.ratio.interval.high) == pytest.approx((4 * 2**-t, 4 * 2**t))

    def test_of_processes_that_took_turns_it_comes_from_neighbouring_slices(self) -> None:
        # The processor is half as fast from the fourth slice on, and the old one had more slices there.
        slow = [1, 1, 1, 2, 2, 2]
        new = turns([(100 * at, (120 * by,) * 3) for at, by in enumerate(slow)])
        old = turns([(100 * at + 50, (100 * by,) * 3) for at, by in enumerate([*slow, 2, 2, 2])])
        _, row = rows(record(OLD, timing=old), record(NEW, timing=new))
        assert row.ratios[1] == pytest.approx(1.2)
        assert row.step.step_ns is not None
        assert row.step.step_ns.value / 200 != pytest.approx(1.2), "the medians alone say something else"

    def test_every_mode_and_work_has_its_variants_side_by_side_the_reference_first(self) -> None:
        found = VARIED.variants.rows
        assert [(row.cell.mode, row.cell.workload, row.cell.variant) for row in found] == [
            ("op-by-op", "mlp", "0.9.2"), ("op-by-op", "mlp", "0.10.2"),
            ("op-by-op", "regression", "0.9.2"), ("op-by-op", "regression", "0.10.2"),
            ("jit", "mlp", "0.9.2"), ("jit", "mlp", "0.10.2"),
            ("jit", "regression", "0.9.2"), ("jit", "regression", "0.10.2"),
            ("eager", "mlp", ""), ("eager", "mlp", "2.3.5"),
            ("eager", "regression", ""), ("eager", "regression", "2.3.5"),
        ]  # fmt: skip

    def test_the_csv_has_all_of_it_and_the_variant_last(self) -> None:
        text = to_csv(VARIED.variants)
        found = {(row["mode"], row["workload"], row["variant"]): row for row in csv.DictReader(io.StringIO(text))}
        row = found["jit", "mlp", "0.10.2"]
        assert text.splitlines()[0].endswith(",variant")
        assert float(row["ratio"]) == pytest.approx(1.04, rel=5e-3)
        assert float(row["ratio_low"]) < float(row["ratio"]) < float(row["ratio_high"])
        assert (row["verdict"], row["blocks"], row["reference"]) == ("slower", "6", "0.9.2")
        assert float(row["import_ms"]) == pytest.approx(IMPORT_MS["0.10.2"])
        assert (row["installed_bytes"], row["python"]) == (str(SIZES["0.10.2"]), "3.11.7")
        assert row["bits"] == "differ"
        assert float(row["loss_difference"]) == pytest.approx(1e-7)
        assert found["jit", "mlp", "0.9.2"]["changed"] == "jax 0.10.2 -> 0.9.2; jaxlib 0.10.2 -> 0.9.2"
        assert found["eager", "mlp", "2.3.5"]["reference"] == "locked"
        assert (found["eager", "mlp", ""]["ratio"], found["eager", "mlp", ""]["verdict"]) == ("1", "")

    def test_one_environment_alone_has_no_table(self) -> None:
        assert rows(record(NEW)) == ()
        assert rows(record(JIT), record(cell())) == ()

    def test_a_variant_that_failed_keeps_its_row_with_the_reason(self) -> None:
        reason = "import: jaxlib is too old"
        reference, other = rows(record(OLD), record(NEW, status="failed", reason=reason))
        assert (other.status, other.reason, other.ratio) == ("failed", reason, None)
        assert reference.step.step_ns is not None

    def test_without_the_reference_nothing_is_compared(self) -> None:
        second = dataclasses.replace(OLD, mode="op-by-op")  # jit of the reference was not measured
        other = next(row for row in rows(record(second), record(NEW)) if row.cell == NEW)
        assert (other.ratio, other.verdict, other.bits) == (None, None, None)
        assert not other.is_reference


class TestReference:
    def test_is_the_locked_environment_where_it_took_part(self) -> None:
        found = rows(record(NEW), record(OLD), record(JIT))
        assert [row.cell.variant for row in found] == ["", "0.9.2", "0.10.2"]
        assert {row.reference for row in found} == {JIT}

    def test_is_else_the_one_that_was_typed_first(self) -> None:
        found = rows(record(OLD), record(NEW), variants=TYPED[::-1])
        assert {row.reference for row in found} == {NEW}


class TestBits:
    def bits(self, old: list[str], new: list[str]) -> str | None:
        found = [
            record(each, block=block, accuracy=accuracy(fingerprint=text))
            for each, texts in ((OLD, old), (NEW, new))
            for block, text in enumerate(texts, start=1)
        ]
        return rows(*found)[1].bits

    def test_are_equal_or_differ(self) -> None:
        assert self.bits(["a", "a"], ["a", "a"]) == "equal"
        assert self.bits(["a", "a"], ["b", "b"]) == "differ"

    def test_say_nothing_where_the_processes_of_one_differ_among_themselves(self) -> None:
        assert self.bits(["a", "b"], ["a", "a"]) == "not reproducible"
        assert self.bits(["a", "a"], ["a", "b"]) == "not reproducible"

    def test_are_unknown_without_a_fingerprint(self) -> None:
        assert self.bits(["", ""], ["a", "a"]) is None


class TestTold:
    def told(self, *ratios: float) -> VariantRow:
        return rows(*(each for block, by in enumerate(ratios, start=1) for each in pair_of(1000, 1000 * by, block)))[1]

    @pytest.mark.parametrize(
        ("by", "verdict"), [(1.03, "slower"), (0.97, "faster"), (1.0, "same")], ids=["slower", "faster", "same"]
    )
    def test_six_blocks_have_a_verdict(self, by: float, verdict: str) -> None:
        row = self.told(*(by + block / 10_000 for block in range(6)))
        assert (row.verdict, row.told) == (verdict, verdict)

    def test_blocks_that_disagree_tell_nothing(self) -> None:
        row = self.told(1.2, 0.8, 1.2, 0.8, 1.2, 0.8)
        assert (row.verdict, row.told) == ("undetermined", "undetermined")

    def test_a_difference_within_the_noise_floor_is_not_told(self) -> None:
        # the A/A control differs by 5 %, more than the variants do
        twin = dataclasses.replace(OLD, track="twin")
        found = [
            each
            for block in range(1, 7)
            for each in (*pair_of(1000, 1030 + block / 10, block), record(twin, block=block, round_ns=(1_050_000,) * 3))
        ]
        assert rows(*found)[1].verdict == "undetermined"

    def test_a_first_look_has_no_verdict_and_its_sentence_says_on_how_few_blocks_it_stands(self) -> None:
        found = [each for block in range(1, 4) for each in pair_of(1000, 1100 + block, block)]
        row = rows(*found, blocks=3)[1]
        assert (row.verdict, row.told) == (None, "slower")
        (said,) = sentences(rows(*found, blocks=3))
        assert said.startswith("JAX@0.10.2 measured slower than JAX@0.9.2 in jit on regression: 1.102 (")
        assert said.endswith(" (3 blocks).")


class TestSentences:
    def test_name_what_is_told_with_its_interval(self) -> None:
        jax, numpy = sentences(VARIED.variants.rows)
        assert jax.startswith("JAX@0.10.2 is told slower than JAX@0.9.2 in jit on mlp S: 1.0")
        assert "; faster than JAX@0.9.2 in jit on regression base: 0.9" in jax
        assert jax.endswith("; as fast as JAX@0.9.2 within 1 % in 2 of 4 cells.")
        assert numpy == "NumPy@2.3.5 is told as fast as NumPy as locked within 1 % in 2 of 2 cells."

    def test_are_none_where_nothing_is_told(self) -> None:
        assert sentences(rows(*pair_of(100, 200))) == ()
        assert sentences(()) == ()

    def test_name_a_few_of_many_the_largest_first(self) -> None:
        sizes = [f"S{number}" for number in range(1, 8)]
        found = [
            record(dataclasses.replace(each, size=size), block=block, round_ns=(round(1000 * by + block),) * 3)
            for block in range(1, 7)
            for number, size in enumerate(sizes, start=1)
            for each, by in ((OLD, 1000), (NEW, 1000 * (1 + number / 10)))
        ]
        (said,) = sentences(rows(*found))
        assert said.count("jit on") == 4
        assert said.index("S7: 1.7") < said.index("S6: 1.6") < said.index("S4: 1.4")
        assert said.endswith(" and in 3 more.")


class TestRemarks:
    def test_say_what_differs_in_packages_and_bits(self) -> None:
        said = VARIED.variants.remarks
        assert said[0] == "Compared with JAX@0.9.2 and NumPy as locked."
        assert "JAX@0.9.2 differs from the lock in jax 0.10.2 → 0.9.2 and jaxlib 0.10.2 → 0.9.2." in said
        assert "NumPy@2.3.5 differs from the lock in numpy 2.4.1 → 2.3.5." in said
        assert "JAX@0.10.2 has the bits of JAX@0.9.2 in 2 of 4 cells (not jit)." in said
        assert "NumPy@2.3.5 has the bits of NumPy as locked in 2 of 2 cells." in said

    def test_many_packages_are_counted(self) -> None:
        many = resolved("jax", "0.10.2", *(f"p{number} 1 -> 2" for number in range(9)))
        said = tables(run([record(OLD), record(NEW)], frameworks=(JAX,), variants=(TYPED[0], many))).variants.remarks
        assert any(sentence.endswith("p5 1 → 2 and 3 other packages.") for sentence in said)


class TestTheOtherTables:
    @pytest.mark.parametrize("name", ["steps", "compile", "proof", "reproducibility", "accuracy", "memory", "energy"])
    def test_tell_variants_apart_in_their_last_column(self, name: str) -> None:
        written = to_csv(VARIED.named(name))
        assert written.splitlines()[0].endswith(",variant")
        found = {row["variant"] for row in csv.DictReader(io.StringIO(written)) if row["framework"] == "jax"}
        assert found <= {"0.9.2", "0.10.2"}
        assert found or name in ("energy", "compile")

    def test_each_variant_is_held_beside_its_own_baseline(self) -> None:
        found = {row.cell: row for row in VARIED.steps.rows}
        for variant, speedup in (("0.9.2", 8), ("0.10.2", 8 / 1.04)):
            of = found[cell(framework="jax", variant=variant, mode="jit", workload="mlp", size="S")].speedup
            assert of is not None
            assert of.value == pytest.approx(speedup, rel=1e-2)

    def test_a_variant_stands_together_and_has_its_name(self) -> None:
        shown = VARIED.steps.rows
        names = [row.title for row in shown]
        assert list(dict.fromkeys(names)) == ["PyTorch", "JAX@0.9.2", "JAX@0.10.2", "NumPy", "NumPy@2.3.5"]
        assert sorted(names, key=list(dict.fromkeys(names)).index) == names

    def test_the_hello_world_of_each_variant_has_a_row(self) -> None:
        hello = framework("jax", ("jit",), title="JAX", hello="import jax\n", hello_lines=9)
        ran = [
            dataclasses.replace(each, cell=dataclasses.replace(each.cell, variant=variant))
            for variant in ("0.9.2", "0.10.2")
            for each in [factories.idiomatic("jax")]
        ]
        found = tables(run(ran, frameworks=(hello,), variants=TYPED)).code.rows
        assert [(row.title, row.cell.variant) for row in found] == [("JAX@0.9.2", "0.9.2"), ("JAX@0.10.2", "0.10.2")]


def test_the_terminal_groups_by_framework_and_names_the_variant() -> None:
    shown = view(tables(varied_run(list(records(2)), blocks=2)).variants, wide=False)
    assert [heading.text for heading in shown.names] == ["framework", "mode", "workload", "size", "variant"]
    assert {row.names[0].text for row in shown.rows} == {"JAX", "NumPy"}
    assert {row.names[-1].text for row in shown.rows} == {"0.9.2", "0.10.2", "2.3.5", "locked"}
    assert "is" not in [heading.text for heading in shown.values], "two blocks have no verdicts"
