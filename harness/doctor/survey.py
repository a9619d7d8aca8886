"""The facts of this host that the doctor's checks need, collected once. Decides nothing."""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.catalogue import FrameworkError, framework_offer
from bench.frameworks import FRAMEWORKS
from bench.turns import reason
from harness.doctor import kernels
from harness.environments import checkout, cuda, interpreters, locks
from harness.environments.venvs import Environments
from harness.errors import SetupError
from harness.host import nvidia, processors, quota
from harness.host.nvidia import Gpu, Nvidia, NvidiaError
from harness.launchers import scratch
from harness.launchers.hardening import unreadable_file
from harness.terminal import shell

HEADERS: Final = "import sysconfig; print(sysconfig.get_path('include', scheme='posix_prefix'))"
SOURCE: Final = '#include <Python.h>\n#include <omp.h>\nextern "C" int f() { return omp_get_max_threads(); }\n'


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
    unfit: tuple[str, ...] = ()  # folders whose names compilers do not take, such as one with a space
    cores: int = 0  # physical cores of `cpus`; 0: not looked
    quota: float | None = None  # processors' time that its control groups allow this process; None: any
    damaged: Mapping[str, str] = field(default_factory=dict)  # by framework: what is damaged in its environment
    half_made: tuple[str, ...] = ()  # frameworks whose environment was not finished
    temporary: str = ""  # the temporary folder
    temporary_fault: str = ""  # why nothing can be compiled there; empty: it can
    temporary_instead: str = ""  # the folder that a run takes instead; empty: none is better
    locked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by framework: what kernels.py looks at
    compiler_fault: str = ""  # what torch.compile's C++ compiler says; empty: it works


def look(*, root: Path = checkout.ROOT, results: Path = Path("results")) -> Host:
    """Return the facts of this host; takes a second or two, and changes nothing."""
    engine, engine_error = _engine()
    folder = scratch.temporary()
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
        damaged=_damaged(root),
        half_made=_half_made(root),
        temporary=str(folder),
        temporary_fault=scratch.fault(folder),
        temporary_instead=str(scratch.better() or ""),
        compiler_fault=compiler_fault(folder if not scratch.fault(folder) else scratch.better(), root),
        no_interpreter=_no_interpreter(),
        engine=engine,
        engine_error=engine_error,
        compose=output(["docker", "compose", "version", "--short"]).strip(),
        driver=gpus.driver,
        driver_error=driver_error,
        gpus=gpus.gpus,
        cuda=cuda.of_all(root),
        locked=_locked(root),
        unfit=() if scratch.is_safe(root) else (str(root),),
        cores=processors.cores(os.sched_getaffinity(0)),
        quota=quota.processors(),
    )


def cgroup_version(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return 2, 1 or, without control groups, 0."""
    if (root / "cgroup.controllers").exists():
        return 2
    return 1 if (root / "memory").exists() else 0


def output(command: Sequence[str]) -> str:
    """Return what `command` prints, empty when it fails, hangs or is not there."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _engine() -> tuple[Engine | None, str]:
    try:
        from harness.launchers import docker
    except ImportError as error:
        remedy = shell.command(sys.executable, "-m", "pip", "install", "docker")
        return None, f"No Docker engine can be reached: {remedy} ({error})"
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


@functools.cache
def usual() -> tuple[str, ...]:
    """Return the frameworks that a run may take unasked; those of the exhibit are set up where they are named."""
    found = []
    for name in FRAMEWORKS:
        with contextlib.suppress(FrameworkError):  # a file that cannot be read is told elsewhere
            if framework_offer(name).exhibit:
                continue
        found.append(name)
    return tuple(found)


def _environments(root: Path) -> tuple[str, ...]:
    made = Environments(root, "cpu")
    with contextlib.suppress(SetupError):  # a lock is not there: another line says so
        return tuple(name for name in usual() if made.python(name))
    return ()


def _damaged(root: Path) -> Mapping[str, str]:
    found = {}
    for device in locks.PYTHONS:
        made = Environments(root, device)
        for name in FRAMEWORKS:
            with contextlib.suppress(SetupError, OSError):
                if text := made.damage(name):
                    found[f"{name} for {device}"] = text
    return found


def _half_made(root: Path) -> tuple[str, ...]:
    made = Environments(root, "cpu")
    with contextlib.suppress(SetupError):
        return tuple(name for name in usual() if made.folder(name).exists() and not made.python(name))
    return ()


def compiler_fault(folder: Path | None, root: Path = checkout.ROOT, compiler: str = "") -> str:
    """Return why a library cannot be compiled as torch.compile does it, in the compiler's words; empty: it can.

    Args:
        folder: where it is compiled; None: nowhere.
        root: of the checkout, whose PyTorch has the interpreter with the headers.
        compiler: the program; empty: CXX, or g++.
    """
    program = compiler or os.environ.get("CXX") or "g++"
    if shutil.which(program) is None:
        return f"there is no {program}"
    with contextlib.suppress(SetupError):
        python = Environments(root, "cpu").python("torch") or Path(sys.executable)
        include = output([str(python), "-I", "-c", HEADERS]).strip()
        try:
            with tempfile.TemporaryDirectory(prefix="samestep-doctor-", dir=folder) as name:
                options = ["-shared", "-fPIC", "-fopenmp", f"-I{include}", "-x", "c++", "-", "-o", f"{name}/x.so"]
                done = subprocess.run(
                    [program, *options],
                    input=SOURCE,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=60,
                    check=False,
                )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        return "" if done.returncode == 0 else reason.of_log(done.stderr).text or f"{program} failed"
    return ""


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


def _locked(root: Path) -> Mapping[str, Mapping[str, str]]:
    found = {}
    for name in FRAMEWORKS:
        if locks.packages(root, name) != name:  # an engine in another framework's packages: what is said of that holds
            continue
        with contextlib.suppress(OSError):
            found[name] = kernels.packages(locks.lock_file(root, name, "cuda").read_text(encoding="utf-8"))
    return found
