"""JSON: one document with the run's facts, the sentences of the summary, and all tables with typed values.

`docs/report.schema.json` describes it. A row has exactly the keys of the CSV, and its numbers have all their digits.
What was not measured is null; `reasons` of the table says why for each row that is not "ok", also where the table has
no column for it. New keys, columns and tables come without a new `schema`: readers skip what they do not know.
"""

import datetime
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from harness.format import to_json
from harness.report.exporters import values
from harness.report.summary import about_run, summary
from harness.report.tables.all import Tables
from harness.report.tables.table import R, Table
from harness.validity.results import Run

SCHEMA: Final = 1  # grows when a reader of an older document would misread a new one
FILE: Final = "report.json"


def files(run: Run, tables: Tables) -> Mapping[str, str]:
    """Return the document."""
    return {FILE: render(run, tables, None)}


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return the document, with the named table only or with all. Raises KeyError for an unknown name."""
    chosen = [tables.named(table)] if table else list(tables)
    return to_json(
        {
            "schema": SCHEMA,
            "made_by": f"samestep {values.version()}".strip(),
            "caveat": run.caveat or None,
            "run": _run(run),
            "about": {fact.name: fact.value for fact in about_run(run)},
            "summary": list(summary(run, tables)),
            "tables": {each.name: _table(each) for each in chosen},
        }
    )


def _run(run: Run) -> dict[str, Any]:
    """Return the facts of the run that a program needs to tell runs apart, without anything of its owner."""
    facts = run.facts
    started = datetime.datetime.fromtimestamp(facts.started_unix_ns / 1e9, datetime.UTC)
    return {
        "id": facts.id,
        "started": started.isoformat(timespec="seconds"),
        "wall_s": facts.wall_s,
        "profile": facts.profile,
        "is_first_look": run.is_first_look,
        "blocks_planned": facts.blocks,
        "blocks_run": facts.blocks_run,
        "seed": facts.seed,
        "selection": list(facts.selection),
        "launcher": facts.launcher,
        "device": facts.device,
        "cpus": list(facts.cpus),
        "threads": facts.threads,
        "env": list(facts.env),
        "host": {name: None if value == "" else value for name, value in asdict(facts.host).items()},
        "commit": facts.commit or None,
        "dirty": facts.dirty,
        "versions": _versions(run),
    }


def _versions(run: Run) -> dict[str, list[str]]:
    """Return the package versions that the replicates of each framework read, as "name==version"."""
    found: dict[str, dict[str, None]] = {}
    for record in run.records:
        if record.environment is not None:
            found.setdefault(record.cell.framework_id, {}).update(dict.fromkeys(record.environment.versions))
    return {name: list(found[name]) for name in sorted(found)}


def _table(table: Table[R]) -> dict[str, Any]:
    columns = values.keyed(table)
    return {
        "title": table.title,
        "about": table.about,
        "columns": {
            column.key: {
                "type": column.type,
                "unit": values.unit(column.key) or None,
                **({"words": list(column.words)} if column.words else {}),
            }
            for column in columns
        },
        "rows": [{column.key: values.typed(column, row) for column in columns} for row in table.rows],
        "reasons": values.reasons(table.rows),
        "flags": {flag.name: flag.sentence for flag in table.flags},
        "remarks": list(table.remarks),
    }
