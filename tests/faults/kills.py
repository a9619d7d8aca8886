"""Runs with random kills: does anything stay stopped, is a record lost, is a replicate measured twice?

Each run is started, one random process of it is killed (-9) at a random moment, and it is resumed until its plan is
done; some of the resumed runs are killed as well. A quarter of them has workers, as the services of compose.yaml.
"""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from harness.launchers.workers import ADDRESS
from tests.faults.outcome import OTHER, Outcome, Wrong
from tests.faults.room import RUN, NotHereError, Room, whole

KIND: Final = "kills"
SENTENCE: Final = "SIGKILL of a random process of a run at a random moment, then --resume"
SELECTION: Final = ("--optimizer", "adam,sgd", "--blocks", "2")
LONGEST_S: Final = 14.0  # a run of two blocks takes about so long
AGAIN: Final = 0.3  # of the resumed runs are killed, too
_workers_are_ours = threading.Lock()  # there is one socket


class Kills:
    """Plants a kill for each number."""

    def __init__(self, seed: int, folder: Path) -> None:
        """Run in rooms under `folder`."""
        self._seed = seed
        self._folder = folder

    def one(self, number: int) -> Outcome:
        """Start a run, kill one of its processes, resume; return what was killed, and what was wrong."""
        rng = random.Random(f"{self._seed}/{KIND}/{number}")
        launcher = "workers" if number % 4 == 0 else "here"
        begin = time.monotonic()
        skipped, planted = "", "a process is killed"
        wrong: tuple[Wrong, ...] = ()
        try:
            with Room(self._folder) as room, _workers(launcher, room) as workers:
                planted, wrong = _killed(rng, room, launcher, workers)
        except NotHereError as error:
            skipped = str(error)
        seconds = time.monotonic() - begin
        return Outcome(kind=KIND, number=number, planted=planted, wrong=wrong, skipped=skipped, seconds=seconds)


def _killed(rng: random.Random, room: Room, launcher: str, workers: "Workers") -> tuple[str, tuple[Wrong, ...]]:
    done: list[str] = []
    wrong: list[Wrong] = []
    before = b""
    for attempt in range(4):
        if attempt == 0:
            process = room.start(*RUN, "--results", room.results, *SELECTION, "--launcher", launcher)
        elif not room.folders():
            break  # it was killed before there was anything to go on with
        else:
            workers.revive()
            process = room.start("run", "--resume", "latest", "--results", room.results)
        if attempt == 0 or (attempt < 3 and rng.random() < AGAIN):
            done.append(_kill(rng, room, process, launcher, workers))
            wrong += room.nothing_left() if "samestep" in done[-1] else []
        ended = room.end(process)
        wrong += [Wrong(of=OTHER, what="did not end")] if ended.code is None else []
        if room.folders():
            data = room.folder().records_path.read_bytes() if room.folder().records_path.exists() else b""
            wrong += _lost(room, before, data)
            before = data
        if ended.code == 0 and attempt > 0:
            break
    if room.folders():
        wrong += whole(room.folder(), before=before)
    wrong += room.nothing_left()
    return f"{launcher}: {', then '.join(done)}", tuple(wrong)


def _lost(room: Room, before: bytes, data: bytes) -> Iterator[Wrong]:
    """Yield the loss of a line that was whole; the digests of both are named."""
    kept = before[: before.rfind(b"\n") + 1]
    if not data.startswith(kept):
        digests = " became ".join(hashlib.sha256(each).hexdigest()[:8] for each in (kept, data[: len(kept)]))
        yield Wrong(of="lost", what=f"records.jsonl changed in its beginning: {digests}")


def _kill(rng: random.Random, room: Room, harness: subprocess.Popen[bytes], launcher: str, workers: "Workers") -> str:
    """Kill one process of a run at a random moment; return which."""
    after, kind = rng.uniform(0.3, LONGEST_S), rng.choice(("samestep", "replicate", "replicate", "worker"))
    chosen = rng.random()
    deadline = time.monotonic() + after
    while time.monotonic() < deadline and harness.poll() is None:
        time.sleep(0.01)
    if harness.poll() is not None:
        return "nobody: it had ended"
    replicates = [each for each in room.running() if _is_replicate(each)]
    if kind == "worker" and launcher == "workers":
        target = workers.processes[int(chosen * len(workers.processes))].pid
    elif kind == "samestep" or not replicates:
        kind, target = "samestep", harness.pid
    else:
        kind, target = "replicate", replicates[int(chosen * len(replicates))].pid
    with contextlib.suppress(ProcessLookupError):
        os.kill(target, signal.SIGKILL)
    return f"{kind} killed after {after:.1f} s"


def _is_replicate(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return {"turn", "repeat"} & set(process.cmdline()) != set()
    return False


class Workers:
    """Worker processes for NumPy, as compose.yaml's services are."""

    def __init__(self, count: int, room: Room) -> None:
        self._count = count
        self._room = room
        self.processes: list[subprocess.Popen[bytes]] = []

    def revive(self) -> None:
        """Start those that are not there, as the engine does."""
        alive = [process for process in self.processes if process.poll() is None]
        for _ in range(self._count - len(alive)):
            command = [sys.executable, "-m", "bench", "worker", str(ADDRESS), "numpy"]
            environ = self._room.variables({"PYTHONPATH": str(self._room.root)})
            alive.append(subprocess.Popen(command, cwd=tempfile.gettempdir(), env=environ, stderr=subprocess.DEVNULL))
        self.processes = alive


@contextlib.contextmanager
def _workers(launcher: str, room: Room) -> Iterator[Workers]:
    """Yield the workers of a run; none for another launcher."""
    workers = Workers(1 if launcher == "workers" else 0, room)
    with _workers_are_ours if launcher == "workers" else contextlib.nullcontext():
        try:
            if launcher == "workers":
                ADDRESS.parent.mkdir(parents=True, exist_ok=True)
            workers.revive()
            yield workers
        except OSError as error:
            raise NotHereError(f"no socket can be made at {ADDRESS}: {error.strerror}") from error
        finally:
            for worker in workers.processes:
                worker.kill()
                worker.wait()
