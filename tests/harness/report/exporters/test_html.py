import base64
import dataclasses
import gzip
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import pytest

from bench.records.record import Record
from harness.report import frames, write
from harness.report.exporters.html import page
from harness.report.tables.all import TABLES, tables
from tests import factories
from tests.factories import cell, record, run
from tests.harness.report.example import example


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the example's report, with nothing else in it."""
    opened = write.write(example(), tmp_path_factory.mktemp("written") / "report")
    assert opened.name == "index.html"
    return opened.parent


@pytest.fixture(scope="module")
def html(written: Path) -> str:
    return (written / "index.html").read_text(encoding="utf-8")


HOSTILE = ("</script><b>", "<!--<script>", "\u2028", "' onload=x", '" onload="x', "</style>", "&lt;")


class Tags(HTMLParser):
    """Collects what a page would load, its ids and its balance; HTML lets the end tags in `OMITTED` be left out."""

    VOID = frozenset({"meta", "link", "br", "input"})
    OMITTED: ClassVar = {  # tag: what ends it, beside its own end tag and that of what it is in
        "td": ("td", "th", "tr", "tbody"),
        "th": ("td", "th", "tr", "tbody"),
        "tr": ("tr", "tbody"),
        "tbody": ("tbody",),
    }

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
        while self.open and tag in self.OMITTED.get(self.open[-1], ()):
            self.open.pop()
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] != tag and self.open[-1] in self.OMITTED:
            self.open.pop()
        assert self.open.pop() == tag


class Elements(HTMLParser):
    """Collects the elements of a page, and the texts of those with an id and no elements in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        name = self.found[-1][1].get("id") if self.found else None
        if name:
            self.texts[name] = self.texts.get(name, "") + data


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

    @pytest.mark.parametrize("evil", HOSTILE, ids=[f"text-{at}" for at in range(len(HOSTILE))])
    def test_a_hostile_text_leaves_no_element_and_no_attribute(self, evil: str) -> None:
        offer = factories.framework(modes=(evil, "eager"), title=evil, sentence=evil, baseline="eager")
        records = [record(cell(mode="eager", workload=name)) for name in (evil, "mlp")]
        failed = record(cell(mode=evil, workload=evil), status="failed", reason=evil, failure=factories.failure())
        shown = run([*records, failed], frameworks=(offer,), id=evil)
        made = Elements(page(shown, tables(shown)))
        kinds = [attributes.get("type") or attributes["id"] for tag, attributes in made.found if tag == "script"]
        assert kinds == ["application/json", "text/plain", "text/plain", "module"]
        assert [name for _, attributes in made.found for name in attributes if name.startswith("on")] == []
        data = json.loads(made.texts["data"])
        assert {row[data["keys"].index("mode")] for row in data["cells"]} == {evil, "eager"}

    def test_its_policy_allows_its_own_script_and_the_runtime_alone(self, html: str) -> None:
        made = Elements(html)
        policy = next(of["content"] for tag, of in made.found if tag == "meta" and "http-equiv" in of)
        script = re.search(r'<script type="module">(.*?)</script>', html, re.DOTALL)
        assert script
        vega = gzip.decompress(base64.b64decode(made.texts["vega"]))
        own, runtime = (
            f"'sha256-{base64.b64encode(hashlib.sha256(of).digest()).decode()}'" for of in (script[1].encode(), vega)
        )
        assert f"script-src {own} {runtime};" in (policy or "")
        assert "unsafe-eval" not in html

    def test_an_invalid_row_is_struck_through_with_its_reason(self, html: str) -> None:
        row = re.search(r'<tr class="invalid">.*?(?=<tr|</table)', html, re.DOTALL)
        assert row is not None
        assert "<s>batch-jit</s>" in row[0]
        assert "the losses leave the float64 reference by 7.10e-03" in row[0]

    def test_only_a_quick_run_is_called_a_first_look(self, html: str) -> None:
        quick = run([record(block=block) for block in (1, 2, 3)], profile="quick", blocks=3)
        assert 'class="look"' in page(quick, tables(quick))
        assert 'class="look"' not in html

    def test_explains_each_column_of_the_proof_and_shows_the_evidence_of_each_cell(self, html: str) -> None:
        section = part(html, "proof")
        for term in ("threads used", "compiled in rounds", "guards failed", "TF32", "matmul precision", "verdict"):
            assert f"<dt>{term}</dt>" in section
        timed = sum(row.proof is not None for row in tables(example()).proof.rows)
        assert section.count("the parameters and the loss lie on cpu</dd>") == timed

    def test_lists_the_exported_models_and_why_one_is_missing(self, html: str) -> None:
        section = part(html, "exports")
        assert "pytorch 2.13.0, IR 10, opset 18: MatMul, Add" in section
        assert "failed: export: jax2onnx has no rule for erf" in section
        assert 'id="exports"' not in page(run([record()]), tables(run([record()])))

    def test_inference_stands_in_a_part_of_its_own(self, html: str) -> None:
        table = re.search(r'<details class="full" id="t-steps".*?</table>', html, re.DOTALL)
        assert table
        training, _, inference = table[0].partition("Inference, not training")
        assert ">ONNX Runtime<" not in training
        assert inference.count(">ONNX Runtime<") == 3

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
        section = part(html, "doubts")
        first, second = section.split('<details class="failure"')[1:]
        assert "block 1, in the phase import, exit code 1." in first
        assert "    x = a &lt; b\n&lt;b&gt;no&lt;/b&gt; module</pre>" in first
        assert "<code>logs/0007-torch-compile.log</code>." in first
        assert "block 2, in the phase rounds, SIGKILL." in second
        assert "<code>logs/0009-torch-compile.log</code>." in second
        assert "<pre" not in second
        assert 'href="#failures"' in part(html, "steps")
        assert Tags(html).open == []

    def test_replicates_that_ended_alike_are_shown_once_and_a_bounded_number_of_them(self) -> None:
        tail = factories.failure(tail=("x" * 10_000,) * 50)
        alike = [
            record(block=block, position=block, status="failed", reason="it broke", failure=tail) for block in (1, 2, 3)
        ]
        html = page(run(alike), tables(run(alike)))
        assert html.count('<details class="failure"') == 1
        assert "blocks 1, 2 and 3, in the phase import" in html
        assert len(html) < 200_000
        many = run([
            record(cell(mode=f"m{number}"), status="failed", reason="it broke", failure=tail) for number in range(230)
        ])  # fmt: skip
        html = page(many, tables(many))
        assert html.count('<details class="failure"') == 200
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


def part(html: str, section: str) -> str:
    """The section of a page with this anchor."""
    found = re.search(rf'<section id="{section}".*?</section>', html, re.DOTALL)
    assert found, section
    return found[0]


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
