"""The command `samestep publish`: takes runs in or out, then writes every page that shows something new."""

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import OK, SOME_FAILED, SamestepError, SelectionError, StoreError
from harness.format import shortened_name, to_json
from harness.publish import add, history, names, pages
from harness.publish.add import Allowed
from harness.publish.entry import Kept
from harness.publish.history import History
from harness.publish.site import MARKER, PAGES, Site
from harness.report.words import count
from harness.store.folder import find
from harness.terminal import failures

INDEX: Final = "index.html"
ADDRESS: Final = re.compile(r"https?://[\w.-]+(?::\d+)?(?:/[\w.~%+/-]*)?", re.ASCII)
LISTS: Final = ("cells/index.html", INDEX)  # link to the pages of the cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed."""

    runs: tuple[str, ...]  # ids, paths of folders, or "latest"
    remove: tuple[str, ...] = ()  # ids of published runs
    site: Path
    results: Path  # folder of the runs
    allowed: Allowed
    anew: bool = False
    url: str | None = None  # None: as before
    author: str | None = None


def publish(asked: Asked) -> int:
    """Publish runs, print what became of each, and return the exit code.

    Raises:
        SelectionError: nothing is asked for, or the address is none.
        StoreError: the folder of the site is not ours or cannot be written, or nothing is published yet.
    """
    _require_something(asked)
    url = _address(asked.url)
    site = Site(asked.site)
    with site.opened():
        is_new = not site.is_marked
        site.set(url=url, author=asked.author)
        failed = sum(not _told(change) for change in _changes(site, asked))
        if is_new and not site.has_runs:
            site.discard()
            return SOME_FAILED
        kept = site.kept()
        written, total = _write(site, kept)
    runs, pages_ = count(len(kept), "run"), count(written, "page")
    print(f"Site: {site.path / INDEX}, {runs}, {count(total, 'cell')}; {pages_} of cells written")
    return SOME_FAILED if failed else OK


def _require_something(asked: Asked) -> None:
    is_there = (asked.site / MARKER).exists()
    if asked.runs or (is_there and (asked.remove or asked.anew or asked.url is not None or asked.author is not None)):
        return
    if asked.remove or asked.anew:
        raise StoreError(f"{asked.site} is no site yet: publish a run first, or name the site with --site.")
    raise SelectionError("Name the runs to publish: their ids, their folders, or latest.")


def _address(typed: str | None) -> str | None:
    if not typed:
        return typed
    if not ADDRESS.fullmatch(typed):
        raise SelectionError(f"--url {typed!r}: give the address of the site, such as https://example.org/results/.")
    return typed.rstrip("/") + "/"


def _changes(site: Site, asked: Asked) -> Iterator[Callable[[], str]]:
    """Yield what is to be done with each run, which returns what became of it."""
    for name in asked.remove:
        yield functools.partial(_removed, site, name)
    taken: set[Path] = set()
    for name in asked.runs:
        yield functools.partial(_added, site, name, asked, taken)
    if asked.anew and not asked.runs:
        for kept in site.kept():
            yield functools.partial(_remade, site, kept)


def _told(change: Callable[[], str]) -> bool:
    """Make a change and print what became of it; return whether it could be made."""
    try:
        print(change(), flush=True)
    except (SamestepError, OSError) as error:
        said = str(error) if isinstance(error, SamestepError) else failures.sentence(error)
        print(f"samestep: {failures.bounded(said)}", file=sys.stderr, flush=True)
        return False
    return True


def _added(site: Site, name: str, asked: Asked, taken: set[Path]) -> str:
    folder = find(asked.results, name)
    path = folder.path.resolve()
    if path in taken:
        return f"{name}: named twice"
    taken.add(path)
    return str(add.add(site, folder, asked.allowed, anew=asked.anew))


def _removed(site: Site, run_id: str) -> str:
    name = names.segment(run_id)
    if not (site.path / names.data_file(name)).is_file():
        known = ", ".join(kept.entry.id for kept in site.kept()[:3]) or "none"
        raise StoreError(f"There is no run {shortened_name(run_id)!r} in {site.path}. The newest ones: {known}.")
    site.unlink(names.data_file(name))
    return f"{run_id}: taken out"


def _remade(site: Site, kept: Kept) -> str:
    return str(add.remake(site, kept.entry))


def _write(site: Site, kept: Sequence[Kept]) -> tuple[int, int]:
    """Write the pages that show several runs; return how many pages of cells were written, and of how many.

    No page that is there already links to one that is not there yet: the page of a new run, which links to all of its
    cells, is reached only when these are written. `PAGES` never says that a page shows what it does not show yet.
    """
    cells = history.histories(kept)
    before, now = site.pages(), {of.folder: pages.digest(of) for of in cells}
    stale = [of for of in cells if before.get(of.folder) != now[of.folder] or not site.has(f"{of.folder}/{INDEX}")]
    changed = {of.folder for of in stale}
    site.write(PAGES, to_json({folder: digest for folder, digest in now.items() if folder not in changed}))
    shared = pages.files([each.entry for each in kept], cells, site.marker)
    lists = {name: shared.pop(name) for name in LISTS}
    new = [of for of in stale if not site.has(f"{of.folder}/{INDEX}")]
    lacking = dict(_write_cells(site, new))
    _write_all(site, shared)
    lacking |= _write_cells(site, [of for of in stale if of not in new])
    _write_all(site, lists)
    for folder in before.keys() - now.keys():
        site.remove(folder)
    for folder in site.unlisted({each.entry.name for each in kept}):
        site.remove(folder)
    site.write(PAGES, to_json({folder: digest for folder, digest in now.items() if folder not in lacking}))
    if lacking:
        why = next(iter(lacking.values()))
        print(f"samestep: {count(len(lacking), 'page')} of cells without chart: {why}. Publish again.", file=sys.stderr)
    return len(stale), len(cells)


def _write_cells(site: Site, cells: Sequence[History]) -> Mapping[str, str]:
    """Write the pages of cells; return which of them lack their chart, by their folders, and why.

    While a page is written, the charts of the next ones are drawn, in a process of Vega's.
    """
    lacking = {}
    with ThreadPoolExecutor(max_workers=1) as drawing:
        for of, drawn in zip(cells, drawing.map(pages.drawn, cells), strict=True):
            _write_all(site, {f"{of.folder}/{name}": text for name, text in pages.of_cell(of, drawn).items()})
            if drawn.lacks:
                lacking[of.folder] = drawn.lacks
    return lacking


def _write_all(site: Site, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        site.write(name, text)
