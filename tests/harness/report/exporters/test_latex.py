"""LaTeX: every text is printed as it is, by pdfLaTeX and LuaLaTeX; a real compiler tries it where there is one."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.report.exporters import latex
from harness.report.exporters.latex_text import comment, escaped, number
from harness.report.tables.all import TABLES, tables
from harness.validity.results import Run
from tests import factories
from tests.harness.report.example import example

DOCUMENT = r"""\documentclass{article}
\usepackage[a4paper,margin=25mm]{geometry}
\usepackage{booktabs,longtable}
\begin{document}
%s
\end{document}
"""
HOSTILE = r"""\input{/etc/passwd} {a}$b$&#1_%~^<c>|"d"`e`''f'' [1]*--x,, ,,é Ł ą 中 😀 µ×–−≤≥→ −1 \\ \end{tabular}"""


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a_b", r"a\_b"), ("50 %", r"50 \%"), (r"\x", r"\textbackslash{}x"), ("{$&#}", r"\{\$\&\#\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"), ("<|>", r"\textless{}\textbar{}\textgreater{}"),
        ("--", "-{}-"), ("---", "-{}-{}-"), ("''", "'{}'"), (",,", ",{},"), ('"a', r"\texttt{\char34}a"),
        ("[1]", "{[}1{]}"), ("*", "{*}"), ("µ", r"\textmu{}"), ("é", r"\'{e}"), ("č", r"\v {c}"), ("ø", r"\o{}"),
        ("中", "{[}U+4E2D{]}"), ("a\n\nb", "a b"), ("ą", "{[}U+0105{]}"),
    ],
)  # fmt: skip
def test_what_tex_would_take_for_something_else_is_written_out(text: str, written: str) -> None:
    assert escaped(text) == written


def test_a_negative_number_has_a_minus_and_a_name_keeps_its_hyphen() -> None:
    assert number("-1.7 %") == r"\textminus{}1.7 \%"
    assert number("fit-1") == "fit-1"


def test_a_comment_stays_one_line_of_ascii() -> None:
    assert comment("a\n\\input{x} é\u2028b") == r"a \input{x} \xe9 b"


def hostile() -> Run:
    offer = factories.framework(modes=(HOSTILE, "bad", "worse"), title=HOSTILE, sentence=HOSTILE, baseline="")
    good, bad, worse = (factories.cell(mode=mode) for mode in (HOSTILE, "bad", "worse"))
    records = [
        factories.record(good, block=block, environment=factories.environment(versions=(HOSTILE,))) for block in (1, 2)
    ]
    records += [
        factories.record(bad, status="failed", reason=HOSTILE),
        factories.record(worse, status="invalid", reason=HOSTILE * 9),
    ]
    return factories.run(records, id="hostile_run%", frameworks=(offer,))


def test_every_table_is_ascii_with_balanced_braces_and_equal_rows() -> None:
    for run in (hostile(), example("quick", 3)):
        computed = tables(run)
        for table in TABLES:
            text = latex.render(run, computed, table)
            assert text.isascii()
            plain = re.sub(r"\\[\\{}%&$#_]", "", re.sub(r"(?m)^%.*$", "", text))
            assert plain.count("{") == plain.count("}")
            assert not re.search(r"[%$#]", plain)


def test_intervals_flags_and_reasons_are_with_their_rows() -> None:
    run = example("quick", 6)
    text = latex.render(run, tables(run), "steps")
    row = next(line for line in text.splitlines() if line.startswith(r"\quad compile-step"))
    assert re.search(r"& [\d.,]+ & \{\[\}[\d.,]+, [\d.,]+\{\]\}", row)
    hole = next(line for line in text.splitlines() if line.startswith(r"\quad cuda-graph"))
    mark = re.search(r"\\textsuperscript\{(\d+)\} & skipped", hole)
    assert mark
    assert re.search(rf"(?m)^\\textsuperscript\{{{mark[1]}\}}\\,skipped: ", text)
    assert r"\label{tab:samestep-steps}" in text
    assert "Run 20260" not in text
    assert f"Run {run.facts.id}." in text


def test_an_invalid_row_is_in_italics_and_the_note_says_what_that_means() -> None:
    bad: dict[str, Any] = {"status": "invalid", "reason": "fell back", "accuracy": factories.accuracy()}
    records = [factories.record(factories.cell(mode="compile"), block=block, **bad) for block in (1, 2)]
    records += [factories.record(factories.cell(mode="eager"), block=block) for block in (1, 2)]
    run = factories.run(records)
    text = latex.render(run, tables(run), "accuracy")
    assert re.search(r"compile\\textsuperscript\{1\}.*\\textit\{", text)
    assert "In italics: invalid, not ranked." in text
    assert "invalid: fell back." in text


def test_a_wide_table_is_split_and_each_part_has_a_label_of_its_own() -> None:
    run = example("default", 6)
    text = latex.render(run, tables(run), "compile")
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert labels == ["tab:samestep-compile", "tab:samestep-compile-2"]
    assert "Part 1 of 2." in text


@pytest.mark.parametrize(
    ("engine", "kind"), [("pdflatex", "hostile"), ("lualatex", "hostile"), ("pdflatex", "example")]
)
def test_a_compiler_takes_it_and_nothing_is_wider_than_the_page(engine: str, kind: str, tmp_path: Path) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"no {engine}: apt-get install texlive-latex-recommended texlive-luatex")
    run = hostile() if kind == "hostile" else example("quick", 6)
    (tmp_path / "paper.tex").write_text(DOCUMENT % latex.render(run, tables(run), None))
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):  # longtable learns its widths from the run before
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert ended.returncode == 0, ended.stdout[-2000:]
    too_wide = [float(found) for found in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", ended.stdout)]
    assert kind == "hostile" or max(too_wide, default=0) < 1, ended.stdout[-3000:]
    assert "Missing character" not in ended.stdout + (tmp_path / "paper.log").read_text(errors="replace")
