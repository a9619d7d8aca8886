"""What this host is: facts for run.json, and the division of its processors."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import psutil

from bench.turns.environment import cpu_model
from harness.environments import locks
from harness.host import nvidia
from harness.report.facts import HostFacts

ROOT: Final = Path(__file__).resolve().parents[2]  # the checkout: bench/, harness/, images/
ISOLATED: Final = Path("/sys/devices/system/cpu/isolated")


def host_facts(device: str) -> HostFacts:
    """Return the machine's facts; nothing that names it or its owner."""
    gpu, driver = _gpu() if device == "cuda" else ("", "")
    return HostFacts(
        gpu=gpu,
        driver=driver,
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        os=f"{_distribution()}, {platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _gpu() -> tuple[str, str]:
    """Return the names of the GPUs and the driver's version; both empty where NVML does not answer."""
    try:
        found = nvidia.look()
    except nvidia.NvidiaError:
        return "", ""
    return ", ".join(dict.fromkeys(gpu.name for gpu in found.gpus)), found.driver


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown distribution")
    except OSError:
        return "unknown distribution"


def commit(root: Path = ROOT) -> tuple[str, bool]:
    """Return the git commit of the checkout and whether it has changes; SAMESTEP_COMMIT stands in without git."""
    given = os.environ.get("SAMESTEP_COMMIT", "")
    try:
        head = _git(root, "rev-parse", "HEAD").strip()
        return head, bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return given, False


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout


def code(frameworks: Iterable[str], device: str, root: Path = ROOT) -> tuple[tuple[str, str], ...]:
    """Return (file, SHA-256) of what decides a replicate's result: bench/ and the locks of `frameworks`."""
    files = sorted((root / "bench").rglob("*.py"))
    files += [lock for name in frameworks if (lock := locks.lock_file(root, name, device)).is_file()]
    return tuple((str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)


def default_cpus() -> tuple[int, ...]:
    """Return all processors but the first, which is left to the harness; the only one where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return tuple(allowed[1:] or allowed)


def isolated(cpus: Iterable[int], listed: Path = ISOLATED) -> bool:
    """Return whether the kernel keeps all of `cpus` free of work that is not put there by name (isolcpus)."""
    try:
        parts = [part.split("-") for part in listed.read_text().strip().split(",") if part]
    except OSError:
        return False
    free = {cpu for part in parts for cpu in range(int(part[0]), int(part[-1]) + 1)}
    return bool(free) and set(cpus) <= free


def leave(cpus: tuple[int, ...]) -> None:
    """Move this process, the harness, off the benchmark's CPU set where another processor is left."""
    others = os.sched_getaffinity(0) - set(cpus)
    if others:
        os.sched_setaffinity(0, others)
