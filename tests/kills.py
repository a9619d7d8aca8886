"""Runs with random kills: does anything stay stopped, is a record lost, is a replicate measured twice?

    python -m tests.kills 40                        kills of members and of the harness, the launcher venv
    python -m tests.kills 40 --launcher workers     and of the workers

Each run is started, one random process of it is killed (-9) at a random moment, and it is resumed until its plan is
done. Needs the environments of NumPy and JAX. Prints a line a run, and what was wrong in the end.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from harness.environments.checkout import ROOT
from harness.environments.venvs import Environments
from harness.launchers.workers import ADDRESS
from harness.store.folder import RunFolder, find

FRAMEWORKS = ("numpy", "jax")
SELECTION = ("--framework", ",".join(FRAMEWORKS), "--mode", "eager,jit,scan", "--optimizer", "adam,sgd")
LONGEST_S = 25.0  # a run of one block takes about so long
NOWHERE = subprocess.DEVNULL
GONE_S = 3.0  # for all of a killed harness to be gone


def main() -> int:
    """Run; return how many runs were wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=int, nargs="?", default=40)
    parser.add_argument("--launcher", default="venv", choices=("venv", "workers"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wrong: Counter[str] = Counter()
    for number in range(options.runs):
        rng = random.Random(f"{options.seed}/{number}")
        with tempfile.TemporaryDirectory() as results, _workers(options.launcher, Path(results)) as workers:
            said, faults = _one(rng, Path(results), options.launcher, workers)
        wrong.update(faults)
        print(f"[{number + 1}/{options.runs}] {said}: {', '.join(faults) or 'good'}", flush=True)
    print(f"{sum(wrong.values())} faults in {options.runs} runs {dict(wrong) or ''}")
    return sum(wrong.values())


def _one(
    rng: random.Random, results: Path, launcher: str, workers: list[subprocess.Popen[bytes]]
) -> tuple[str, list[str]]:
    """Start a run, kill one of its processes, resume; return what was killed, and what was wrong."""
    after, kind = rng.uniform(1.0, LONGEST_S), rng.choice(("harness", "member", "member", "worker"))
    kind = "member" if kind == "worker" and launcher != "workers" else kind
    faults = []
    harness = _samestep(results, launcher, "--profile", "quick", "--blocks", "1", "--measure", "time", *SELECTION)
    deadline = time.monotonic() + after
    while time.monotonic() < deadline and harness.poll() is None:
        time.sleep(0.01)
    target = _target(rng, kind, harness, workers, results)
    with contextlib.suppress(ProcessLookupError, psutil.Error):
        if target:
            os.kill(target, signal.SIGKILL)
    if target == harness.pid:
        harness.wait()
        faults += ["left something running"] if not _all_gone(results) else []
    else:
        faults += ["did not end"] if _wait(harness) is None else []
    kept = len(_folder(results).records()) if _has_run(results) else 0
    for _ in range(3):
        if not _has_run(results) or _is_done(_folder(results)):
            break
        _revive(workers, launcher, results)
        again = _samestep(results, launcher, "--resume", "latest")
        faults += ["did not end"] if _wait(again) is None else []
    faults += _faults(results, kept)
    faults += ["left something running"] if not _all_gone(results) else []
    return f"{kind if target else 'nobody'} killed after {after:.1f} s", faults


def _faults(results: Path, kept: int) -> list[str]:
    if not _has_run(results):
        return []
    folder = _folder(results)
    records = folder.records()
    counts = Counter((record.cell, record.block, record.attempt) for record in records)
    planned = {(planned.cell, planned.block) for planned in folder.plan().in_order()}
    return [
        *(["measured twice"] if max(counts.values(), default=1) > 1 else []),
        *(["lost a record"] if planned - {(record.cell, record.block) for record in records} else []),
        *(["lost a record that was kept"] if len(records) < kept else []),
        *(["damaged a record"] if not _is_whole(folder) else []),
    ]


def _is_whole(folder: RunFolder) -> bool:
    try:
        return all(json.loads(line) for line in folder.records_path.read_text().splitlines())
    except ValueError:
        return False


def _target(
    rng: random.Random,
    kind: str,
    harness: subprocess.Popen[bytes],
    workers: list[subprocess.Popen[bytes]],
    results: Path,
) -> int | None:
    if harness.poll() is not None:
        return None
    if kind == "harness":
        return harness.pid
    if kind == "worker":
        return rng.choice(workers).pid
    members = _turns(results)
    return rng.choice(members).pid if members else harness.pid


def _turns(results: Path) -> list[psutil.Process]:
    """Return the processes of replicates."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, IndexError):
            if process.cmdline()[4].startswith(str(results)):  # python -m bench turn FOLDER
                found.append(process)
    return found


def _all_gone(results: Path) -> bool:
    deadline = time.monotonic() + GONE_S
    while _turns(results):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _samestep(results: Path, launcher: str, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "harness", "run", "--results", str(results), "--launcher", launcher, *options]
    return subprocess.Popen(command, cwd=ROOT, env=_environment(results), stdout=NOWHERE, stderr=NOWHERE)


def _environment(results: Path) -> dict[str, str]:
    """Return the variables of a process whose folders are to be told from those of others."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(results)}


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(300)
    except subprocess.TimeoutExpired:
        process.kill()
        return None


def _has_run(results: Path) -> bool:
    return any(results.glob("*/run.json"))


def _folder(results: Path) -> RunFolder:
    return find(results, "latest", empty=True)


def _is_done(folder: RunFolder) -> bool:
    planned = {(planned.cell, planned.block) for planned in folder.plan().in_order()}
    return planned <= {(record.cell, record.block) for record in folder.records()}


@contextlib.contextmanager
def _workers(launcher: str, results: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Yield a worker for each framework, as the services of compose.yaml are."""
    workers: list[subprocess.Popen[bytes]] = []
    if launcher == "workers":
        ADDRESS.parent.mkdir(parents=True, exist_ok=True)
    _revive(workers, launcher, results)
    yield workers
    for worker in workers:
        worker.kill()
        worker.wait()


def _revive(workers: list[subprocess.Popen[bytes]], launcher: str, results: Path) -> None:
    """Start the workers that are not there, as the engine does."""
    if launcher != "workers":
        return
    for at, name in enumerate(FRAMEWORKS):
        if at < len(workers) and workers[at].poll() is None:
            continue
        started = subprocess.Popen(
            [str(Environments(ROOT, "cpu").python(name)), *("-m", "bench", "worker", str(ADDRESS), name)],
            cwd=tempfile.gettempdir(),
            env=_environment(results),
            stderr=NOWHERE,
        )
        workers[at : at + 1] = [started]


if __name__ == "__main__":
    sys.exit(min(1, main()))
