"""The machine: limits of processes, control groups, another host at resuming, the clock, the code under a run."""

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.copies import copy_of_the_checkout
from tests.faults.outcome import OTHER, Wrong
from tests.faults.room import NotHereError, Room, refuses, stands, whole, works
from tests.faults.surroundings.case import Case, case
from tests.faults.surroundings.places import mounted, root

CASES: Final[list[Case]] = []
CGROUP: Final = Path("/sys/fs/cgroup")


def _limited(name: str, limit: int, value: int, *, must_work: bool = False, short: bool = False) -> None:
    """Add a case with a limit of processes: a run works, or each failure has its sentence; later it goes on without."""

    def plant(room: Room) -> Iterator[Wrong]:
        ended = room.run(before=lambda: resource.setrlimit(limit, (value, value)))
        if ended.code != -signal.SIGKILL or limit != resource.RLIMIT_CPU:  # samestep itself needs more than 2 s
            yield from works(ended) if must_work else stands(ended)
        if room.folders():
            yield from stands(room.resume())
            yield from whole(room.folder())

    CASES.append(Case(name=name, plant=plant, short=short))


_limited("an address space of 200 MB", resource.RLIMIT_AS, 200 << 20)
_limited("an address space of 600 MB", resource.RLIMIT_AS, 600 << 20)
_limited("an address space of 2 GB", resource.RLIMIT_AS, 2 << 30)
_limited("8 open files", resource.RLIMIT_NOFILE, 8)
_limited("20 open files", resource.RLIMIT_NOFILE, 20)
_limited("files of 4 kB at most", resource.RLIMIT_FSIZE, 4 << 10)
_limited("files of 100 kB at most", resource.RLIMIT_FSIZE, 100 << 10)
_limited("a stack of 256 kB", resource.RLIMIT_STACK, 256 << 10)
_limited("2 s of processor time for each process", resource.RLIMIT_CPU, 2)
_limited("no locked memory, no core", resource.RLIMIT_CORE, 0, must_work=True)


@case("a user who may have no more processes", into=CASES)
def _no_processes(room: Room) -> Iterator[Wrong]:
    root()
    room.scratch.chmod(0o777)
    room.tmp.chmod(0o777)
    wrap = ("setpriv", "--reuid", "64123", "--regid", "64123", "--clear-groups")
    if subprocess.run([*wrap, "test", "-r", str(room.root / "harness")], check=False, capture_output=True).returncode:
        raise NotHereError("another user cannot read the checkout")
    before = lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))  # noqa: E731
    yield from stands(room.run(wrap=wrap, before=before))


class Group:
    """A control group of one controller, removed when the room is left; raises NotHereError."""

    def __init__(self, room: Room, controller: str) -> None:
        root()
        is_old = (CGROUP / controller).is_dir()
        parent = CGROUP / controller if is_old else CGROUP
        if not is_old and controller not in _text(CGROUP / "cgroup.subtree_control").split():
            raise NotHereError(f"control groups have no {controller} here")
        self.is_old = is_old
        self.path = parent / f"samestep-faults-{os.getpid()}-{time.monotonic_ns()}"
        try:
            self.path.mkdir()
        except OSError as error:
            raise NotHereError(f"no control group can be made: {error.strerror}") from error
        room.afterwards(self._remove)

    def set(self, old: str, new: str, old_value: str, new_value: str) -> None:
        """Write a setting by its name of version 1 or 2."""
        try:
            (self.path / (old if self.is_old else new)).write_text(old_value if self.is_old else new_value)
        except OSError as error:
            raise NotHereError(f"{old} cannot be set: {error.strerror}") from error

    def enter(self) -> None:
        """Move this process into it; for `before`."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def _remove(self) -> None:
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.1)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""


@case("a quota of 60 % of a processor is told in the record or on the page", into=CASES)
def _quota(room: Room) -> Iterator[Wrong]:
    group = Group(room, "cpu")
    group.set("cpu.cfs_quota_us", "cpu.max", "60000", "60000 100000")
    ended = room.run(before=group.enter)
    yield from stands(ended)
    yield from whole(room.folder())
    page = _text(room.folder().report_path / "index.md") + _text(room.folder().report_path / "steps.md")
    if not re.search(r"throttl|quota|processor time|CPU time", ended.out.decode(errors="replace") + page):
        yield Wrong(of=OTHER, what="no word of the quota, neither printed nor on the page")


@case("little memory in a control group", into=CASES)
def _little_memory(room: Room) -> Iterator[Wrong]:
    group = Group(room, "memory")
    group.set("memory.limit_in_bytes", "memory.max", str(160 << 20), str(160 << 20))
    ended = room.run(before=group.enter)
    if ended.code != -9:  # samestep itself was killed
        yield from stands(ended)
    if room.folders():
        before = room.folder().records_path.read_bytes() if room.folder().records_path.exists() else b""
        yield from stands(room.resume())
        yield from whole(room.folder(), before=before)


@case("eight processes in a control group", into=CASES)
def _few_processes(room: Room) -> Iterator[Wrong]:
    group = Group(room, "pids")
    group.set("pids.max", "pids.max", "8", "8")
    yield from stands(room.run(before=group.enter))


@case("a run goes on without the processors that it had", short=True, into=CASES)
def _other_processors(room: Room) -> Iterator[Wrong]:
    """It is refused; and it works once they are there again, with every replicate."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise NotHereError("it needs two processors")
    before = room.stopped()
    yield from refuses(room.resume(before=lambda: os.sched_setaffinity(0, allowed[:1])), "CPU", "processor")
    yield from works(room.resume())
    yield from whole(room.folder(), before=before)


@case("a run goes on in a control group without its processors", into=CASES)
def _other_cpuset(room: Room) -> Iterator[Wrong]:
    group = Group(room, "cpuset")
    group.set("cpuset.cpus", "cpuset.cpus", "0", "0")
    if group.is_old:
        group.set("cpuset.mems", "cpuset.mems", "0", "0")
    before = room.stopped()
    yield from refuses(room.resume(before=group.enter), "CPU", "processor")
    yield from works(room.resume())
    yield from whole(room.folder(), before=before)


def _elsewhere(name: str, wrap: Callable[[Room], tuple[str, ...]], *words: str) -> None:
    """Add a case of a run that goes on on another machine: refused with the difference."""

    def plant(room: Room) -> Iterator[Wrong]:
        root()
        before = room.stopped()
        started = wrap(room)
        if subprocess.run([*started, "true"], capture_output=True, check=False).returncode:
            raise NotHereError("no namespace can be made")
        ended = room.resume(wrap=started)
        yield from refuses(ended, *words) if words else works(ended)
        yield from whole(room.folder(), before=before) if not words else ()

    CASES.append(Case(name=name, plant=plant, short=False))


def _other_model(room: Room) -> tuple[str, ...]:
    planted = room.scratch / "cpuinfo"
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    planted.write_text(re.sub(r"(model name\s*: ).*", r"\1Another Processor 9000", text), encoding="utf-8")
    return ("unshare", "-m", "sh", "-c", f'mount --bind {planted} /proc/cpuinfo && exec "$@"', "sh")


_elsewhere("a run goes on on another processor", _other_model, "processor", "cpu")
_elsewhere(
    "a run goes on under another host name",
    lambda room: ("unshare", "-u", "sh", "-c", 'hostname "another-host.example" && exec "$@"', "sh"),
    *(),
)
_elsewhere("a run goes on without a network", lambda room: ("unshare", "-n"))
_elsewhere(
    "a run goes on after the machine was started anew (the monotonic clock began again)",
    lambda room: ("unshare", "-T", "--fork", "--boottime", "-100", "--monotonic", "-100"),
)


@case("a run without /proc", into=CASES)
def _no_proc(room: Room) -> Iterator[Wrong]:
    root()
    wrap = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    if subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode:
        raise NotHereError("no namespace can be made")
    yield from stands(room.samestep("list", wrap=wrap))
    yield from stands(room.run(wrap=wrap))


@case("a run without /dev/shm", into=CASES)
def _no_shm(room: Room) -> Iterator[Wrong]:
    root()
    wrap = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none /dev/shm && exec "$@"', "sh")
    if subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode:
        raise NotHereError("no namespace can be made")
    yield from works(room.run(wrap=wrap))


@case("the code changes under a run", short=True, into=CASES)
def _code(room: Room) -> Iterator[Wrong]:
    """NumPy becomes slower by a millisecond after the first record: no number may show it, or a sentence says so."""
    room.root = copy_of_the_checkout(room.scratch / "checkout")
    path = room.root / "bench" / "frameworks" / "numpy.py"
    process = room.start_run("--blocks", "3")
    room.wait_for_records(2)
    path.write_text(path.read_text(encoding="utf-8") + "\n1 / 0\n", encoding="utf-8")
    ended = room.end(process)
    yield from stands(ended)
    failed = [record for record in room.folder().records() if record.status not in ("ok", "skipped")]
    if ended.code == 0 or not failed:
        if ended.code not in (0, 1):
            yield Wrong(of=OTHER, what=f"it ended with {ended.code}")
    else:
        yield Wrong(of=OTHER, what=f"{len(failed)} replicates ran the code that came later: {failed[0].reason[:120]}")


@case("the code has changed when a run goes on", into=CASES)
def _code_at_resume(room: Room) -> Iterator[Wrong]:
    room.root = copy_of_the_checkout(room.scratch / "checkout")
    before = room.stopped()
    path = room.root / "bench" / "frameworks" / "numpy.py"
    kept = path.read_text(encoding="utf-8")
    path.write_text(kept + "\n", encoding="utf-8")
    yield from refuses(room.resume(), "has changed")
    path.write_text(kept, encoding="utf-8")
    yield from works(room.resume())
    yield from whole(room.folder(), before=before)


@case("the checkout is read-only", into=CASES)
def _read_only_checkout(room: Room) -> Iterator[Wrong]:
    room.root = copy_of_the_checkout(room.scratch / "checkout")
    mounted(room, room.root, "--bind", str(room.root))
    if subprocess.run(["mount", "-o", "remount,bind,ro", str(room.root)], capture_output=True, check=False).returncode:
        raise NotHereError("no bind mount can be made read-only")
    yield from works(room.run())
    yield from whole(room.folder())


@case("the checkout has no git, and git is not installed", into=CASES)
def _no_git(room: Room) -> Iterator[Wrong]:
    room.root = copy_of_the_checkout(room.scratch / "checkout")
    shutil.rmtree(room.root / ".git", ignore_errors=True)
    yield from works(room.run(environ={"PATH": "/nonexistent"}))


@case("other work keeps every processor busy", into=CASES)
def _busy(room: Room) -> Iterator[Wrong]:
    burners = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        ended = room.run()
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    yield from stands(ended)
    yield from whole(room.folder())
