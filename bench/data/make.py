"""Writing a data set: `python -m bench data FOLDER SIZE FORMAT…`, which says after each file how many are done."""

import contextlib
import hashlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from bench.data.dataset import (
    MANIFEST,
    DataError,
    Dataset,
    Part,
    content,
    file_bytes,
    file_name,
    kinds_of,
    manifest,
    open_dataset,
    parts_of,
    samples_of,
)

PARTIAL: Final = ".partial"
Say = Callable[[int, int], None]  # called with the files that are done and those that there are to be


def missing(folder: Path, size: str, formats: Sequence[str]) -> tuple[tuple[str, Part], ...]:
    """Return kind and shard of each file that is to be written: not in the manifest, or not of its length."""
    files: Container[str]
    try:
        files = open_dataset(folder, size).files
    except DataError:
        files = ()
    wanted = ((kind, part) for kind in kinds_of(formats) for part in parts_of(samples_of(size)))
    return tuple((kind, part) for kind, part in wanted if not _is_there(folder / size, kind, part, files))


def make(folder: Path, size: str, formats: Sequence[str], say: Say = lambda done, of: None) -> Dataset:
    """Write what is missing of these formats, in as many processes as there are processors; return the data set.

    Raises:
        OSError: it cannot be written.
    """
    here = folder / size
    here.mkdir(parents=True, exist_ok=True)
    here.chmod(0o755)  # a container has another user
    work = missing(folder, size, formats)
    try:
        files = dict(open_dataset(folder, size).files)
    except DataError:
        files = {}
    fork = multiprocessing.get_context("fork")  # this process has no threads, and the children import nothing again
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=fork) as pool:
        jobs = [pool.submit(write, here, kind, part) for kind, part in work]
        for done, job in enumerate(jobs, start=1):
            name, bytes_, sha = job.result()
            files[name] = (bytes_, sha)
            say(done, len(jobs))
    partial = here / f"{MANIFEST}{PARTIAL}"
    partial.write_text(manifest(size, files), encoding="utf-8")
    partial.chmod(0o644)
    partial.replace(here / MANIFEST)
    return open_dataset(folder, size)


def write(folder: Path, kind: str, part: Part) -> tuple[str, int, str]:
    """Write one file, under another name until it is complete and on the disk; return name, bytes and SHA-256."""
    name = file_name(kind, part.number)
    partial = folder / f"{name}{PARTIAL}"
    digest, written = hashlib.sha256(), 0
    try:
        with partial.open("wb") as file:
            for piece in content(kind, part):
                digest.update(piece)
                written += file.write(piece)
            file.flush()
            os.fsync(file.fileno())  # a page that is not written cannot leave the page cache
        partial.chmod(0o644)
        partial.replace(folder / name)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return name, written, digest.hexdigest()


def main(argv: Sequence[str]) -> int:
    """Make the data set that the arguments name; return the exit code."""
    folder, size, *formats = argv
    try:
        make(Path(folder), size, formats, lambda done, of: print(done, of, flush=True))
    except OSError as error:
        print(f"{folder} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _is_there(folder: Path, kind: str, part: Part, files: Container[str]) -> bool:
    name = file_name(kind, part.number)
    try:
        return name in files and (folder / name).stat().st_size == file_bytes(kind, part.samples)
    except OSError:
        return False
