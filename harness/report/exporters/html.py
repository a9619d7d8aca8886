"""The page: one HTML file that works offline, loads nothing, and is readable without JavaScript.

Its parts: the sentences and the matrix at the top (`harness.report.page.opening`, `harness.report.matrix`), charts that
were drawn ahead, what not to trust (`harness.report.page.doubts`), and all tables. The scripts are in `templates/`;
what they need to know is in the page as JSON (`harness.report.page.island`).
"""

import base64
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import JavascriptLexer, PythonLexer

from bench.catalogue import FrameworkOffer
from harness.report import matrix, overview, summary
from harness.report.hues import hue_number, hue_numbers
from harness.report.page import bodies, doubts, island, opening
from harness.report.page.bodies import packed
from harness.report.page.runtime import Runtime, runtime
from harness.report.tables import loop, variants
from harness.report.tables.all import Tables
from harness.report.tables.code import CLAIMED_LINES
from harness.report.tables.eras import by_framework
from harness.report.tables.failures import failures
from harness.report.tables.loop import LoopRow
from harness.report.tables.models import exported
from harness.report.tables.paths import paths
from harness.report.tables.table import Table
from harness.report.view import view
from harness.terminal.failures import brief
from harness.validity.results import Run

if TYPE_CHECKING:
    from harness.report.charts.chart import Chart

PACKAGE: Final = "harness.report.exporters"
TEMPLATE: Final = "page.html"
SCRIPTS: Final = ("data", "format", "state", "select", "matrix", "grid", "tables", "live", "controls")  # in this order
STYLES: Final = ("style.css", "overview.css", "media.css")
BRIEF: Final = ("started", "profile", "processor", "ran on", "accelerator", "samestep")  # facts at the top
FEW_CHARTS: Final = 6  # of a section that are in sight; the others are behind their number
KINDS: Final[Mapping[str, str]] = {  # section of a kind of chart; of others the first
    "steps": "steps",
    "compile": "compile",
    "costs": "compile",
    "growth": "growth",
    "streaming": "streaming",
    "scaling": "scaling",
    "variants": "variants",
    "eras": "eras",
    "losses": "accuracy",
    "peak": "memory",
    "memory": "memory",
    "memory-parts": "memory",
    "artifacts": "inference",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One hello world, with its code highlighted."""

    title: str
    lines: int
    claimed: int | None  # lines that a talk claims; None: no claim
    code: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """One framework of the run, and what each of its modes in the run does."""

    title: str
    hue: int  # number in the name of its CSS variable
    modes: tuple[tuple[str, str], ...]  # (mode, sentence)


def files(run: Run, tables: Tables) -> Mapping[str, str]:
    """Return the page."""
    return {"index.html": page(run, tables, keep=True)}


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return the whole page; `table` has no effect."""
    return page(run, tables)


def page(run: Run, tables: Tables, *, so_far: str = "", keep: bool = False) -> str:
    """Return the report as one HTML document.

    Args:
        run: what is reported.
        tables: of the run.
        so_far: of a run that goes on, the sentence that says how much of it there is; such a page has no charts, which
            take ten times as long as all the rest.
        keep: keep the runtime of the live charts in the user's cache folder, for the next page.
    """
    drawings = () if so_far else _charts(run, tables)
    live = {drawn.name: [drawn.spec, drawn.narrow_spec] for drawn in drawings if drawn.spec is not None}
    vega = _runtime(keep=keep) if live else None
    script = _script()
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(TEMPLATE).render(
        **_overview(run, tables, so_far),
        **_details(run, tables),
        run=run,
        titles=[facts.title for facts in run.facts.frameworks],
        drawings=[(_section(drawn), drawn) for drawn in drawings],
        has=lambda section: any(_section(drawn) == section and drawn.svg for drawn in drawings),
        specs=packed(island.script_json(live)) if vega else "",
        vega=vega,
        style=Markup("".join(map(_template, STYLES))),
        script=Markup(script),
        allowed=Markup(island.csp([_sha256(script), *([vega.sha256] if vega else [])])),
        brief=BRIEF,
        FEW_CHARTS=FEW_CHARTS,
    )


def _overview(run: Run, tables: Tables, so_far: str) -> dict[str, Any]:
    """Return what the top of the page and the script need."""
    cells = overview.cells(run, tables)
    shown = matrix.matrix(cells, tables.code.rows, run.facts)
    doubted = doubts.doubts(run, tables, (*cells, *overview.parallel_cells(tables)))
    hues = _hues(run)
    failed = failures(run)
    has_doubts = bool(cells or doubted.sentences or failed.shown or tables.session.rows)
    views = {table.name: view(table, wide=True) for table in (*tables, *_of_a_loop(run))}
    rows = {table.name: sorted(table.rows, key=lambda row: row.is_inference) for table in tables}
    lines = matrix.lines_of(tables.code.rows, cells)
    return {
        "matrix": shown,
        "shades": matrix.shade_words(),
        "order": matrix.order_sentence(shown) if shown else "",
        "reasons": [cell.reason for cell in cells],
        "has_cells": bool(cells),
        "infers": bool(cells) and all(cell.is_inference for cell in cells),
        "opening": opening.opening(run, tables, cells, so_far),
        "has_doubts": has_doubts,
        "questions": _questions(run, tables, has_cells=bool(cells), has_doubts=has_doubts),
        "sections": _sections(run, tables, has_cells=bool(cells)),
        "answers": opening.answers(cells, tables.scaling.rows, tables.variants.rows),
        "doubts": doubted,
        "told_variants": variants.sentences(tables.variants.rows),
        "paths": paths(tables.inference.rows),
        "failures": failed,
        "hues": hues,
        "bodies": bodies.bodies(views.values(), hues, frozenset(each.status for each in failed.shown)),
        "labels": bodies.labels(views.values()),
        "cells_json": island.page_data(cells, shown, rows, hues=hues, lines=lines),
    }


def _details(run: Run, tables: Tables) -> dict[str, Any]:
    """Return what the lower sections need."""
    return {
        "facts": summary.about_run(run),
        "claims_shown": _claims_shown(run, tables),
        "versions": summary.versions(run),
        "modes": [_modes(run, facts, hue_number(index)) for index, facts in enumerate(run.facts.frameworks)],
        "evidence": [(row, row.proof.evidence) for row in tables.proof.rows if row.proof and row.proof.evidence],
        "exported": exported(run),
        "listings": [_listing(facts) for facts in run.facts.frameworks if facts.hello],
        "programs": _programs(run, tables),
        "loops": _loops(run),
    }


def _questions(run: Run, tables: Tables, *, has_cells: bool, has_doubts: bool) -> list[tuple[str, str]]:
    """Return the questions that the page answers, each with the anchor of the section that does."""
    questions = (
        ("scaling", "What do more ranks bring?", bool(tables.scaling.rows)),
        ("variants", "What does another version change?", bool(tables.variants.rows)),
        ("overview", "What is fastest here?", run.is_timed and has_cells),
        ("compile", "What does compiling cost, and when does it pay back?", run.is_timed and has_cells),
        ("memory", "What does it take in memory?", bool(tables.memory.rows)),
        ("doubts", "What can I not trust?", has_doubts),
    )
    return [(anchor, question) for anchor, question, is_there in questions if is_there]


def _of_a_loop(run: Run) -> list[Table[LoopRow]]:
    """Return the table of the loop that lies in the run's folder; it is no table of the run."""
    return [loop.table(run.loops)] if run.loops else []


def _claims_shown(run: Run, tables: Tables) -> bool:
    return bool(tables.claims.rows) and any(table is tables.claims for table in tables.shown(run))


def _sections(run: Run, tables: Tables, *, has_cells: bool) -> list[tuple[str, str]]:
    """Return the sections below those that answer the questions, each with its anchor and title."""
    timed = run.is_timed and has_cells
    names = (
        *("steps", "growth", "inference", "claims", "accuracy", "proof", "reproducibility", "limits", "energy"),
        *("streaming", "eras", "hosts", "code"),
    )
    empty = {"steps": timed, "accuracy": timed, "reproducibility": timed, "code": run.is_timed}  # shown without rows
    shown = [table for name in names for table in tables if table.name == name and (table.rows or empty.get(name))]
    untimed = [table for table in shown if run.is_timed or table.name not in empty]
    kept = [table for table in untimed if table.name != "claims" or _claims_shown(run, tables)]
    titles = [(table.name, table.title) for table in (*kept, *_of_a_loop(run))]
    return [*titles, ("modes", "Modes"), ("method", "How to read this"), ("run", "The run")]


def _charts(run: Run, tables: Tables) -> Sequence["Chart"]:
    """Return the charts; none where their library cannot be imported, which is left to this moment."""
    try:
        from harness.report.charts.all import charts

        return charts(run, tables)
    except Exception as error:  # noqa: BLE001  (a page without charts is worth more than none)
        logging.getLogger(__name__).warning("samestep: the page lacks its charts: %s.", brief(error))
        return ()


def _runtime(*, keep: bool) -> Runtime | None:
    """Return the runtime of the live charts; None where it cannot be built: the charts drawn ahead are there."""
    try:
        return runtime(keep=keep)
    except Exception as error:  # noqa: BLE001  (as above)
        logging.getLogger(__name__).warning("samestep: the page lacks its live charts: %s.", brief(error))
        return None


def _section(drawn: "Chart") -> str:
    """Return the section of a chart: by its name, to which a number is added from the second of a kind on."""
    return KINDS.get(re.sub(r"-\d+$", "", drawn.name), "steps")


def _script() -> str:
    """Return the script of the page: its files one after the other, in a function of their own."""
    return "\n".join(_template(f"{name}.js") for name in SCRIPTS)


def _template(name: str) -> str:
    return (resources.files(PACKAGE) / "templates" / name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _hues(run: Run) -> dict[str, int]:
    """Return the number of each framework's CSS variable, by the title of the framework and of its variants."""
    return {run.title(framework): number for framework, number in hue_numbers(run).items()}


def _modes(run: Run, facts: FrameworkOffer, hue: int) -> Modes:
    ran = {record.cell.mode for record in run.records if record.cell.framework == facts.name}
    offered = [(mode.name, mode.sentence) for mode in facts.modes]
    offered += [(pipeline.name, pipeline.sentence) for pipeline in facts.pipelines]
    offered += [(strategy.name, strategy.sentence) for strategy in facts.strategies]
    modes = tuple((name, sentence) for name, sentence in offered if name in ran)
    return Modes(title=facts.title, hue=hue, modes=modes)


def _programs(run: Run, tables: Tables) -> list[tuple[int, Listing]]:
    """Return the programs beside the exhibit's timeline, each with its year; hello worlds are among the code."""
    facts = {each.name: each for each in run.facts.frameworks}
    shown = [facts[name] for name in by_framework(tables.eras.rows)]
    return [(each.era, _listing(each)) for each in shown if each.hello or each.program]


def _loops(run: Run) -> list[tuple[LoopRow, Markup]]:
    """Return the programs of the loop, each with its row; none where `loop.json` has no sources."""
    if run.loops is None:
        return []
    found = [(row, run.loops.programs.get(f"{row.cell.framework}_{row.cell.mode}")) for row in loop.rows(run.loops)]
    return [(row, _highlighted(source)) for row, source in found if source]


def _listing(facts: FrameworkOffer) -> Listing:
    return Listing(
        title=facts.title,
        lines=facts.hello_lines or facts.program_lines,
        claimed=CLAIMED_LINES.get(facts.name),
        code=_highlighted(facts.hello or facts.program),
    )


def _highlighted(source: str) -> Markup:
    formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)
    lexer = JavascriptLexer() if source.startswith("//") else PythonLexer()
    return Markup(highlight(source, lexer, formatter))
