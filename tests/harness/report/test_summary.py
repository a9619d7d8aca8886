"""What people read: the sentences, the terminal, Markdown."""

import dataclasses
import functools
import io
from typing import Any

import pytest
from rich.console import Console

from bench.records.record import Record
from harness.format import duration
from harness.report import write
from harness.report.exporters import markdown
from harness.report.summary import about_run, summary
from harness.report.tables.all import TABLES, tables
from harness.report.view import view
from harness.validity.results import Run
from tests import factories
from tests.factories import cell, record, run, timing
from tests.harness.report.example import example

EAGER, COMPILE = cell(mode="eager"), cell(mode="compile")


def said(shown: Run) -> str:
    return " ".join(summary(shown, tables(shown)))


def pair(eager_ns: int, compile_ns: int, blocks: int = 6, noise: int = 0) -> list[Record]:
    records = []
    for block in range(1, blocks + 1):
        shift = noise if block % 2 else -noise
        records.append(record(EAGER, block=block, round_ns=(eager_ns + shift,) * 3))
        slow_start = timing(round_ns=(compile_ns,) * 3, first_step_ns=2_004_000_000)
        records.append(record(COMPILE, block=block, timing=slow_start))
    return records


class TestSummary:
    def test_names_the_fastest_step_and_by_how_much(self) -> None:
        text = said(run(pair(100_000, 80_000)))
        assert "The fastest step: Torch compile with 80.0 µs, then Torch eager with 100 µs, 1.25 times as long." in text

    def test_does_not_rank_what_it_cannot_tell_apart(self) -> None:
        text = said(run(pair(100_000, 99_500, noise=3000)))
        assert "cannot distinguish" in text
        assert "times as long" not in text

    def test_a_quick_run_is_a_first_look_whose_sentences_say_how_many_blocks_stand_behind_them(self) -> None:
        shown = run(pair(100_000, 80_000, blocks=3), profile="quick", blocks=3)
        assert "1.25 times as long (3 blocks)." in said(shown)
        assert "This is a first look" in said(shown)
        assert {row.verdict for row in tables(shown).steps.rows} == {None}
        assert "first look" not in said(run(pair(100_000, 80_000)))
        assert "block" not in said(run(pair(100_000, 80_000)))

    def test_a_quick_run_of_many_blocks_is_a_first_look_for_its_short_measurements(self) -> None:
        text = said(run(pair(100_000, 80_000), profile="quick"))
        assert "This is a first look: the profile quick measures each of its 6 blocks briefly" in text

    def test_one_block_tells_nothing_apart(self) -> None:
        text = said(run(pair(100_000, 80_000, blocks=1), profile="quick", blocks=1))
        assert "The shortest steps of this first look, which has no intervals: Torch compile with 80.0 µs" in text
        assert "fastest" not in text
        assert "The first step, tracing" not in text
        assert "not told for Torch compile (two blocks or more) (1 block)." in text

    def test_a_third_step_that_may_be_as_short_keeps_the_first_from_being_the_fastest(self) -> None:
        noisy = [
            record(cell(mode="jit"), block=block, round_ns=(190_000 if block % 2 else 70_000,) * 3)
            for block in range(1, 7)
        ]
        text = said(run([*pair(100_000, 80_000), *noisy]))
        assert "The shortest steps, which this run cannot distinguish: Torch compile with 80.0 µs and Torch jit" in text

    def test_the_cheapest_first_step_is_named_only_when_it_is_told(self) -> None:
        firsts = {"a": (4, 6, 4, 6, 4, 6), "b": (6, 4, 6, 4, 6, 4), "c": (900,) * 6}
        records = [
            record(cell(mode=mode), block=block, timing=timing(round_ns=(9,) * 3, first_step_ns=ms * 1_000_000))
            for mode, each in firsts.items()
            for block, ms in enumerate(each, start=1)
        ]
        assert "takes from 4.90 ms to 900 ms (Torch c)." in said(run(records))

    def test_a_wide_break_even_is_a_range(self) -> None:
        records = pair(100_000, 80_000)
        for at, one in enumerate(records):
            if one.cell == COMPILE and one.timing:
                factor = 3 if one.block % 2 else 1
                slow = dataclasses.replace(one.timing, first_step_ns=1_000_000_000 * factor)
                records[at] = dataclasses.replace(one, timing=slow)
        text = said(run(records))
        low, _, high = text.partition("amortised its first step after ")[2].partition(" steps")[0].partition(" to ")
        assert float(low.replace(",", "")) < 86_000 < 2 * 86_000 < float(high.replace(",", "")) * 1.1

    def test_says_what_the_first_step_takes_and_when_it_is_amortised(self) -> None:
        text = said(run(pair(100_000, 80_000)))
        assert "takes from 4.00 ms (Torch eager) to 2.00 s (Torch compile)" in text
        assert "after 100,000 steps (Torch compile)" in text

    def test_names_the_shortest_step_of_each_framework_but_never_inference(self) -> None:
        text = said(example())
        assert "The shortest step of each framework: JAX scan 9" in text
        assert "PyTorch fused 79" in text
        ranked, _, after = text.partition("Inference only, not ranked with training: ONNX Runtime")
        assert "ONNX" not in ranked
        assert after.startswith("; the output is within 2.4e-07 of NumPy's.")

    def test_names_where_compiling_does_not_pay_framework_by_framework(self) -> None:
        text = said(example())
        assert "never (PyTorch foreach, compile, max-autotune and reduce-overhead; Lightning fit-compile;" in text
        assert "not told for PyTorch torchscript (17 more blocks)" in text
        assert "to 409,000 steps (PyTorch compile-step), 9 modes in all" in text

    def test_tells_what_is_equal_to_the_last_bit_and_what_is_not(self) -> None:
        text = said(example())
        assert "44 of 44 in one process; 43 of 44 in another process (not fastai fit-compile)" in text
        assert "38 of 44 with another number of threads (not TensorFlow eager, function," in text

    def test_a_skipped_cell_is_no_failure(self) -> None:
        skipped = record(cell(mode="cuda-graph"), status="skipped", reason="a CUDA graph needs a CUDA device")
        text = said(run([*pair(100_000, 80_000), skipped]))
        assert "Not ranked" not in text
        assert "Skipped, with the reason below the table of steps: Torch cuda-graph." in text
        assert "All 2 cells did the same arithmetic" in text

    def test_several_works_are_not_ranked_against_each_other(self) -> None:
        small = [
            record(cell(mode=mode, workload="mlp", size="S"), round_ns=(ns,))
            for mode, ns in (("eager", 9000), ("jit", 8000))
        ]
        large = record(cell(workload="mlp", size="M"), round_ns=(70_000,))
        text = said(run([*small, large]))
        assert (
            "The shortest steps: Torch jit on mlp S with 8.00 µs and Torch eager on mlp M with 70.0 µs (1 block)."
            in text
        )
        assert "amortised" not in text

    def test_cells_of_one_mode_are_named_once_with_their_number(self) -> None:
        why: dict[str, Any] = {"status": "skipped", "reason": "TF32 is a format of NVIDIA's GPUs; this is the CPU"}
        skipped = [record(cell(precision="tf32", optimizer=name), **why) for name in ("adam", "none")]
        text = said(run([*pair(100_000, 80_000), *skipped]))
        assert "Skipped, with the reason below the table of steps: Torch eager (2 cells)." in text

    def test_an_invalid_cell_is_neither_ranked_nor_called_the_same(self) -> None:
        *others, last = pair(100_000, 80_000)
        text = said(run([*others, dataclasses.replace(last, status="invalid", reason="wrong")]))
        assert "Not ranked: Torch compile (invalid): 1 of 6 replicates: wrong." in text
        assert "1 of 2 cells did the same arithmetic" in text

    def test_a_cell_with_a_failed_replicate_is_not_ranked_by_the_others(self) -> None:
        *others, last = pair(100_000, 80_000)
        text = said(run([*others, dataclasses.replace(last, status="timeout", reason="first_step: still running")]))
        assert "Not ranked: Torch compile (timeout): 1 of 6 replicates: first_step: still running." in text
        assert "One step of Torch eager takes 100 µs." in text

    def test_cells_with_reasons_of_their_own_are_listed_without_one(self) -> None:
        bad = [
            record(cell(mode=mode), status="invalid", reason=f"{mode} is wrong")
            for mode in ("compile", "reduce-overhead")
        ]
        text = said(run([record(EAGER), *bad]))
        assert "Not ranked: Torch compile (invalid) and Torch reduce-overhead (invalid)." in text
        same = [dataclasses.replace(one, reason="machine: another program used the GPU") for one in bad]
        assert "(invalid): machine: another program used the GPU." in said(run([record(EAGER), *same]))

    def test_different_bytes_are_not_called_the_same(self) -> None:
        other = record(COMPILE, accuracy=factories.accuracy(init_sha256="f" * 64))
        assert "NOT from the same bytes" in said(run([record(EAGER), other]))

    def test_a_run_without_records_says_so(self) -> None:
        assert said(run([])) == "No cell of this run has a time."

    @pytest.mark.parametrize(
        ("ns", "text"), [(912, "912 ns"), (104_000, "104 µs"), (3.7e6, "3.70 ms"), (7.1e9, "7.10 s"), (0.5, "0.500 ns")]
    )
    def test_durations_take_the_unit_that_reads_best(self, ns: float, text: str) -> None:
        assert duration(ns) == text

    def test_an_interrupted_run_tells_how_to_finish_it(self) -> None:
        facts = {fact.name: fact.value for fact in about_run(run([record()], replicates=12))}
        assert facts["replicates"] == "1 of 12: interrupted, samestep run --resume 20261120-101500-default finishes it"

    def test_changes_that_were_not_committed_are_told(self) -> None:
        facts = {fact.name: fact.value for fact in about_run(run([], dirty=True))}
        assert facts["samestep"] == "0123456789ab, with uncommitted changes"


def printed(shown: Run, width: int = 80, *, terminal: bool = False) -> str:
    text = io.StringIO()
    write.show(shown, Console(file=text, width=width, force_terminal=terminal))
    return text.getvalue()


@functools.cache
def printed_example(width: int = 80) -> str:
    return printed(example(), width)


class TestTerminal:
    def test_fits_80_columns_without_cutting_or_breaking_a_value(self) -> None:
        lines = printed_example().splitlines()
        assert max(map(len, lines)) <= 80
        assert not any("…" in line for line in lines)
        (row,) = (line for line in lines if line.startswith("  batch-eager") and line.rstrip().endswith(" N"))
        assert "4,890" in row

    def test_fits_80_columns_with_every_flag_that_a_quick_run_raises(self) -> None:
        lines = printed(example("quick", 3)).splitlines()
        assert max(map(len, lines)) <= 80
        assert not any("…" in line for line in lines)

    def test_is_plain_where_it_is_no_terminal(self) -> None:
        assert "\x1b" not in printed_example()
        assert "\x1b" in printed(example(), terminal=True)

    def test_tells_the_reason_of_each_hole_and_the_meaning_of_each_letter(self) -> None:
        text = " ".join(printed_example(300).split())
        assert "Keras on TensorFlow batch: failed: import: exit code 1 (ImportError: libcudart.so.13" in text
        assert "Keras on TensorFlow batch-jit: invalid: 1 of 6 replicates: the losses leave" in text
        assert "N NOSTEADY: the warm-up reached its time limit" in text

    def test_a_reason_in_brackets_is_text_not_markup(self) -> None:
        text = printed(run([record(status="failed", reason="import: [red]no[/red] [Errno 2]")]))
        assert "import: [red]no[/red] [Errno 2]" in text

    def test_an_empty_run_prints_its_tables_empty(self) -> None:
        assert printed(run([])).count("This run has no such records.") == len(
            [table for table in tables(run([])) if table.is_printed and not table.is_optional]
        )

    def test_names_a_framework_once_above_its_modes(self) -> None:
        lines = [line.rstrip() for line in printed(run([record(EAGER), record(COMPILE)])).splitlines()]
        at = lines.index("Torch")
        assert lines[at + 1].startswith("  eager ")
        assert lines[at + 2].startswith("  compile ")

    def test_inference_is_a_group_of_that_name_below_a_rule(self) -> None:
        lines = [line.rstrip() for line in printed_example().splitlines()]
        at = lines.index("Inference")
        assert lines[at - 2].startswith("  cuda-graph")
        assert lines[at + 1] == "ONNX Runtime"

    @pytest.mark.parametrize("width", [80, 100, 120])
    def test_every_mode_of_the_whole_matrix_stands_on_one_line(self, width: int) -> None:
        lines = printed_example(width).splitlines()
        for mode in ("reduce-overhead", "cached-partial", "from-keras"):
            assert sum(line.startswith(f"  {mode} ") for line in lines) >= 4

    def test_a_reason_is_told_once_not_beneath_every_table(self) -> None:
        assert printed_example(300).count("the losses leave the float64 reference") == 1


class TestMarkdown:
    def test_every_row_has_as_many_fields_as_the_heading(self) -> None:
        for table in tables(example()):
            lines = [line for line in markdown.section(view(table, wide=True)).splitlines() if line.startswith("|")]
            assert len({line.count("|") for line in lines}) == bool(table.rows)
            assert len(lines) == (2 + len(table.rows) if table.rows else 0)

    def test_an_invalid_row_is_struck_through_and_its_reason_told(self) -> None:
        text = write.render(example(), "md", "steps")
        assert "| ~~Keras on TensorFlow~~ | ~~batch-jit~~ | invalid |" in text
        assert "- Keras on TensorFlow batch-jit: invalid: 1 of 6 replicates: the losses leave" in text

    def test_a_reason_cannot_break_the_table_or_become_markup(self) -> None:
        broken = record(status="failed", reason="a | b\n<script>alert(1)</script> *c*")
        text = write.render(run([broken]), "md", "steps")
        assert "a \\| b \\<script\\>alert(1)\\</script\\> \\*c\\*" in text

    def test_what_all_rows_share_is_told_once(self) -> None:
        text = write.render(example(), "md", "steps")
        assert "All rows: workload regression, optimizer adam, size base" in text
        assert "| optimizer |" not in text

    def test_what_differs_between_rows_is_a_column(self) -> None:
        text = write.render(run([record(EAGER), record(cell(optimizer="sgd"))]), "md", "steps")
        assert "| framework | mode | optimizer |" in text


class TestRender:
    def test_csv_is_the_steps_unless_another_table_is_named(self) -> None:
        assert write.render(example(), "csv").startswith("framework,mode,workload,optimizer,size,")
        assert write.render(example(), "csv", "code").startswith("framework,lines,")

    def test_markdown_is_all_tables_unless_one_is_named(self) -> None:
        assert write.render(example(), "md").count("\n## ") == len(TABLES) - 1 + 1  # and the exported models
        assert write.render(example(), "md", "memory").count("## ") == 1

    def test_html_is_the_page(self) -> None:
        assert write.render(run(pair(100_000, 80_000)), "html").startswith("<!doctype html>")

    def test_an_unknown_format_or_table_is_refused(self) -> None:
        with pytest.raises(KeyError):
            write.render(run([]), "pdf")
        with pytest.raises(KeyError):
            write.render(run([]), "csv", "power")
