"""Make what the pages show of the published runs: `python -m tests.pictures`.

The list of the runs in results/published/README.md, then each picture of `tests.pictures.table`. Of each it says
whether it was written or is as it was. Exit code 1: one could not be made; the others are.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.environments.checkout import ROOT
from harness.errors import OK, USAGE, SamestepError, StoreError
from harness.report.write import render
from harness.store.files import complete_file
from harness.store.folder import RunFolder
from harness.validity.results import load
from tests.pictures import published
from tests.pictures.table import PICTURES, PUBLISHED, Picture


def main(root: Path = ROOT, runs: Path = PUBLISHED, pictures: Sequence[Picture] = PICTURES) -> int:
    """Make all below `root`, print a line for each; return the exit code."""
    code = OK
    for made in (_list(runs), _pictures(root, runs, pictures)):
        try:
            for path, data in made:
                print(f"{path.relative_to(root)}: {_put(path, data)}", flush=True)
        except (SamestepError, OSError) as error:
            print(f"pictures: {error}", file=sys.stderr)
            code = USAGE
    return code


def _list(runs: Path) -> Iterator[tuple[Path, bytes]]:
    path = runs / "README.md"
    yield path, published.updated(path.read_text(encoding="utf-8"), runs).encode()


def _pictures(root: Path, runs: Path, pictures: Sequence[Picture]) -> Iterator[tuple[Path, bytes]]:
    from tests.browser import chromium
    from tests.pictures.photograph import photograph, source

    pages: dict[str, tuple[str, str]] = {}  # by run: its page, its source
    with chromium.started(*chromium.ALIKE) as browser:
        for picture in pictures:
            folder = RunFolder(runs / picture.run)
            if not folder.path.is_dir():
                raise StoreError(f"{picture.path} shows the run {folder.path}, which is not there: change its row.")
            if picture.run not in pages:
                pages[picture.run] = render(load(folder), "html"), source(folder)
            yield root / picture.path, photograph(browser, picture, *pages[picture.run])


def _put(path: Path, data: bytes) -> str:
    """Write `data` unless it is there already; return what was done."""
    if path.is_file() and path.read_bytes() == data:
        return "unchanged"
    with complete_file(path) as written:
        written.write_bytes(data)
    return "written"


if __name__ == "__main__":
    sys.exit(main())
