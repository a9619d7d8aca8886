"""The facts of this host that the doctor's checks need, collected once. Decides nothing."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.frameworks import FRAMEWORKS
from harness.environments import checkout, interpreters, locks
from harness.environments.venvs import Environments
from harness.errors import SetupError
from harness.host import nvidia, processors, quota
from harness.host.nvidia import Gpu, Nvidia, NvidiaError
from harness.launchers.hardening import unreadable_file
from harness.launchers.local import is_fit_for_compilers


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker engine that answers."""

    version: str
    nvidia: bool  # it can give NVIDIA GPUs to containers
    free_bytes: int | None  # on the disk of its images; None: not on this host
    images: frozenset[str]  # samestep's own, such as "samestep/torch:cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The facts of a host. Where one could not be read, `*_error` says why."""

    python: tuple[int, ...]
    cpus: tuple[int, ...]  # processors this process may use
    load: float  # average number of busy processors over the last minute
    cgroup: int  # version of the control groups; 0: none
    free_bytes: int  # on the disk of the checkout
    missing: tuple[str, ...]  # missing parts of the checkout
    closed: str  # a file of bench/ that another user cannot read; empty: none
    results_writable: bool
    environments: tuple[str, ...]  # frameworks with a local environment
    no_interpreter: tuple[str, ...]  # devices for whose locks there is no Python here
    engine: Engine | None
    engine_error: str
    compose: str  # version; empty: not installed
    driver: str  # empty: none
    driver_error: str
    gpus: tuple[Gpu, ...]
    cuda: Mapping[str, int]  # CUDA major version that each framework's image brings
    unfit: tuple[str, ...] = ()  # folders of the run whose names compilers do not take, such as one with a space
    cores: int = 0  # physical cores of `cpus`; 0: not looked
    quota: float | None = None  # processors' time that its control groups allow this process; None: any


def look(*, root: Path = checkout.ROOT, results: Path = Path("results")) -> Host:
    """Return the facts of this host; takes a second or two, and changes nothing."""
    engine, engine_error = _engine()
    gpus, driver_error = _gpus()
    needed = [root / name for name in ("bench", "harness", "images/locks", "pyproject.toml")]
    return Host(
        python=sys.version_info[:3],
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        load=os.getloadavg()[0],
        cgroup=cgroup_version(),
        free_bytes=shutil.disk_usage(root).free,
        missing=tuple(str(path.relative_to(root)) for path in needed if not path.exists()),
        closed=unreadable_file(root / "bench"),
        results_writable=_is_writable(results),
        environments=_environments(root),
        no_interpreter=_no_interpreter(),
        engine=engine,
        engine_error=engine_error,
        compose=output(["docker", "compose", "version", "--short"]).strip(),
        driver=gpus.driver,
        driver_error=driver_error,
        gpus=gpus.gpus,
        cuda=_cuda(root),
        unfit=tuple(name for name in (str(root), tempfile.gettempdir()) if not is_fit_for_compilers(name)),
        cores=processors.cores(os.sched_getaffinity(0)),
        quota=quota.processors(),
    )


def cgroup_version(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return 2, 1 or, without control groups, 0."""
    if (root / "cgroup.controllers").exists():
        return 2
    return 1 if (root / "memory").exists() else 0


def cuda_major(lock_text: str) -> int | None:
    """Return the major version of the CUDA runtime that a lock brings, None when it brings none."""
    match = re.search(r"^nvidia-cuda-runtime(?:-cu\d+)?==(\d+)\.", lock_text, re.MULTILINE)
    return int(match[1]) if match else None


def output(command: Sequence[str]) -> str:
    """Return what `command` prints, empty when it fails, hangs or is not there."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _engine() -> tuple[Engine | None, str]:
    try:
        from harness.launchers import docker
    except ImportError as error:
        return None, f"No Docker engine can be reached: pip install docker ({error})"
    try:
        client = docker.connect()
    except SetupError as error:
        return None, str(error)
    with contextlib.closing(client):
        facts: Mapping[str, Any] = client.info()
        # The engine gives GPUs to containers when it finds this hook; nvidia-ctk also adds a runtime of this name.
        nvidia_hook = "nvidia" in facts["Runtimes"] or shutil.which("nvidia-container-runtime-hook")
        answer = Engine(
            version=str(facts["ServerVersion"]),
            nvidia=bool(nvidia_hook),
            free_bytes=_free_bytes(Path(facts["DockerRootDir"])),
            images=frozenset(tag for image in client.images.list("samestep/*") for tag in image.tags),
        )
    return answer, ""


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _gpus() -> tuple[Nvidia, str]:
    try:
        return nvidia.look(), ""
    except NvidiaError as error:
        return Nvidia(driver="", gpus=()), str(error)


def _is_writable(folder: Path) -> bool:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _environments(root: Path) -> tuple[str, ...]:
    made = Environments(root, "cpu")
    with contextlib.suppress(SetupError):  # a lock is not there: another line says so
        return tuple(name for name in FRAMEWORKS if made.python(name))
    return ()


def _no_interpreter() -> tuple[str, ...]:
    missing = []
    for device, version in locks.PYTHONS.items():
        try:
            interpreters.find(version, output=_without_installing)
        except SetupError:
            missing.append(device)
    return tuple(missing)


def _without_installing(command: Sequence[str]) -> str:
    return "" if "install" in command else output(command)


def _cuda(root: Path) -> Mapping[str, int]:
    majors = {}
    for name in FRAMEWORKS:
        with contextlib.suppress(OSError):
            if major := cuda_major(locks.lock_file(root, name, "cuda").read_text(encoding="utf-8")):
                majors[name] = major
    return majors
