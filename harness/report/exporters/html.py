"""The page: one HTML file that works offline, loads nothing, and is readable without JavaScript."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from bench.catalogue import FrameworkOffer
from harness.report import summary
from harness.report.hues import hue_number
from harness.report.tables.all import Tables
from harness.report.tables.code import CLAIMED_LINES
from harness.report.tables.failures import failures
from harness.report.tables.models import exported
from harness.report.view import view
from harness.terminal.failures import brief
from harness.validity.results import Run

if TYPE_CHECKING:
    from harness.report.charts.chart import Chart

TEMPLATE: Final = "page.html"
BRIEF: Final = ("started", "profile", "processor", "ran on", "accelerator", "samestep")  # facts at the top


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
    return {"index.html": page(run, tables)}


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return the whole page; `table` has no effect."""
    return page(run, tables)


def page(run: Run, tables: Tables, *, so_far: str = "") -> str:
    """Return the report as one HTML document.

    `so_far`: of a run that goes on, the sentence that says how much of it there is; such a page has no charts, which
    take longer than all the rest.
    """
    environment = Environment(
        loader=PackageLoader("harness.report.exporters"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawings = {} if so_far else {chart.name: chart for chart in _charts(run, tables)}
    sentences = summary.summary(run, tables)
    failed = failures(run)
    views = {table.name: view(table, wide=True) for table in tables}
    return environment.get_template(TEMPLATE).render(
        run=run,
        titles=[facts.title for facts in run.facts.frameworks],
        sentences=(so_far, *sentences) if so_far else sentences,
        first_look=run.is_first_look,
        facts=summary.about_run(run),
        versions=summary.versions(run),
        views=views,
        claims_shown=bool(tables.claims.rows) and tables.claims in tables.shown(run),
        plots=_markup(drawings),
        hues=_hues(run),
        modes=[_modes(run, facts, hue_number(index)) for index, facts in enumerate(run.facts.frameworks)],
        evidence=[(row, row.proof.evidence) for row in tables.proof.rows if row.proof and row.proof.evidence],
        exported=exported(run),
        failures=failed,
        told={each.status for each in failed.shown},
        listings=[_listing(facts) for facts in run.facts.frameworks if facts.hello],
        brief=BRIEF,
    )


def _charts(run: Run, tables: Tables) -> tuple["Chart", ...]:
    """Return the charts; none where they cannot be imported, which is left to this moment."""
    try:
        from harness.report.charts.all import charts

        return charts(run, tables)
    except Exception as error:  # noqa: BLE001  (a page without charts is worth more than none)
        logging.getLogger(__name__).warning("samestep: the page lacks its charts: %s.", brief(error))
        return ()


def _markup(drawings: dict[str, "Chart"]) -> dict[str, tuple["Chart", Markup, Markup]]:
    """Return the charts with their SVG, wide and narrow, marked as safe: their texts are escaped."""
    return {name: (chart, Markup(chart.svg), Markup(chart.narrow_svg)) for name, chart in drawings.items()}


def _hues(run: Run) -> dict[str, int]:
    """Return the number of each framework's CSS variable, by the title of the framework."""
    return {facts.title: hue_number(index) for index, facts in enumerate(run.facts.frameworks)}


def _modes(run: Run, facts: FrameworkOffer, hue: int) -> Modes:
    ran = {record.cell.mode for record in run.records if record.cell.framework == facts.name}
    modes = tuple((mode.name, mode.sentence) for mode in facts.modes if mode.name in ran)
    return Modes(title=facts.title, hue=hue, modes=modes)


def _listing(facts: FrameworkOffer) -> Listing:
    formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)
    code = highlight(facts.hello, PythonLexer(), formatter)
    return Listing(
        title=facts.title,
        lines=facts.hello_lines,
        claimed=CLAIMED_LINES.get(facts.name),
        code=Markup(code),
    )
