"""How a site and its runs are cited: CITATION.cff for the whole, BibTeX for each run."""

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from harness.publish.entry import Entry
from harness.report.words import count

AUTHORS: Final = "The samestep authors"  # of the site where nobody is named
TEX: Final[Mapping[str, str]] = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", '"': "''",
}  # fmt: skip


def bibtex(entry: Entry, *, author: str, url: str) -> str:
    """Return the BibTeX entry of a run.

    Args:
        entry: the run.
        author: who is to be cited; empty: the authors of samestep.
        url: of the site, with a slash at its end; empty: not said.
    """
    host = f"{entry.cpu}, {entry.gpu}" if entry.gpu else entry.cpu
    measured = f"{count(len(entry.cells), 'cell')}, {count(entry.blocks, 'block')}, profile {entry.profile}"
    fields = {
        "author": f"{{{_tex(author or AUTHORS)}}}",
        "title": f"{{samestep run {_tex(entry.id)}: training steps on {_tex(host)}}}",
        "year": f"{date(entry):%Y}",
        "month": f"{date(entry):%b}".lower(),
        "note": f"{_tex(entry.caveat)} {_tex(measured)}; SHA-256 of the records {entry.records_sha256}".strip(),
    }
    if url:
        fields["url"] = f"{url}runs/{entry.name}/index.html"
    lines = [f"  {name} = {value if name == 'month' else f'{{{value}}}'}" for name, value in fields.items()]
    return "@misc{" + ",\n".join([_key(entry), *lines]) + "\n}\n"


def cff(entries: Sequence[Entry], *, author: str, url: str) -> str:
    """Return CITATION.cff of the site: a data set, of the date of its newest run."""
    newest = max(entries, key=lambda entry: entry.started_unix_ns, default=None)
    lines = [
        "cff-version: 1.2.0",
        "message: If you use these measurements, please cite this site, and the run that they are from.",
        "type: dataset",
        f"title: {_yaml('samestep results: ' + count(len(entries), 'run'))}",
        "authors:",
        f"  - name: {_yaml(author or AUTHORS)}",
    ]
    if newest:
        lines.append(f"date-released: '{date(newest):%Y-%m-%d}'")
    if url:
        lines.append(f"url: {_yaml(url)}")
    return "\n".join(lines) + "\n"


def date(entry: Entry) -> datetime.datetime:
    """Return when a run began, in UTC."""
    return datetime.datetime.fromtimestamp(entry.started_unix_ns / 1e9, datetime.UTC)


def _key(entry: Entry) -> str:
    return "samestep-" + re.sub(r"[^A-Za-z0-9.-]+", "-", entry.name)


def _tex(text: str) -> str:
    return "".join(TEX.get(character, character) for character in text)


def _yaml(text: str) -> str:
    """Return a text as YAML reads it back: a JSON string is one."""
    return json.dumps(text, ensure_ascii=True)
