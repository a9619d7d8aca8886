"""Where the results lie: odd names, links, other owners, disks that are full or read-only, files of others."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from harness.environments.checkout import ROOT
from harness.store.folder import RunFolder
from tests.faults.outcome import OTHER, Wrong
from tests.faults.room import TWO, NotHereError, Room, refuses, stands, whole, works
from tests.faults.surroundings.case import Case, case

CASES: Final[list[Case]] = []
NOBODY: Final = 65534


def root() -> None:
    """Raise NotHereError where this process is not root."""
    if os.geteuid() != 0:
        raise NotHereError("it needs root")


def mounted(room: Room, folder: Path, *how: str) -> None:
    """Mount something on `folder` until the room is left; raises NotHereError."""
    root()
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *how, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHereError(f"nothing can be mounted: {done.stderr.strip()}")
    room.afterwards(lambda: subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True))


def _named(name: str | bytes, what: str, *, short: bool = False) -> None:
    """Add a case of a results folder with an odd name: a run, its report and its resuming work there."""

    def plant(room: Room) -> Iterator[Wrong]:
        room.results = room.scratch / os.fsdecode(name)
        yield from works(room.run())
        yield from whole(room.folder())
        yield from works(room.samestep("report", "--results", room.results))
        yield from works(room.resume())

    CASES.append(Case(name=f"results in a folder {what}", plant=plant, short=short))


_named("with a space", "with a space")
_named("名前 é", "that is not ASCII")
_named(b"caf\xe9", "that is not UTF-8")
_named("a\nb", "with a newline")
_named("a\x1b[31mb", "with an escape sequence")
_named("-rf", "that begins with a dash")
_named("$(touch x);'\"&`", "with what a shell reads")
_named("[red]*?", "with what a pattern reads")
_named("x/" * 12 + "d" * 200, "deep, with a long name")


@case("report, compare and plan on a read-only disk print and write nothing", short=True, into=CASES)
def _read_only(room: Room) -> Iterator[Wrong]:
    yield from works(room.run())
    mounted(room, room.results, "--bind", str(room.results))
    if subprocess.run(
        ["mount", "-o", "remount,bind,ro", str(room.results)], capture_output=True, check=False
    ).returncode:
        raise NotHereError("no bind mount can be made read-only")
    ended = room.samestep("report", "--results", room.results)
    yield from works(ended)
    if ended.code == 0 and b"NumPy" not in ended.out:
        yield Wrong(of=OTHER, what="report on a read-only disk prints no table")
    yield from works(room.samestep("report", "--format", "csv", "--results", room.results))
    yield from works(room.samestep("compare", "latest", "latest", "--results", room.results))
    yield from works(room.samestep("plan", "--framework", "numpy", "--results", room.results))
    yield from refuses(room.run(), "read-only", "cannot be written")
    yield from refuses(room.resume(), "read-only", "cannot be written")


@case("a report of another user's run", into=CASES)
def _of_another(room: Room) -> Iterator[Wrong]:
    root()
    yield from works(room.run())
    room.results.chmod(0o755)
    as_nobody = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    # The interpreter itself may not be readable for others: then nothing can be said.
    if subprocess.run(
        [*as_nobody, "test", "-r", str(ROOT / "harness" / "cli.py")], capture_output=True, check=False
    ).returncode:
        raise NotHereError("another user cannot read the checkout")
    room.tmp.chmod(0o777)
    yield from works(room.samestep("report", "--results", room.results, wrap=as_nobody))
    yield from refuses(room.run(wrap=as_nobody), "cannot be written", "permission")
    yield from refuses(room.resume(wrap=as_nobody), "cannot be written", "permission", "cannot be resumed")


@case("results is a file", into=CASES)
def _is_a_file(room: Room) -> Iterator[Wrong]:
    room.results.write_text("", encoding="utf-8")
    yield from refuses(room.run(), "results")
    yield from refuses(room.samestep("report", "--results", room.results), "in the way")


@case("results is a link to a folder", into=CASES)
def _is_a_link(room: Room) -> Iterator[Wrong]:
    (room.scratch / "elsewhere").mkdir()
    room.results.symlink_to("elsewhere")
    yield from works(room.run())
    yield from whole(room.folder())


@case("results is a link to nowhere", into=CASES)
def _is_a_dead_link(room: Room) -> Iterator[Wrong]:
    room.results.symlink_to("nowhere/at/all")
    yield from stands(room.run())
    yield from stands(room.samestep("report", "--results", room.results))


@case("the disk of the results has no space for a run", into=CASES)
def _full(room: Room) -> Iterator[Wrong]:
    mounted(room, room.results, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    yield from refuses(room.run(), "free")


@case("the disk of the results fills up during a run, which goes on later", into=CASES)
def _fills(room: Room) -> Iterator[Wrong]:
    mounted(room, room.results, "-t", "tmpfs", "-o", "size=80m", "tmpfs")
    process = room.start_run(*TWO)
    room.wait_for(lambda: bool(room.folders()) or process.poll() is not None, "a run's folder")
    filler = room.results / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    yield from stands(room.end(process))
    before = room.folder().records_path.read_bytes() if room.folder().records_path.exists() else b""
    filler.unlink()
    yield from works(room.resume())
    yield from whole(room.folder(), before=before)


@case("the temporary folder fills up", into=CASES)
def _tmp_fills(room: Room) -> Iterator[Wrong]:
    mounted(room, room.tmp, "-t", "tmpfs", "-o", "size=16k", "tmpfs")
    yield from stands(room.run())
    if room.folders():
        subprocess.run(["umount", "-l", str(room.tmp)], check=False)
        yield from stands(room.resume())
        yield from whole(room.folder())


@case("a disk without inodes", into=CASES)
def _no_inodes(room: Room) -> Iterator[Wrong]:
    mounted(room, room.results, "-t", "tmpfs", "-o", "size=200m,nr_inodes=4", "tmpfs")
    yield from stands(room.run())


def _umask(mask: int) -> None:
    def plant(room: Room) -> Iterator[Wrong]:
        ended = room.run(before=lambda: os.umask(mask))
        if os.geteuid() == 0 or not mask & 0o700:
            yield from works(ended)
            yield from whole(room.folder())
        else:  # not even its owner may write what is made
            yield from stands(ended)

    CASES.append(Case(name=f"umask {mask:03o}", plant=plant, short=False))


_umask(0o077)
_umask(0o777)
_umask(0o000)


@case("the last newline of records.jsonl is missing when a run goes on", short=True, into=CASES)
def _no_newline(room: Room) -> Iterator[Wrong]:
    before = room.stopped()
    path = room.folder().records_path
    path.write_bytes(before.rstrip(b"\n"))
    yield from works(room.resume())
    yield from whole(room.folder(), before=before)


@case("the last record is cut in its middle when a run goes on", into=CASES)
def _cut(room: Room) -> Iterator[Wrong]:
    """It is named with its line, or it is measured again; what is before it stays."""
    before = room.stopped()
    path = room.folder().records_path
    kept = b"".join(before.splitlines(keepends=True)[:-1])
    path.write_bytes(before[: len(kept) + (len(before) - len(kept)) // 2])
    ended = room.resume()
    if ended.code == 0:
        yield from works(ended)
        yield from whole(room.folder(), before=kept)
    else:
        yield from refuses(ended, "line")
        if not path.read_bytes().startswith(kept):
            yield Wrong(of="lost", what="records before the cut one are gone")


def _changed(what: str, change: Callable[[Room, RunFolder], object], *words: str) -> None:
    """Add a case in which somebody changes a stopped run: resuming works, or is refused with one of `words`."""

    def plant(room: Room) -> Iterator[Wrong]:
        room.stopped()
        folder = room.folder()
        change(room, folder)
        (folder,) = room.folders()[:1] or (folder,)
        before = folder.records_path.read_bytes()
        ended = room.samestep("run", "--resume", folder.path, "--results", room.results)
        if ended.code == 0 or not words:
            yield from works(ended)
            yield from whole(folder, before=before)
        else:
            yield from refuses(ended, *words)
        yield from stands(room.samestep("report", folder.path, "--results", room.results))

    CASES.append(Case(name=what, plant=plant, short=False))


def _renamed(name: str) -> Callable[[Room, RunFolder], None]:
    def change(room: Room, folder: RunFolder) -> None:
        folder.path.rename(folder.path.with_name(name))

    return change


_changed("a stopped run is renamed", _renamed("my best run"))
_changed("a stopped run is renamed to latest", _renamed("latest"))
_changed("a stopped run is renamed to what a shell or a table reads", _renamed("=1+1|*[b]'\"$x"))
_changed("a stopped run is renamed with a newline and an escape sequence", _renamed("a\nb\x1b[31m"))
_changed("a stopped run is renamed to bytes that are not UTF-8", _renamed(os.fsdecode(b"caf\xe9")))


def _moved(room: Room, folder: RunFolder) -> None:
    shutil.move(room.results, room.scratch / "moved")
    room.results = room.scratch / "moved"


def _read_only_files(room: Room, folder: RunFolder) -> None:
    for path in folder.path.rglob("*"):
        path.chmod(0o444 if path.is_file() else 0o755)


def _other_facts(room: Room, folder: RunFolder) -> None:
    other = room.scratch / "other"
    room.samestep(
        *("run", "--launcher", "here", "--profile", "quick", "--blocks", "1", "--framework", "numpy", "--seed", "8"),
        *("--measure", "memory", "--results", other),
    )
    for path in other.glob("*/run.json"):
        shutil.copy(path, folder.path / "run.json")


def _foreign_files(room: Room, folder: RunFolder) -> None:
    for name in (".DS_Store", "._run.json", "Thumbs.db", "notes.txt", ".hidden/run.json", "lost+found/x", "run.json~"):
        for place in (room.results, folder.path):
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(b"\x00\x01rubbish")
    (room.results / "a-dead-link").symlink_to("nowhere")


def _records_of_two(room: Room, folder: RunFolder) -> None:
    """The records of another replicate of the same plan, with other numbers, as `cat a b > c` makes it."""
    data = folder.records_path.read_bytes()
    other = re.sub(rb'"wall_ns":(\d)', lambda found: b'"wall_ns":%d' % (int(found[1]) % 9 + 1), data)
    folder.records_path.write_bytes(data + other)


def _back_in_time(room: Room, folder: RunFolder) -> None:
    """The clock was set back between two records."""
    lines = folder.records_path.read_text(encoding="utf-8").splitlines()
    changed = lines[-1].replace('"started_unix_ns":1', '"started_unix_ns":')
    folder.records_path.write_text("\n".join([*lines[:-1], changed]) + "\n", encoding="utf-8")


_changed("the results are moved while a run is stopped", _moved)
_changed("the files of a stopped run are read-only", _read_only_files, "cannot be written")
_changed("run.json is that of another run", _other_facts, "cannot be resumed", "plan", "differ")
_changed("files of a file manager and of others lie in the results", _foreign_files)
_changed(
    "the records of a run stand twice, with other numbers", _records_of_two, "line", "twice", "two records", "conflict"
)
_changed("the clock was set back between two records", _back_in_time)
_changed("plan.json is gone", lambda room, folder: (folder.path / "plan.json").unlink(), "plan.json")
_changed("run.json is empty", lambda room, folder: (folder.path / "run.json").write_text(""), "run.json")
_changed("samples are damaged", lambda room, folder: _damaged_samples(folder), "parquet", "sample")


def _damaged_samples(folder: RunFolder) -> None:
    for path in [*folder.path.glob("samples*.parquet"), *folder.path.glob("samples/*.parquet")]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@case("the results are moved away during a run", into=CASES)
def _moved_meanwhile(room: Room) -> Iterator[Wrong]:
    process = room.start_run(*TWO)
    room.wait_for_records(1)
    room.results.rename(room.scratch / "moved")
    yield from stands(room.end(process))
    room.results = room.scratch / "moved"
    if room.folders():
        before = room.folder().records_path.read_bytes()
        yield from works(room.resume())
        yield from whole(room.folder(), before=before)


@case("the run's folder is removed during a run", into=CASES)
def _removed_meanwhile(room: Room) -> Iterator[Wrong]:
    process = room.start_run(*TWO)
    room.wait_for_records(1)
    shutil.rmtree(room.folder().path)
    yield from refuses(room.end(process), "cannot be written", "gone", "not a run", "there is no")


@case("bytecode of another Python lies beside the code", into=CASES)
def _foreign_bytecode(room: Room) -> Iterator[Wrong]:
    from tests.copies import copy_of_the_checkout

    room.root = copy_of_the_checkout(room.scratch / "checkout")
    for path in list((room.root / "bench").rglob("*.py")):
        cache = path.parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        (cache / f"{path.stem}.cpython-39.pyc").write_bytes(b"\x61\x0d\x0d\x0a" + bytes(12))
        (cache / f"{path.stem}.cpython-311.pyc").write_bytes(b"rubbish")
    yield from works(room.run())
