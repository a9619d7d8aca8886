import dataclasses
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from bench import accuracy
from bench.record import Record
from harness import report
from harness.report import frame, plots, svg
from harness.report.page import page
from harness.report.tables import tables
from tests import factories
from tests.factories import cell, record, run
from tests.report.example import example, samples


@pytest.fixture(scope="module")
def html() -> str:
    shown = example()
    return page(shown, tables(shown))


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
        assert "<s>jit</s>" in row[0]
        assert "the losses leave the float64 reference by 7.10e-03" in row[0]

    def test_only_a_quick_run_is_called_a_first_look(self, html: str) -> None:
        quick = example("quick", 3)
        assert 'class="look"' in page(quick, tables(quick))
        assert 'class="look"' not in html

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
    def test_leaves_the_page_markdown_and_csv(self, tmp_path: Path) -> None:
        opened = report.write(example(), tmp_path / "report")
        assert opened == tmp_path / "report" / "index.html"
        found = {str(path.relative_to(tmp_path / "report")) for path in tmp_path.rglob("*") if path.is_file()}
        names = {"steps", "accuracy", "memory", "code"}
        assert found == {"index.html", "index.md", *(f"{n}.md" for n in names), *(f"csv/{n}.csv" for n in names)}

    def test_twice_gives_the_same_bytes(self, tmp_path: Path) -> None:
        first, second = (report.write(example(), tmp_path / name) for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()

    def test_a_folder_that_cannot_be_written_is_an_os_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="file"):
            report.write(example(), tmp_path / "file" / "report")


class TestPlots:
    def test_of_a_whole_run(self, tmp_path: Path) -> None:
        shown = example("quick", 3)
        shown = dataclasses.replace(shown, samples=samples(shown, tmp_path / "samples.parquet"))
        drawn = plots.plots(shown, tables(shown))
        assert [plot.name for plot in drawn] == ["steps", "costs", "losses", "memory"]

    def test_take_every_colour_and_font_from_the_page(self) -> None:
        css = (Path(report.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
        for plot in plots.plots(example(), tables(example())):
            assert re.findall(r"#[0-9a-f]{6}|rgb|font-family", plot.svg) == []
            assert {name for name in re.findall(r"var\((--[a-z0-9-]+)\)", plot.svg) if f"{name}:" not in css} == set()

    def test_are_named_for_those_who_do_not_see_them(self) -> None:
        for plot in plots.plots(example(), tables(example())):
            assert re.match(r'<svg [^>]*role="img" aria-label="[^"]{20,}"', plot.svg)

    def test_print_every_value_and_every_hole_as_text(self) -> None:
        (steps, *_) = plots.plots(example(), tables(example()))
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", steps.svg)
        rows = tables(example()).steps.rows
        assert [text for text in texts if text in ("failed", "invalid", "skipped")] == ["failed", "invalid", "skipped"]
        assert len([text for text in texts if re.fullmatch(r"[\d.,]+ (ns|µs|ms)", text)]) >= len(rows) - 3

    def test_of_nothing_are_none(self) -> None:
        assert plots.plots(run([]), tables(run([]))) == ()

    def test_draw_the_gate_where_it_is(self) -> None:
        assert plots.LOSS_GATE == accuracy.MAX_LOSS_DEVIATION

    def test_round_coordinates_but_never_text(self) -> None:
        figure = Figure()
        figure.text(0.123456, 0.5, "0.00012345")
        drawn = svg.to_svg(figure, "x", "a text")
        assert ">0.00012345</text>" in drawn
        assert not re.search(r' [dxy]="[^"]*\d\.\d{3}', drawn)

    def test_there_are_hues_for_the_frameworks_and_a_page_variable_for_each(self) -> None:
        css = (Path(report.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
        assert all(css.count(f"{variable}:") == 2 for variable in svg.VARIABLES.values())  # light and dark


class TestFrame:
    def test_one_row_per_replicate_also_of_those_that_failed(self) -> None:
        told = frame.replicates(example().records)
        assert len(told) == len(example().records)
        assert told["step_ns"].notna().sum() == sum(record.timing is not None for record in example().records)

    def test_one_row_per_round(self) -> None:
        told = frame.rounds([record(round_ns=(100, 200))])
        assert list(told["step_ns"]) == [100, 200]
        assert list(told["round"]) == [1, 2]

    def test_deviation_is_relative_above_one_and_absolute_below(self) -> None:
        both = factories.accuracy(losses=(4.4, 0.6), reference_losses=(4.0, 0.5))
        assert list(frame.losses([record(accuracy=both)])["deviation"]) == pytest.approx([0.1, 0.1])

    def test_of_no_records_still_has_its_columns(self) -> None:
        assert {"framework", "block", "loss"} <= set(frame.losses([]).columns)

    def test_samples_start_at_zero_in_each_replicate(self, tmp_path: Path) -> None:
        told = frame.resident(samples(example("quick", 3), tmp_path / "samples.parquet"))
        assert set(told.groupby(["cell", "block"])["seconds"].min()) == {0.0}
        assert set(told["block"]) == {1, 2, 3}
