import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.records.record import Record
from bench.reference.workload import LOSS_TOLERANCE
from harness import report
from harness.report import frames, write
from harness.report.exporters.html import page
from harness.report.hues import HUES, hue_number
from harness.report.plots.all import plots
from harness.report.plots.losses import LOSS_GATE
from harness.report.plots.style import Plot
from harness.report.plots.svg import VARIABLES, to_svg
from harness.report.tables.all import TABLES, tables
from tests import factories
from tests.factories import cell, record, run
from tests.harness.report.example import example, samples


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the example's report, with nothing else in it."""
    opened = write.write(example(), tmp_path_factory.mktemp("written") / "report")
    assert opened.name == "index.html"
    return opened.parent


@pytest.fixture(scope="module")
def html(written: Path) -> str:
    return (written / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drawn() -> Sequence[Plot]:
    return plots(example(), tables(example()))


class Tags(HTMLParser):
    """Collects what a page would load, its ids and its balance."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value for name in ("src", "href", "xlink:href") if (value := found.get(name))]
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


class TestPage:
    def test_is_well_formed_with_distinct_ids_and_links_that_lead_somewhere(self, html: str) -> None:
        tags = Tags(html)
        assert tags.open == []
        assert len(set(tags.ids)) == len(tags.ids)
        inner = {link[1:] for link in tags.links if link.startswith("#")}
        assert inner <= set(tags.ids)

    def test_asks_nobody_for_anything(self, html: str) -> None:
        assert [link for link in Tags(html).links if not link.startswith(("#", "data:"))] == []
        assert re.findall(r"@import|url\((?!#)[^)]*\)", html) == []
        assert "default-src 'none'" in html

    def test_text_of_a_framework_is_text_not_markup(self) -> None:
        evil = "<script>alert(1)</script>"
        facts = factories.framework("torch", title=evil, hello=f"x = '{evil}'  # {evil}", hello_lines=1)
        failed = record(cell(mode=evil), status="failed", reason=evil)
        shown = run([failed, record()], frameworks=(facts,), id=evil)
        assert evil not in page(shown, tables(shown))

    def test_an_invalid_row_is_struck_through_with_its_reason(self, html: str) -> None:
        row = re.search(r'<tr class="invalid">.*?</tr>', html, re.DOTALL)
        assert row is not None
        assert "<s>batch-jit</s>" in row[0]
        assert "the losses leave the float64 reference by 7.10e-03" in row[0]

    def test_only_a_quick_run_is_called_a_first_look(self, html: str) -> None:
        quick = run([record(block=block) for block in (1, 2, 3)], profile="quick", blocks=3)
        assert 'class="look"' in page(quick, tables(quick))
        assert 'class="look"' not in html

    def test_explains_each_column_of_the_proof_and_shows_the_evidence_of_each_cell(self, html: str) -> None:
        section = html[html.index('<section id="proof">') : html.index('<section id="reproducibility">')]
        for term in ("threads used", "compiled in rounds", "guards failed", "TF32", "matmul precision", "verdict"):
            assert f"<dt>{term}</dt>" in section
        timed = sum(row.proof is not None for row in tables(example()).proof.rows)
        assert section.count("the parameters and the loss lie on cpu</dd>") == timed

    def test_lists_the_exported_models_and_why_one_is_missing(self, html: str) -> None:
        section = html[html.index('<section id="exports">') : html.index('<section id="modes">')]
        assert "pytorch 2.13.0, IR 10, opset 18: MatMul, Add" in section
        assert "failed: export: jax2onnx has no rule for erf" in section
        assert 'id="exports"' not in page(run([record()]), tables(run([record()])))

    def test_inference_stands_in_a_part_of_its_own(self, html: str) -> None:
        steps = html[html.index('<section id="steps">') : html.index('<section id="compile">')]
        training, _, inference = steps.partition("Inference, not training</th>")
        assert ">ONNX Runtime</th>" not in training
        assert inference.count(">ONNX Runtime</th>") == 3

    def test_what_failed_shows_what_it_printed_last_and_where_its_log_is(self) -> None:
        tail = ("Traceback (most recent call last):", "    x = a < b", "<b>no</b> \x1b[31mmodule\x1b[0m")
        failed = record(
            cell(mode="compile"), position=7, status="failed", reason="import: no module",
            failure=factories.failure(tail=tail),
        )  # fmt: skip
        killed = record(
            cell(mode="compile"), block=2, position=9, status="oom", reason="rounds: out of memory",
            failure=factories.failure(phase="rounds", exit_code=None, signal="SIGKILL"),
        )  # fmt: skip
        silent = record(cell(mode="eager"), status="timeout", reason="it took too long", failure=factories.failure())
        logs = frozenset({"logs/0007-torch-compile.log", "logs/0009-torch-compile.log", "logs/x"})
        shown = dataclasses.replace(run([failed, killed, silent]), logs=logs)
        html = page(shown, tables(shown))
        section = html[html.index('<section id="failures">') : html.index('<section id="modes">')]
        first, second = section.split("<details")[1:]
        assert "block 1, in the phase import, exit code 1." in first
        assert "    x = a &lt; b\n&lt;b&gt;no&lt;/b&gt; module</pre>" in first
        assert "<code>logs/0007-torch-compile.log</code>." in first
        assert "block 2, in the phase rounds, SIGKILL." in second
        assert "<code>logs/0009-torch-compile.log</code>." in second
        assert "<pre" not in second
        assert 'href="#failures"' in html[html.index('<section id="steps">') : html.index('<section id="compile">')]
        assert Tags(html).open == []

    def test_replicates_that_ended_alike_are_shown_once_and_a_bounded_number_of_them(self) -> None:
        tail = factories.failure(tail=("x" * 10_000,) * 50)
        alike = [
            record(block=block, position=block, status="failed", reason="it broke", failure=tail) for block in (1, 2, 3)
        ]
        html = page(run(alike), tables(run(alike)))
        assert html.count("<details class") == 1
        assert "blocks 1, 2 and 3, in the phase import" in html
        assert len(html) < 200_000
        many = run([
            record(cell(mode=f"m{number}"), status="failed", reason="it broke", failure=tail) for number in range(230)
        ])  # fmt: skip
        html = page(many, tables(many))
        assert html.count("<details class") == 200
        assert "30 more are in <code>records.jsonl</code>" in html

    def test_nothing_is_said_of_failures_where_nothing_was_printed(self, html: str) -> None:
        assert 'id="failures"' not in html
        assert "#failures" not in html

    def test_lines_of_code_stand_beside_what_the_talk_claims(self, html: str) -> None:
        assert "a talk claims 10" in html
        assert "a talk claims 2" in html

    @pytest.mark.parametrize(
        "records",
        [
            [],
            [record(status="failed", reason="import: exit code 1")],
            [record()],
            [record(cell(mode=mode), block=block) for mode in ("eager", "compile") for block in (1, 2)],
            [record(accuracy=factories.accuracy(losses=(math.nan, math.inf, 1.0), max_loss_deviation=math.inf))],
            [record(accuracy=factories.accuracy(losses=(0.0,), reference_losses=(0.0,)))],
            [factories.idiomatic()],
        ],
    )
    def test_poor_runs_have_a_page_too(self, records: list[Record]) -> None:
        shown = run(records)
        assert Tags(page(shown, tables(shown))).open == []


class TestWrite:
    def test_leaves_the_page_and_all_tables_in_each_format(self, written: Path) -> None:
        found = {str(path.relative_to(written)) for path in written.parent.rglob("*") if path.is_file()}
        each = ("{}.md", "csv/{}.csv", "latex/{}.tex", "parquet/{}.parquet")
        assert found == {
            *("index.html", "index.md", "report.json"),
            *(path.format(name) for path in each for name in TABLES),
        }

    def test_twice_gives_the_same_bytes(self, written: Path, tmp_path: Path) -> None:
        opened = write.write(example(), tmp_path / "report")
        assert opened == tmp_path / "report" / "index.html"
        assert opened.read_bytes() == (written / "index.html").read_bytes()

    def test_a_folder_that_cannot_be_written_is_an_os_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="file"):
            write.write(example(), tmp_path / "file" / "report")


class TestPlots:
    def test_promises_an_interval_where_one_is_drawn(self) -> None:
        once, often = (run([record(block=block) for block in range(1, blocks + 1)]) for blocks in (1, 3))
        assert ["95 %" in plots(shown, tables(shown))[0].about for shown in (once, often)] == [False, True]

    def test_of_a_whole_run(self, tmp_path: Path) -> None:
        shown = example("quick", 3)
        shown = dataclasses.replace(shown, samples=samples(shown, tmp_path))
        found = plots(shown, tables(shown))
        assert [plot.name for plot in found] == ["steps", "costs", "losses", "memory"]

    def test_take_every_colour_and_font_from_the_page(self, drawn: Sequence[Plot]) -> None:
        css = (Path(report.__file__).parent / "exporters" / "templates" / "style.css").read_text(encoding="utf-8")
        for plot in drawn:
            assert re.findall(r"#[0-9a-f]{6}|rgb|font-family", plot.svg) == []
            assert {name for name in re.findall(r"var\((--[a-z0-9-]+)\)", plot.svg) if f"{name}:" not in css} == set()

    def test_are_named_for_those_who_do_not_see_them(self, drawn: Sequence[Plot]) -> None:
        for plot in drawn:
            assert re.match(r'<svg [^>]*role="img" aria-label="[^"]{20,}"', plot.svg)

    def test_print_every_value_and_every_hole_as_text(self, drawn: Sequence[Plot]) -> None:
        (steps, *_) = drawn
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", steps.svg)
        rows = tables(example()).steps.rows
        holes = [row.status for row in rows if row.step_ns is None]
        assert [text for text in texts if text in ("failed", "invalid", "skipped")] == holes
        assert len([text for text in texts if re.fullmatch(r"[\d.,]+ (ns|µs|ms)", text)]) >= len(rows) - len(holes)

    def test_of_steps_name_a_framework_once_and_mark_inference(self, drawn: Sequence[Plot]) -> None:
        (steps, *_) = drawn
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", steps.svg)
        assert texts.count("PyTorch") == 1
        assert texts.count("ONNX Runtime, inference") == 1
        assert "not a training step" in steps.about

    def test_of_steps_grow_with_the_rows(self) -> None:
        def height(count: int) -> float:
            records = [record(cell(mode=f"mode-{at}")) for at in range(count)]
            (steps, *_) = plots(run(records), tables(run(records)))
            box = re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', steps.svg)
            assert box
            return float(box[1])

        assert height(48) - height(24) == pytest.approx(24 * 0.24 * 72)

    def test_of_costs_leave_inference_out(self, drawn: Sequence[Plot]) -> None:
        (costs,) = (plot for plot in drawn if plot.name == "costs")
        assert "ONNX" not in costs.svg

    def test_of_costs_there_is_one_for_each_work_with_its_name(self) -> None:
        works = (("mlp", "S", "float32"), ("convnet", "S", "float32"), ("convnet", "M", "bfloat16"))
        shown = run(
            [
                record(cell(workload=workload, size=size, precision=precision, mode=mode))
                for workload, size, precision in works
                for mode in ("eager", "compile")
            ]
        )
        found = [plot for plot in plots(shown, tables(shown)) if plot.name.startswith("costs")]
        assert [plot.title.partition(", ")[2] for plot in found] == [
            "convnet M adam bfloat16", "convnet S adam", "mlp S adam",
        ]  # fmt: skip
        text = page(shown, tables(shown))
        assert all(f"<b>{plot.title}.</b>" in text for plot in found)

    def test_of_many_works_names_those_that_it_leaves_to_the_tables(self) -> None:
        shown = run([record(cell(size=f"s{at}", mode=mode)) for at in range(6) for mode in ("eager", "compile")])
        found = [plot for plot in plots(shown, tables(shown)) if plot.name.startswith("costs")]
        assert len(found) == 4
        assert [" Not drawn: regression s4 adam and regression s5 adam." in plot.about for plot in found] == [
            False, False, False, True,
        ]  # fmt: skip

    def test_of_one_work_say_which_and_name_the_others(self) -> None:
        shown = run([record(cell(workload=name)) for name in ("mlp", "convnet")])
        (losses,) = (plot for plot in plots(shown, tables(shown)) if plot.name == "losses")
        assert losses.title == "Losses, mlp"
        assert losses.about.endswith(" Not drawn: convnet.")

    def test_of_nothing_are_none(self) -> None:
        assert plots(run([]), tables(run([]))) == ()

    def test_draw_the_gate_where_it_is(self) -> None:
        assert LOSS_GATE == LOSS_TOLERANCE

    def test_round_coordinates_but_never_text(self) -> None:
        figure = Figure()
        figure.text(0.123456, 0.5, "0.00012345")
        made = to_svg(figure, "x", "a text")
        assert ">0.00012345</text>" in made
        assert not re.search(r' [dxy]="[^"]*\d\.\d{3}', made)

    def test_there_are_hues_for_the_frameworks_and_a_page_variable_for_each(self) -> None:
        css = (Path(report.__file__).parent / "exporters" / "templates" / "style.css").read_text(encoding="utf-8")
        assert all(css.count(f"{variable}:") == 2 for variable in VARIABLES.values())  # light and dark

    def test_the_whole_matrix_has_a_hue_for_each_framework(self) -> None:
        numbers = [hue_number(place) for place in range(len(example().facts.frameworks))]
        assert len(set(numbers)) == len(numbers) == 11


class TestHues:
    """In each theme any two differ, for eyes of every kind, and each has contrast to the background."""

    CSS = (Path(report.__file__).parent / "exporters" / "templates" / "style.css").read_text(encoding="utf-8")
    EYES: ClassVar = {  # Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
        "normal": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }

    def linear(self, name: str, theme: int) -> np.ndarray:  # shape (3,)
        value = re.findall(rf"--{name}: #([0-9a-f]{{6}});", self.CSS)[theme]
        rgb = np.array([int(value[at : at + 2], 16) / 255 for at in (0, 2, 4)])
        linear: np.ndarray = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear

    @pytest.mark.parametrize("theme", [0, 1])
    @pytest.mark.parametrize(("eyes", "least"), [("normal", 0.14), ("protan", 0.08), ("deutan", 0.08)])
    def test_differ_in_oklab(self, eyes: str, least: float, theme: int) -> None:
        seen = [np.array(self.EYES[eyes]) @ self.linear(f"hue-{n}", theme) for n in range(1, len(HUES) + 1)]
        labs = [oklab(np.clip(one, 0, 1)) for one in seen]
        assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(labs, 2)) >= least

    @pytest.mark.parametrize("theme", [0, 1])
    def test_have_contrast_to_the_background(self, theme: int) -> None:
        weights = np.array([0.2126, 0.7152, 0.0722])
        background = float(weights @ self.linear("ground", theme))
        for number in range(1, len(HUES) + 1):
            hue = float(weights @ self.linear(f"hue-{number}", theme))
            assert (max(hue, background) + 0.05) / (min(hue, background) + 0.05) >= 3  # WCAG 2.2, 1.4.11


def oklab(linear: np.ndarray) -> np.ndarray:
    """Björn Ottosson 2020, "A perceptual color space for image processing"; shape (3,)."""
    lms = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                    [0.0883024619, 0.2817188376, 0.6299787005]]) @ linear  # fmt: skip
    lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                    [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    found: np.ndarray = lab @ np.cbrt(lms)
    return found


class TestFrame:
    def test_one_row_per_replicate_also_of_those_that_failed(self) -> None:
        told = frames.replicates(example().records)
        assert len(told) == len(example().records)
        assert told["step_ns"].notna().sum() == sum(record.timing is not None for record in example().records)

    def test_one_row_per_round(self) -> None:
        told = frames.rounds([record(round_ns=(100, 200))])
        assert list(told["step_ns"]) == [100, 200]
        assert list(told["round"]) == [1, 2]

    def test_deviation_is_relative_above_one_and_absolute_below(self) -> None:
        both = factories.accuracy(losses=(4.4, 0.6), reference_losses=(4.0, 0.5))
        assert list(frames.losses([record(accuracy=both)])["deviation"]) == pytest.approx([0.1, 0.1])

    def test_of_no_records_still_has_its_columns(self) -> None:
        assert {"framework", "block", "loss"} <= set(frames.losses([]).columns)
