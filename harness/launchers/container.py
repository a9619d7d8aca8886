"""One container of the docker launcher: the folder of its turn, how it ended, and what the engine's errors mean."""

import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from docker.errors import APIError, NotFound
from docker.models.containers import Container
from requests.exceptions import ConnectionError as EngineError

from bench.turns import supervise
from bench.turns.turn import LOG_CHARACTERS, RECORD_FILE, Outcome, last_phase
from harness.environments import cuda
from harness.errors import SetupError

OUT: Final = "/out"  # where the folder of the turn is mounted
PREFIX: Final = "samestep-"  # of the folder that contains the folder of a turn
STOP_S: Final = 10  # for the engine to end a container


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user can write to, inside a folder that only the caller can enter."""
    outer = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        folder = outer / "turn"
        folder.mkdir()
        folder.chmod(0o777)
        yield folder
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def outcome(state: Mapping[str, Any], folder: Path, log: str, *, timed_out: bool) -> Outcome:
    """Return the outcome of a turn from the `State` of its ended container, its folder and its log."""
    code = int(state["ExitCode"])
    started, finished = nanoseconds(state["StartedAt"]), nanoseconds(state["FinishedAt"])
    return Outcome(
        started_unix_ns=started,
        wall_ns=max(0, finished - started),
        exit_code=code if code <= 128 else None,
        signal=supervise.signal_name(code - 128) if code > 128 else "",
        timed_out=timed_out,
        out_of_memory=bool(state["OOMKilled"]),
        phase=last_phase(folder),
        tail=supervise.tail(log),
        record=supervise.read(folder / RECORD_FILE),
        log=log[-LOG_CHARACTERS:],
    )


def nanoseconds(stamp: str) -> int:
    """Return the Unix time, in ns, of a time stamp of the engine: "2026-11-20T09:32:11.72225563Z"."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


def explain(error: str, *, gpu: str) -> str:
    """Return a sentence with the remedy for the engine's `error` about a container on `gpu`."""
    if "could not select device driver" in error:
        return (
            "The Docker engine cannot hand out NVIDIA GPUs: install the NVIDIA Container Toolkit, "
            "sudo nvidia-ctk runtime configure --runtime=docker, restart the engine, or run with --device cpu."
        )
    if found := re.search(r"unsatisfied condition: cuda ?>= ?(\d+)", error):
        driver = cuda.LEAST_DRIVER.get(int(found[1]))
        return (
            f"The NVIDIA driver of this host is too old for the image, which needs CUDA {found[1]}: install driver "
            f"{driver or 'one'} or newer; samestep doctor says what this one runs."
        )
    if "driver not loaded" in error or "libnvidia-ml.so" in error:
        return (
            "This host has no NVIDIA driver that answers: install it until nvidia-smi works, or run with --device cpu."
        )
    if "unknown device" in error or "device error" in error:
        return f"There is no GPU {gpu!r} on this host: nvidia-smi -L lists them, SAMESTEP_GPU names one."
    if "CPUs are not available" in error:
        return f"{error.strip().rstrip('.')}: name others with --cpus."
    if "no space left on device" in error:
        return "The Docker engine's disk is full: docker system df shows what fills it, docker system prune frees it."
    return f"The Docker engine refused the container: {error.strip()}"


def remove(container: Container) -> None:
    """Kill and remove a container; do nothing if the container or the engine does not exist any more."""
    with contextlib.suppress(NotFound, EngineError):
        container.remove(force=True)


def not_started(error: APIError, begin_unix_ns: int, *, gpu: str) -> Outcome:
    """Return the outcome of a turn whose container the engine refused."""
    reason = explain(error.explanation or str(error), gpu=gpu)
    wall_ns = time.time_ns() - begin_unix_ns
    return Outcome(started_unix_ns=begin_unix_ns, wall_ns=wall_ns, exit_code=None, tail=(reason,))


@contextlib.contextmanager
def engine_answers() -> Iterator[None]:
    """Raise SetupError when the connection to the engine is lost."""
    try:
        yield
    except EngineError as error:
        raise SetupError("The Docker engine stopped during a replicate: start it, then go on with --resume.") from error
