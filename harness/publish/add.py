"""One run becomes part of a site: copied, judged, reported, checked, and only then moved to its place.

The report is made from the copy that will be published, and held to what the run's own folder says, so neither a run
that goes on meanwhile nor a fault between records and page gets into the site.
"""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bench.records import text
from harness.errors import StoreError
from harness.publish import checks, names, pages
from harness.publish import entry as entries
from harness.publish.entry import Entry, moment
from harness.publish.site import Site
from harness.report.words import count
from harness.report.write import PAGE, write_report
from harness.store import loops
from harness.store.folder import PLAN_FILE, RECORDS_FILE, RUN_FILE, RunFolder
from harness.store.samples import MERGED_FILE, PARTS_FOLDER
from harness.terminal.failures import first_of
from harness.validity.results import Run, load

SOURCES: Final = (RUN_FILE, PLAN_FILE, RECORDS_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What is published although it is not fit for a verdict."""

    first_look: bool = False
    invalid: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    kind: Literal["published", "replaced", "remade", "unchanged"]
    entry: Entry
    grown: int = 0  # records more than before

    def __str__(self) -> str:
        """Return it as a line for people."""
        cells = count(len(self.entry.cells), "cell")
        return {
            "published": f"{self.entry.id}: published, {cells}",
            "replaced": f"{self.entry.id}: replaced, it has grown by {count(self.grown, 'record')}; {cells}",
            "remade": f"{self.entry.id}: its page was made again",
            "unchanged": f"{self.entry.id}: is published already, with the same records",
        }[self.kind]


def add(site: Site, folder: RunFolder, allowed: Allowed, *, anew: bool = False) -> Outcome:
    """Publish the run in `folder`.

    Args:
        site: opened.
        folder: of the run.
        allowed: what is published all the same.
        anew: make its page again, also where its records are those that are published.

    Raises:
        StoreError: it cannot be read, is not fit, is another run than the published one of its id, or its records and
            its report do not agree. Nothing of it is published then.
    """
    run_id = text.line(folder.path.resolve().name) or "_"
    known = site.entry(names.segment(run_id))
    entry = _read(folder, run_id)
    grown = _grown(site, known, folder, entry) if known else 0
    if known and known.records_sha256 == entry[1].records_sha256 and not anew and _same_loop(site, known, folder):
        return Outcome("unchanged", known)
    checks.require_fit(entry[1], folder.path, first_look=allowed.first_look, invalid=allowed.invalid)
    published = _publish(site, folder, *entry)
    if known is None:
        return Outcome("published", published)
    return Outcome("replaced", published, grown) if grown else Outcome("remade", published)


def remake(site: Site, known: Entry) -> Outcome:
    """Make the page of a published run again, from the records in the site; raises StoreError."""
    folder = RunFolder(site.path / names.run_folder(known.name))
    return Outcome("remade", _publish(site, folder, *_read(folder, known.id)))


def _read(folder: RunFolder, run_id: str) -> tuple[Run, Entry]:
    """Return the run in `folder` as it is called, whole and in brief; raises StoreError."""
    begun_as = folder.facts().id
    run = load(folder)
    run = dataclasses.replace(run, facts=dataclasses.replace(run.facts, id=run_id))
    lines = _lines(folder.records_path)
    digest = checks.digest(folder.records_path) if lines else ""
    return run, entries.entry_of(run, begun_as=begun_as, records=len(lines), records_sha256=digest)


def _publish(site: Site, folder: RunFolder, run: Run, entry: Entry) -> Entry:
    with site.stage(run.facts.id) as staged:
        copy = _copied(folder, staged)
        if checks.digest(copy.records_path) != entry.records_sha256:
            raise StoreError(f"{folder.path}: its records grew while they were read; publish it when it has ended.")
        write_report(copy, staged)
        checks.require_agreement(staged, run, entry)
        shutil.rmtree(staged / PARTS_FOLDER, ignore_errors=True)
        files = sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file())
        entry = dataclasses.replace(entry, files=tuple(file for file in files if file != PAGE))
        page = staged / PAGE
        page.write_text(pages.with_bar(page.read_text(encoding="utf-8"), entry), encoding="utf-8")
        site.take_in(staged, names.run_folder(entry.name))
    site.write(names.data_file(entry.name), entries.written(entry))
    return entry


def _copied(folder: RunFolder, to: Path) -> RunFolder:
    """Copy a run's files that are published to the folder `to`; raises StoreError."""
    try:
        for name in SOURCES:
            shutil.copyfile(folder.path / name, to / name)
        for name in (MERGED_FILE, loops.FILE):
            if (folder.path / name).is_file():
                shutil.copyfile(folder.path / name, to / name)
        if (folder.path / PARTS_FOLDER).is_dir():
            shutil.copytree(folder.path / PARTS_FOLDER, to / PARTS_FOLDER)
    except OSError as error:
        raise StoreError(f"{folder.path} cannot be copied: {first_of(error).strerror or error}.") from error
    copy = RunFolder(to)
    copy.merge_samples()
    return copy


def _grown(site: Site, known: Entry, folder: RunFolder, read: tuple[Run, Entry]) -> int:
    """Return by how many records the run in `folder` has more than the published one of its id.

    Raises:
        StoreError: they are two runs, or records that are published are missing.
    """
    entry = read[1]
    if _identity(known) != _identity(entry):
        raise StoreError(
            f"{folder.path} ({_described(entry)}) and the run {known.id} of {site.path} ({_described(known)}) are two"
            f" runs with one id: rename its folder, or take the other out with --remove {known.id}."
        )
    published = set(_lines(site.path / names.run_folder(known.name) / RECORDS_FILE))
    lines = set(_lines(folder.records_path))
    if missing := len(published - lines):
        raise StoreError(
            f"{folder.path} lacks {count(missing, 'record')} of the run {known.id} of {site.path}: put it back as it"
            f" was, or take the other out with --remove {known.id}."
        )
    return len(lines - published)


def _same_loop(site: Site, known: Entry, folder: RunFolder) -> bool:
    """Whether the published run has the `loop.json` of the folder, or both have none."""
    published = site.path / names.run_folder(known.name)
    return _lines(published / loops.FILE) == _lines(folder.path / loops.FILE)


def _identity(entry: Entry) -> tuple[object, ...]:
    return entry.begun_as, entry.started_unix_ns, entry.seed


def _described(entry: Entry) -> str:
    return f"begun {moment(entry.started_unix_ns)} as {entry.begun_as} on {entry.host}"


def _lines(path: Path) -> list[bytes]:
    try:
        return [line for line in path.read_bytes().split(b"\n") if line.strip()]
    except FileNotFoundError:
        return []
