"""The pages of a site but the reports: rendered from the data files, every text from a record escaped."""

import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.compare.match import FACTS
from harness.errors import StoreError
from harness.format import difference, duration, memory_size, significant
from harness.plan.label import ranks
from harness.publish import chart, cite, history, names, stale
from harness.publish.entry import Entry, Result, Software, moment
from harness.publish.history import History
from harness.publish.site import Marker
from harness.report.charts.draw import draw
from harness.report.words import count
from harness.stats.distributions import student_quantile
from harness.stats.estimate import ALPHA, WIDE
from harness.terminal.failures import brief

BODY: Final = re.compile(r"<body[^>]*>")
VARIABLES: Final = re.compile(r"(?:@media \(prefers-color-scheme: dark\) \{\s*)?:root \{[^}]*\}(?:\s*\})?")
NOTHING: Final = Markup()
MOST_VERSIONS: Final = 6  # named in a row of the index
QUANTILES: Final = 200  # steps of 1 ÷ degrees of freedom, from 0 to 1, between which compare.js interpolates
DATA: Final[Mapping[str, str]] = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


@dataclass(frozen=True, slots=True)
class Drawing:
    """The chart of a cell."""

    svg: Markup = NOTHING  # empty: there is nothing to draw, or it lacks it
    lacks: str = ""  # why it could not be drawn; empty: it could


def files(entries: Sequence[Entry], histories: Sequence[History], marker: Marker) -> dict[str, str]:
    """Return the pages that have all runs in them, by path; `entries` have the newest first."""
    common = {"marker": marker, "entries": entries}
    citations = [cite.bibtex(entry, author=marker.author, url=marker.url) for entry in entries]
    return {
        "style.css": _style(),
        "site.js": _template_text("site.js"),
        "compare.js": _template_text("compare.js"),
        "index.html": _render("index.html", root="", **common),
        "compare.html": _render("compare.html", root="", data=_comparison_data(entries), **common),
        "stale.html": _render("stale.html", root="", newest=list(stale.newest(entries)), **common),
        "cite.html": _render("cite.html", root="", citations=list(zip(entries, citations, strict=True)), **common),
        "cells/index.html": _render("cells.html", root="../", histories=histories, **common),
        "citations.bib": "\n".join(citations),
        "CITATION.cff": cite.cff(entries, author=marker.author, url=marker.url),
    }


def of_cell(of: History, drawing: Drawing) -> Mapping[str, str]:
    """Return the files of the folder of a cell."""
    return {
        "index.html": _render("cell.html", root="../../../../", of=of, drawing=drawing.svg, drawn=chart.drawn(of)),
        "history.csv": history.as_csv(of),
    }


def drawn(of: History) -> Drawing:
    """Return the chart of a cell."""
    runs = len(chart.drawn(of))
    if not runs:
        return Drawing()
    try:
        label = f"Time per step of {of.label} over {count(runs, 'run')}"
        return Drawing(Markup(draw(chart.spec(of), name="history", label=label)))
    except (ImportError, ValueError) as error:
        return Drawing(lacks=brief(error))


def digest(of: History) -> str:
    """Return what tells whether the page of a cell has to be written: the data of its runs."""
    return hashlib.sha256("\n".join(kept.digest for kept, _ in of.seen).encode()).hexdigest()[:32]


def with_bar(page: str, entry: Entry) -> str:
    """Return the page of a run's report with the site's bar at the top: where it belongs, what to know, downloads.

    Raises:
        StoreError: the page has no body.
    """
    if not (body := BODY.search(page)):
        raise StoreError(f"{entry.id}: its page has no <body>, so it cannot be put into a site.")
    bar = _render("bar.html", entry=entry, root="../../", style=Markup(_template_text("bar.css")))
    return f"{page[: body.end()]}\n{bar}{page[body.end() :]}"


def _comparison_data(entries: Sequence[Entry]) -> Markup:
    """Return what compare.js needs of all runs, as JSON that no text in it can end."""
    data = json.dumps(
        {
            "runs": [{"name": entry.name, "id": entry.id, "at": moment(entry.started_unix_ns)} for entry in entries],
            "logT": [round(math.log(_quantile(step / QUANTILES)), 6) for step in range(QUANTILES + 1)],
            "facts": FACTS,
            "wide": WIDE,
        }
    )
    for character, escape in DATA.items():
        data = data.replace(character, escape)
    return Markup(data)


@functools.cache
def _quantile(inverse_freedom: float) -> float:
    """Return Student's t of an interval as `harness.stats.welch` has it, by 1 ÷ its degrees of freedom."""
    return student_quantile(1 - ALPHA / 2, freedom=1 / max(inverse_freedom, 1e-9))


@functools.cache
def _style() -> str:
    """Return the style sheet: the colours of the report's page, and the rules of these pages."""
    of_report = (Path(__file__).parents[1] / "report/exporters/templates/style.css").read_text(encoding="utf-8")
    return "\n".join([*VARIABLES.findall(of_report), _template_text("site.css")])


def _template_text(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.publish"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": count,
        "duration": lambda ns: "–" if ns is None else duration(ns),
        "us": lambda ns: significant(ns / 1e3),
        "difference": difference,
        "memory": memory_size,
        "moment": moment,
        "ranks": ranks,
        "cell_folder": lambda result: names.cell_folder(result.cell),
    }
    environment.globals |= {
        "versions": _versions,
        "validity": _validity,
        "old_packages": stale.old,
        "file_groups": _file_groups,
        "interval": _interval,
        "anchor": names.anchor,
        "most_shown": history.MOST_SHOWN,
    }
    return environment


def _render(template: str, **context: Any) -> str:
    return _environment().get_template(template).render(**context)


def _versions(software: Sequence[Software]) -> list[str]:
    """Return the frameworks' own packages with their versions, each once; the first that each framework names."""
    first = dict.fromkeys(each.versions[0].replace("==", " ") for each in software if each.versions)
    shown = list(first)[:MOST_VERSIONS]
    return [*shown, f"and {len(first) - MOST_VERSIONS} more"] if len(first) > MOST_VERSIONS else shown


def _validity(entry: Entry) -> list[tuple[str, int]]:
    """Return the number of cells by status, the good ones first."""
    return sorted(entry.statuses.items(), key=lambda pair: (pair[0] != "ok", pair[0]))


def _interval(result: Result) -> str:
    """Return the interval of a step in µs; empty: it has none."""
    if result.low_ns is None or result.high_ns is None:
        return ""
    return f"{significant(result.low_ns / 1e3)} – {significant(result.high_ns / 1e3)}"


def _file_groups(files: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return the downloads of a run by kind; records and facts first, in the order of a run's folder."""
    groups: dict[str, list[str]] = {"raw": [], "tables": [], "other": []}
    for file in files:
        is_raw = file in ("records.jsonl", "run.json", "plan.json", "samples.parquet", "made-from.json")
        groups["raw" if is_raw else "tables" if "/" in file else "other"].append(file)
    return [(kind, of) for kind, of in groups.items() if of]
