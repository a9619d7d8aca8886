"""The folder of a site: whether it is ours, what is published in it, and how its files are written.

A file is replaced when its new text is complete, so a reader of the site, also of one that a web server shows
meanwhile, finds each page as it was or as it is.
"""

import contextlib
import dataclasses
import gc
import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness import strict
from harness.errors import StoreError
from harness.publish import entry as entries
from harness.publish import names
from harness.publish.entry import FORMAT, Entry, Kept
from harness.report.write import MADE_FROM
from harness.store.files import complete_file
from harness.store.lock import Lock
from harness.strict import FieldError, JsonError
from harness.terminal.failures import explained

MARKER: Final = "samestep-site.json"
PAGES: Final = "data/pages.json"
NO_JEKYLL: Final = ".nojekyll"
STAGE: Final = ".samestep-new-"  # beginning of the name of a folder in which a run is prepared
ELSEWHERE: Final = "choose another folder with --site"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What `samestep-site.json` holds."""

    samestep_site: int = FORMAT
    url: str = ""  # where the site is to be found, with a slash at its end; empty: not said
    author: str = ""  # who is to be cited; empty: not said


class Site:
    """One site on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.marker = Marker()
        self._lock = Lock(path)

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the site for this process; make it where there is none.

        Raises:
            StoreError: the folder is not ours, of a newer samestep, in use, or cannot be written.
        """
        self._require_ours()
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            taken = self._lock.take()
        if not taken:
            raise StoreError(f"{self.path}: another samestep publishes there; wait for it or stop it.")
        try:
            self._sweep()
            yield
        finally:
            self._lock.free()

    @property
    def is_marked(self) -> bool:
        """Whether it is a site already."""
        return self.has(MARKER)

    @property
    def has_runs(self) -> bool:
        """Whether a run is published."""
        return any(self.path.glob("data/*.js"))

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return (self.path / name).is_file()

    def discard(self) -> None:
        """Remove the files of a site that was just begun, and its folder where that is empty then."""
        for name in (MARKER, NO_JEKYLL):
            self.unlink(name)
        self._lock.free()
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def unlink(self, name: str) -> None:
        """Remove one file; raises StoreError."""
        with self._writing():
            (self.path / name).unlink(missing_ok=True)

    def unlisted(self, published: Collection[str]) -> list[str]:
        """Return the folders of runs, made by samestep, that are not `published` any more or not yet."""
        folders = [path for path in self.path.glob("runs/*") if (path / MADE_FROM).is_file()]
        return [names.run_folder(path.name) for path in folders if path.name not in published]

    def set(self, **changes: str | None) -> None:
        """Write the marker, with those of `changes` that were given."""
        given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        self.marker = dataclasses.replace(self.marker, samestep_site=FORMAT, **given)
        self.write(MARKER, json.dumps(dataclasses.asdict(self.marker), indent=1) + "\n")
        self.write(NO_JEKYLL, "")  # or GitHub Pages leaves out names that begin with an underline

    def kept(self) -> tuple[Kept, ...]:
        """Return the published runs, the newest first.

        Raises:
            StoreError: a data file is damaged.
        """
        gc.disable()  # nothing of it becomes garbage, and looking takes as long as reading
        try:
            found = [entries.read(path) for path in self.path.glob("data/*.js")]
        finally:
            gc.enable()
        return tuple(sorted(found, key=lambda kept: (-kept.entry.started_unix_ns, kept.entry.id)))

    def entry(self, name: str) -> Entry | None:
        """Return the published run with this name of its files; None: there is none. Raises StoreError."""
        path = self.path / names.data_file(name)
        return entries.read(path).entry if path.exists() else None

    def pages(self) -> Mapping[str, str]:
        """Return what each page of a cell was made from, by its folder; nothing where that is not known."""
        try:
            said = json.loads((self.path / PAGES).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}

    def write(self, name: str, text: str) -> None:
        """Write one file; raises StoreError."""
        with self._writing():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with complete_file(target, durable=False) as written:
                written.write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Path]:
        """Make a folder called `name` to prepare a run in, on the same file system; remove it at the end."""
        with self._writing():
            around = Path(tempfile.mkdtemp(prefix=STAGE, dir=self.path))
        try:
            with self._writing():
                (around / name).mkdir()
            yield around / name
        finally:
            shutil.rmtree(around, ignore_errors=True)

    def take_in(self, prepared: Path, folder: str) -> None:
        """Move the files of `prepared` into `folder`, each in place of an older one; remove what is there no more.

        No file that a page links to is missing meanwhile.
        """
        with self._writing():
            target = self.path / folder
            files = sorted(path.relative_to(prepared) for path in prepared.rglob("*") if path.is_file())
            for file in files:
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                (prepared / file).replace(target / file)
            for path in [path for path in target.rglob("*") if path.is_file()]:
                if path.relative_to(target) not in files:
                    path.unlink()

    def remove(self, folder: str) -> None:
        """Remove a folder of ours and the folders around it that are empty then."""
        path = self.path / folder
        with self._writing():
            if path.exists():
                shutil.rmtree(path)
            with contextlib.suppress(OSError):  # one that is not empty stays
                for parent in path.parents:
                    if parent in (self.path, self.path / "runs", self.path / "cells"):
                        break
                    parent.rmdir()

    def _require_ours(self) -> None:
        marker = self.path / MARKER
        try:
            present = sorted(path.name for path in self.path.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path} cannot be read: {explained(error) or error}.") from error
        if MARKER in present:
            self.marker = _marker(marker)
        elif present:
            raise StoreError(
                f"{self.path} is not a site of samestep: it has files ({present[0]}) and no {MARKER}. Nothing was"
                f" changed there: {ELSEWHERE}."
            )

    def _sweep(self) -> None:
        """Remove what an interrupted publish was preparing."""
        for path in self.path.glob(f"{STAGE}*"):
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.path
            helps = (explained(error) or f"{where}: {error}").replace("choose another folder", ELSEWHERE)
            raise StoreError(f"The site cannot be written: {helps}.") from error


def _marker(path: Path) -> Marker:
    """Read the marker; raises StoreError."""
    try:
        source = path.read_text(encoding="utf-8")
        number = strict.parsed(source)
        if isinstance(number, dict) and isinstance(found := number.get("samestep_site"), int) and found > FORMAT:
            raise StoreError(
                f"{path.parent} was made by a newer samestep (format {found}, this one writes {FORMAT}). Nothing was"
                f" changed there: update samestep, or {ELSEWHERE}."
            )
        return strict.value(Marker, source)
    except (OSError, UnicodeDecodeError, FieldError, JsonError) as error:
        raise StoreError(
            f"{path} cannot be read: {explained(error) or error}. Nothing was changed there: put it back as it was, or"
            f" {ELSEWHERE}."
        ) from error
