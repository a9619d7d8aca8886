"""What has to hold before a run is published: it is fit to be shown, and what is written is what its records say."""

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from harness.compare.choice import FIELDS
from harness.errors import StoreError
from harness.format import significant
from harness.publish.entry import Entry
from harness.report.exporters.csv import field as csv_field
from harness.report.tables.steps import StepRow, step_rows
from harness.report.words import count
from harness.report.write import MADE_FROM, PAGE
from harness.store.folder import RECORDS_FILE
from harness.validity.results import Run

STEPS: Final = "csv/steps.csv"
TOLERANCE: Final = 1e-8  # relative; the CSV has nine digits
UNSEEN: Final = ("script", "style", "title")


def require_fit(entry: Entry, path: Path, *, first_look: bool, invalid: bool) -> None:
    """Raise StoreError for a run that is not published unless that is asked for.

    Args:
        entry: the run, at `path`.
        path: named in the message.
        first_look: a run too small for verdicts is published.
        invalid: a run with invalid cells is published.
    """
    if not entry.records:
        raise StoreError(f"{path} has no record yet: there is nothing to publish.")
    if entry.is_first_look and not first_look:
        raise StoreError(
            f"{path} is a first look (profile {entry.profile}, {count(entry.blocks, 'block')}), too small for verdicts:"
            " --first-look publishes it and says so."
        )
    wrong = [cell for cell in entry.cells if cell.status == "invalid"]
    if wrong and not invalid:
        raise StoreError(
            f"{path} has {count(len(wrong), 'invalid cell')} ({wrong[0].label}: {wrong[0].reason.rstrip('.')}):"
            " --invalid publishes it, without their times, and says so."
        )


def digest(path: Path) -> str:
    """Return the SHA-256 of a file; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_agreement(folder: Path, run: Run, entry: Entry) -> None:
    """Raise StoreError unless the report in `folder` says what the records beside it and `run` say.

    The records are those of `entry`, and those that the page was made from. Every time of the table of steps, computed
    from `run` again, is that in the CSV, and is on the page.
    """
    made_from = json.loads((folder / MADE_FROM).read_bytes())["records_sha256"]
    if not made_from == digest(folder / RECORDS_FILE) == entry.records_sha256:
        raise StoreError(f"{run.facts.id}: its page was made from other records. Nothing of it was published.")
    rows = [row for row in step_rows(run) if not row.cell.ranks]  # the others have a table of their own
    for problem in (*_of_csv(folder / STEPS, rows), *_of_page(folder / PAGE, rows)):
        raise StoreError(f"{run.facts.id}: its records and its report differ: {problem}. Nothing of it was published.")


def _of_csv(path: Path, rows: Iterable[StepRow]) -> Iterator[str]:
    """Yield what differs between the CSV file of the steps and their rows."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file)
        written = {tuple(line.get(field) or "" for field in FIELDS): line for line in lines}  # older ones have no batch
    computed = {_key(row): _figures(row) for row in rows}
    for key in dict.fromkeys((*computed, *written)):
        name = " ".join(key)
        if key not in written or key not in computed:
            yield f"{name} is in one of them only"
            continue
        for column, value in computed[key].items():
            if not _same(written[key][column], value):
                yield f"{column} of {name} is {written[key][column] or 'empty'}, the records give {value}"


def _key(row: StepRow) -> tuple[str, ...]:
    """Return the fields of the cell as the CSV has them: a batch of the workload's own is empty."""
    return tuple(csv_field(getattr(row.cell, field) or "") for field in FIELDS)


def _figures(row: StepRow) -> Mapping[str, float | str | None]:
    step = row.step_ns
    interval = step.interval if step else None
    return {
        "status": row.status,
        "step_us": step.value / 1e3 if step else None,
        "ci_low_us": interval.low / 1e3 if interval else None,
        "ci_high_us": interval.high / 1e3 if interval else None,
        "first_step_ms": row.first_step_ns.value / 1e6 if row.first_step_ns else None,
        "replicates": float(row.replicates),
    }


def _same(text: str, value: float | str | None) -> bool:
    if value is None or isinstance(value, str):
        return text == (value or "")
    try:
        return math.isclose(float(text), value, rel_tol=TOLERANCE)
    except ValueError:
        return False


def _of_page(path: Path, rows: Iterable[StepRow]) -> Iterator[str]:
    """Yield the times that the page lacks."""
    reader = _Texts()
    reader.feed(path.read_text(encoding="utf-8"))
    for row in rows:
        if row.step_ns and not row.step_ns.is_wide and significant(row.step_ns.value / 1e3) not in reader.texts:
            yield f"the step of {' '.join(_key(row))} is not on the page"


class _Texts(HTMLParser):
    """Collects the texts that a page shows."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unseen += tag in UNSEEN

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in UNSEEN

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.texts.add(data.strip())
