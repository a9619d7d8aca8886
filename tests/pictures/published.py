"""The list of the published runs in their README.md: each line is computed from the folder of its run."""

import datetime
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.errors import StoreError
from harness.format import wall_duration
from harness.host.machine import HostFacts
from harness.report.exporters.markdown import escape
from harness.report.onward import command
from harness.report.tables.all import tables
from harness.report.words import count
from harness.store.folder import RUN_FILE, RunFolder
from harness.validity.results import Run, load

BEGIN: Final = "<!-- The list of the runs: `make pictures` writes it. -->"
END: Final = "<!-- The end of the list. -->"
HEADINGS: Final = ("run", "started, UTC", "host", "command", "cells", "hello worlds", "blocks", "took", "valid")


def folders(published: Path) -> tuple[RunFolder, ...]:
    """Return the runs in the folder `published`, by name."""
    return tuple(RunFolder(path.parent) for path in sorted(published.glob(f"*/{RUN_FILE}")))


def listed(published: Path) -> str:
    """Return the list of the runs in `published`, as a table of Markdown.

    Raises:
        StoreError: a run cannot be read.
    """
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(tuple(_fields(load(folder))) for folder in folders(published))]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def updated(text: str, published: Path) -> str:
    """Return `text`, of the README.md of `published`, with the present list between BEGIN and END.

    Raises:
        StoreError: the text lacks them, or a run cannot be read.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise StoreError(f"{published / 'README.md'} has no place for the list: the lines {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n\n{listed(published)}\n{END}{after}"


def _fields(run: Run) -> Iterator[str]:
    facts, name = run.facts, escape(run.facts.id)
    computed = tables(run)
    cells = (*computed.timed, *computed.streaming.rows)
    yield f"[{name}]({run.facts.id}/report/index.md)"
    yield datetime.datetime.fromtimestamp(facts.started_unix_ns / 1e9, datetime.UTC).strftime("%Y-%m-%d %H:%M")
    yield escape(_host(facts.host))
    yield f"`{_code(command(facts, facts.profile))}`"
    yield str(len(cells))
    yield str(len(computed.code.rows))
    yield str(facts.blocks_run or facts.blocks)
    yield wall_duration(facts.wall_s)
    yield escape(_validity(run, Counter(row.status for row in cells)))


def _host(host: HostFacts) -> str:
    return f"{count(host.cores, 'core')} of {host.cpu}, {f'{host.gpu}, driver {host.driver}' if host.gpu else 'no GPU'}"


def _code(text: str) -> str:
    """Return `text` for a code span in a field of a table, where a bar would end the field and a backtick the span."""
    return text.replace("|", "\\|").replace("`", "'")


def _validity(run: Run, statuses: Counter[str]) -> str:
    said = [f"{number} {'valid' if status == 'ok' else status}" for status, number in statuses.most_common()]
    first_look = ["a first look"] if run.is_first_look else []
    return "; ".join(filter(None, [", ".join(said), *first_look, run.caveat]))
