"""The doctor's checks: what this host can run, and the remedy for each thing it cannot.

    survey.look() ─→ Host ─→ examine() ─→ checks ─→ ways(): what to type

    ok     as it should be
    warn   missing, or not as good as it could be
    fail   there but not working, or an obstacle for everything

The survey only collects facts of the host, and this module only decides on them. A host without an engine and without
a GPU is a good host: it runs everything from local environments on its processor.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.doctor import kernels
from harness.doctor.survey import Engine, Host, usual
from harness.environments import checkout, cuda, locks
from harness.host import nvidia
from harness.terminal import shell

GIGA: Final = 1_000_000_000
LEAST_PYTHON: Final = (3, 11)
LEAST_ENGINE: Final = (23, 0)  # the first whose `docker build` is BuildKit
LEAST_COMPOSE: Final = (2, 24)
ENVIRONMENTS_BYTES: Final = 7 * GIGA  # all local environments together, on the CPU
IMAGES_BYTES: Final[Mapping[str, int]] = {"cpu": 8 * GIGA, "cuda": 50 * GIGA}

NONE_NEEDED: Final = "none needed on the CPU; "  # begins the remedy of a host without a GPU
READABLE: Final = "code in containers"
EVERYWHERE: Final = ("Python", "checkout", "results", "disk")
CONTAINERS: Final = (*EVERYWHERE, "Docker engine", READABLE)
GPUS: Final = ("GPU", "driver")
WAYS: Final = (
    ("samestep run --launcher venv --device cpu", EVERYWHERE),
    ("samestep run --launcher docker --device cpu", CONTAINERS),
    ("docker compose --env-file images/cpu.env up", (*CONTAINERS, "Docker Compose")),
    ("samestep run --launcher venv --device cuda", (*EVERYWHERE, *GPUS)),
    ("samestep run --launcher docker --device cuda", (*CONTAINERS, *GPUS, "NVIDIA runtime")),
    ("docker compose up", (*CONTAINERS, "Docker Compose", *GPUS, "NVIDIA runtime")),
)

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor's answer."""

    name: str
    status: Status
    found: str
    remedy: str = ""  # what to do; empty when ok


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run the suite."""

    command: str  # what to type
    obstacle: str = ""  # the name of the check that prevents it; empty: it is open


def examine(host: Host) -> tuple[Check, ...]:
    """Return all checks, in the order in which a person would work through them."""
    return tuple(check for decide in DECISIONS for check in decide(host))


def ways(checks: Sequence[Check], device: str | None = None) -> tuple[Way, ...]:
    """Return each way to run the suite, or to run it on `device`, with its first obstacle."""
    good = {check.name for check in checks if check.status == "ok"}
    return tuple(
        Way(command=command, obstacle=next((name for name in needs if name not in good), ""))
        for command, needs in WAYS
        if device in (None, "cuda" if "GPU" in needs else "cpu")
    )


def can_run(checks: Sequence[Check], device: str | None = None) -> bool:
    """Return whether any way is open, or any on `device`."""
    return any(not way.obstacle for way in ways(checks, device))


def obstacle(checks: Sequence[Check], device: str) -> str:
    """Return what prevents the way on `device` that needs least, as one sentence with the remedy."""
    name = next(way.obstacle for way in ways(checks, device))
    check = next((check for check in checks if check.name == name), None)
    where = {"cuda": "a GPU", "cpu": "the processor"}[device]
    if check is None:
        return f"Nothing runs on {where} here: see {name} above."
    remedy = check.remedy.removeprefix(NONE_NEEDED).rstrip(".")
    return f"Nothing runs on {where} here: {check.name}, {check.found}: {remedy}."


def version_of(text: str) -> tuple[int, ...]:
    """Return (26, 1, 5) for "26.1.5+dfsg1", (0,) for text that is not a version."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, match[1].split("."))) if match else (0,)


def _check(name: str, status: Status, found: str, remedy: str = "") -> Check:
    return Check(name=name, status=status, found=found, remedy=remedy)


def _python(host: Host) -> list[Check]:
    text = ".".join(map(str, host.python))
    if host.python < LEAST_PYTHON:
        return [_check("Python", "fail", text, "install Python 3.11 or newer, remove .venv and run make again")]
    return [_check("Python", "ok", text)]


def _checkout(host: Host) -> list[Check]:
    if host.missing:
        lost = ", ".join(host.missing)
        restore = shell.command("git", "-C", checkout.ROOT, "restore", ".")
        return [_check("checkout", "fail", f"{lost} not there", f"{restore}, or clone it again")]
    if host.closed:
        remedy = shell.command("chmod", "-R", "o+rX", checkout.ROOT / "bench")
        remedy += ": a container's user has no account on this host"
        return [_check("checkout", "ok", "complete"), _check(READABLE, "fail", f"{host.closed} is private", remedy)]
    return [_check("checkout", "ok", "complete"), _check(READABLE, "ok", "readable")]


def _folders(host: Host) -> list[Check]:
    if host.unfit:
        remedy = (
            "compilers, as torch.compile's, take such a name for several: move the checkout, or name another TMPDIR"
        )
        return [_check("folders", "warn", " and ".join(map(repr, host.unfit)), remedy)]
    return []


def _results(host: Host) -> list[Check]:
    if not host.results_writable:
        return [
            _check("results", "fail", "the folder cannot be written", "give yourself results/, or use --results DIR")
        ]
    return [_check("results", "ok", "the folder can be written")]


def _disk(host: Host) -> list[Check]:
    free = f"{host.free_bytes / GIGA:.0f} GB free"
    needed = ENVIRONMENTS_BYTES * (len(usual()) - len(host.environments)) // len(usual())
    if host.free_bytes < needed + GIGA:
        remedy = f"free {(needed + GIGA) / GIGA:.0f} GB for the environments, or move the checkout"
        return [_check("disk", "fail", free, remedy)]
    return [_check("disk", "ok", free)]


def _processors(host: Host) -> list[Check]:
    count = len(host.cpus)
    if count < 2:
        remedy = "use a host with two or more: here the harness disturbs what it measures"
        return [_check("processors", "warn", "1", remedy)]
    if host.quota is not None and host.quota < count:
        remedy = "lift the CPU quota (cpu.max, or cpu.cfs_quota_us), or name fewer processors with --cpus"
        return [_check("processors", "warn", f"{count}, of which a quota gives {host.quota:.2g}", remedy)]
    if host.cores == 1:
        remedy = "use a host with two cores or more: here the harness disturbs what it measures"
        return [_check("processors", "warn", f"{count} threads of one core", remedy)]
    if host.load > 0.5:
        remedy = "end other programs: they disturb the measurement"
        return [_check("processors", "warn", f"{count}, {host.load:.1f} of them busy", remedy)]
    return [_check("processors", "ok", str(count))]


def _cgroup(host: Host) -> list[Check]:
    if not host.cgroup:
        return [_check("cgroup", "warn", "none", "containers need control groups: run on a Linux host with systemd")]
    return [_check("cgroup", "ok", f"version {host.cgroup}")]


def _interpreters(host: Host) -> list[Check]:
    checks = []
    for device, version in locks.PYTHONS.items():
        if device == "cuda" and not host.gpus:
            continue
        name = f"Python for {device}"
        if device in host.no_interpreter:
            remedy = f"uv fetches it when it is first needed; without internet, install python{version} yourself"
            checks.append(_check(name, "warn", f"no {version} on this host", remedy))
        else:
            checks.append(_check(name, "ok", version))
    return checks


def _environments(host: Host) -> list[Check]:
    made = f"{len(host.environments)} of {len(usual())} made"
    if host.damaged:
        return [
            _check(f"environment of {name}", "warn", text.partition(": the next run")[0], f"the next run{remedy}")
            for name, text in host.damaged.items()
            for remedy in [text.partition(": the next run")[2]]
        ]
    if host.half_made:
        remedy = "its making was interrupted; the next run makes it again"
        return [_check("environments", "warn", f"{made}, half made: {', '.join(host.half_made)}", remedy)]
    if len(host.environments) < len(usual()):
        return [_check("environments", "ok", f"{made}; the others when they are first needed")]
    return [_check("environments", "ok", made)]


def _temporary(host: Host) -> list[Check]:
    if not host.temporary_fault:
        return [_check("temporary folder", "ok", host.temporary)]
    found = f"{host.temporary}: {host.temporary_fault}"
    if host.temporary_instead:
        remedy = f"none needed, runs use {host.temporary_instead}; or {_export(host.temporary_instead)}"
        return [_check("temporary folder", "warn", found, remedy)]
    return [_check("temporary folder", "fail", found, "name a folder with 1 GB free in TMPDIR, without spaces")]


def _export(folder: str) -> str:
    return f"export TMPDIR={shell.quoted(folder)}"


def _compiler(host: Host) -> list[Check]:
    if not host.compiler_fault:
        return [_check("C++ compiler", "ok", "it compiles, as torch.compile needs it on the processor")]
    package = "libpython3-dev" if "Python.h" in host.compiler_fault else "g++"
    remedy = f"torch.compile fails without it (Debian, Ubuntu: sudo apt install {package})"
    return [_check("C++ compiler", "warn", host.compiler_fault, remedy)]


def _engine(host: Host) -> list[Check]:
    if host.engine is None:
        sentence, _, remedy = host.engine_error.partition(": ")
        status: Status = "warn" if sentence.startswith("No Docker engine") else "fail"
        return [_check("Docker engine", status, sentence, remedy)]
    if version_of(host.engine.version) < LEAST_ENGINE:
        return [_check("Docker engine", "fail", host.engine.version, "install Docker Engine 23 or newer")]
    return [_check("Docker engine", "ok", host.engine.version), *_images(host, host.engine)]


def _images(host: Host, engine: Engine) -> list[Check]:
    device = "cuda" if host.gpus else "cpu"
    missing = [
        name for name in locks.asked_for(device) if name in usual() and f"samestep/{name}:{device}" not in engine.images
    ]
    if not missing:
        return [_check("images", "ok", f"all for {device}")]
    needed = IMAGES_BYTES[device] * len(missing) // len(usual())
    if engine.free_bytes is not None and engine.free_bytes < needed:
        remedy = f"free {needed / GIGA:.0f} GB on the engine's disk: docker system df shows what fills it"
        return [_check("images", "fail", f"{engine.free_bytes / GIGA:.0f} GB free for {len(missing)} of them", remedy)]
    remedy = f"samestep build --device {device}, or docker compose up, builds them"
    return [_check("images", "warn", f"not built for {device}: {', '.join(missing)}", remedy)]


def _compose(host: Host) -> list[Check]:
    if host.engine is None:
        return []
    if not host.compose:
        return [_check("Docker Compose", "warn", "not there", "install the package docker-compose-plugin")]
    if version_of(host.compose) < LEAST_COMPOSE:
        return [_check("Docker Compose", "fail", host.compose, "install Docker Compose 2.24 or newer")]
    return [_check("Docker Compose", "ok", host.compose)]


def _gpus(host: Host) -> list[Check]:
    if not host.gpus:
        remedy = (
            f"none needed on the CPU; for a GPU install NVIDIA's driver, {max(cuda.LEAST_DRIVER.values())} or newer, "
            "and check that nvidia-smi works"
        )
        found = host.driver_error or (nvidia.NO_GPU if host.driver else "none")
        return [_check("GPU", "warn", found, remedy)]
    checks = []
    for gpu in host.gpus:
        text = f"{gpu.name}, {gpu.memory_bytes / (1 << 30):.0f} GiB, {gpu.uuid}"
        checks.append(_check("GPU", "ok", text))
        if gpu.users:
            remedy = "end them, or name another GPU in SAMESTEP_GPU: they disturb the measurement"
            checks.append(_check("GPU in use", "warn", f"{gpu.uuid}: {', '.join(gpu.users)}", remedy))
    return checks


def _driver(host: Host) -> list[Check]:
    if not host.gpus:
        return []
    (major, *_) = version_of(host.driver)
    if short := cuda.too_old(major, host.cuda):
        names = ", ".join(f"{name} ({need})" for name, need in short.items())
        found_text = f"{host.driver}, too old for the images of {names}"
        others = ",".join(name for name in host.cuda if name not in short)
        alone = f", or leave them out: --framework {others}, SAMESTEP_FRAMEWORK={others}" if others else ""
        return [_check("driver", "fail", found_text, f"install NVIDIA's driver {max(short.values())} or newer{alone}")]
    return [_check("driver", "ok", host.driver)]


def _kernels(host: Host) -> list[Check]:
    """Return what the locked libraries have no kernels for, or wrong ones: minutes of compiling, corrupted data."""
    checks = []
    for gpu in {gpu.capability: gpu for gpu in host.gpus}.values():
        lacks, names = kernels.without_kernels(gpu.capability, host.locked)
        if names:
            found = f"{gpu.name}: TensorFlow {lacks} ({', '.join(names)})"
            remedy = (
                "leave these frameworks out on this GPU"
                if "cannot" in lacks
                else "its first replicate may take minutes: give --timeout 900; the others of a run find them, except"
                " with --launcher docker"
            )
            checks.append(_check("kernels", "warn", found, remedy))
    faulty = dict(kernels.with_faulty_cublas((gpu.capability for gpu in host.gpus), host.locked))
    if faulty:
        listed = ", ".join(f"{name} ({version})" for name, version in faulty.items())
        remedy = (
            "NVIDIA mended it in 13.2; before, data may be corrupted where two kernels run side by side on such a GPU:"
            " doubt an invalid result of these frameworks first"
        )
        checks.append(_check("cuBLAS", "warn", f"older than 13.2 in the locks of {listed}", remedy))
    return checks


def _runtime(host: Host) -> list[Check]:
    if not host.gpus or host.engine is None:
        return []
    if not host.engine.nvidia:
        remedy = (
            "install the NVIDIA Container Toolkit, sudo nvidia-ctk runtime configure --runtime=docker, "
            "then restart the engine"
        )
        return [_check("NVIDIA runtime", "fail", "the engine cannot hand out GPUs", remedy)]
    return [_check("NVIDIA runtime", "ok", "there")]


DECISIONS: Final[tuple[Callable[[Host], list[Check]], ...]] = (
    _python, _checkout, _folders, _results, _disk, _temporary, _processors, _cgroup, _interpreters, _environments,
    _compiler, _engine, _compose, _gpus, _driver, _kernels, _runtime,
)  # fmt: skip
