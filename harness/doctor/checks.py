"""What this host can run, and the remedy for each thing it cannot.

    symptoms.look() ─→ Found ─→ examine() ─→ checks ─→ ways(): what to type

    ok     as it should be
    warn   not there, or not as good as it could be
    fail   there and not working, or in the way of everything

`look` asks the host and decides nothing; what is here decides and asks nothing. A host without an engine and without a
GPU is a good host: it runs everything from local environments on its processor.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.frameworks import FRAMEWORKS
from harness.doctor.survey import Engine, Found
from harness.environments import locks

GIGA: Final = 1_000_000_000
LEAST_PYTHON: Final = (3, 11)
LEAST_ENGINE: Final = (23, 0)  # the first whose `docker build` is BuildKit
LEAST_COMPOSE: Final = (2, 24)
ENVIRONMENTS_BYTES: Final = 7 * GIGA  # all local environments together, on the CPU
IMAGES_BYTES: Final[Mapping[str, int]] = {"cpu": 8 * GIGA, "cuda": 50 * GIGA}
# NVIDIA, "CUDA Compatibility", minor version compatibility: the least driver of each CUDA major version.
LEAST_DRIVER: Final[Mapping[int, int]] = {12: 525, 13: 580}

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's answer."""

    name: str
    status: Status
    found: str
    remedy: str = ""  # what to do; empty when ok


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the suite."""

    command: str  # what to type
    obstacle: str = ""  # the name of the check in the way; empty: it is open


def examine(found: Found) -> tuple[Check, ...]:
    """Return all checks, in the order in which a person would go about them."""
    return tuple(check for decide in DECISIONS for check in decide(found))


def ways(checks: Sequence[Check]) -> tuple[Way, ...]:
    """Return each way to run the suite, with what is in its way."""
    good = {check.name for check in checks if check.status == "ok"}
    return tuple(Way(command, next((name for name in needs if name not in good), "")) for command, needs in WAYS)


def can_run(checks: Sequence[Check]) -> bool:
    """Return whether any way is open."""
    return any(not way.obstacle for way in ways(checks))


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


def _python(found: Found) -> list[Check]:
    text = ".".join(map(str, found.python))
    if found.python < LEAST_PYTHON:
        return [Check("Python", "fail", text, "install Python 3.11 or newer, remove .venv and run make again")]
    return [Check("Python", "ok", text)]


def _checkout(found: Found) -> list[Check]:
    if found.missing:
        lost = ", ".join(found.missing)
        return [Check("checkout", "fail", f"{lost} not there", "git restore . in the checkout, or clone it again")]
    if found.closed:
        remedy = "chmod -R o+rX bench: a container's user is nobody on this host"
        return [Check("checkout", "ok", "complete"), Check(READABLE, "fail", f"{found.closed} is private", remedy)]
    return [Check("checkout", "ok", "complete"), Check(READABLE, "ok", "readable")]


def _results(found: Found) -> list[Check]:
    if not found.results_writable:
        return [
            Check("results", "fail", "the folder cannot be written", "give yourself results/, or use --results DIR")
        ]
    return [Check("results", "ok", "the folder can be written")]


def _disk(found: Found) -> list[Check]:
    free = f"{found.free_bytes / GIGA:.0f} GB free"
    needed = ENVIRONMENTS_BYTES * (len(FRAMEWORKS) - len(found.environments)) // len(FRAMEWORKS)
    if found.free_bytes < needed + GIGA:
        remedy = f"free {(needed + GIGA) / GIGA:.0f} GB for the environments, or move the checkout"
        return [Check("disk", "fail", free, remedy)]
    return [Check("disk", "ok", free)]


def _processors(found: Found) -> list[Check]:
    count = len(found.cpus)
    if count < 2:
        remedy = "use a host with two or more: here the harness disturbs what it measures"
        return [Check("processors", "warn", "1", remedy)]
    if found.load > 0.5:
        remedy = "end what else runs here: it disturbs the measurement"
        return [Check("processors", "warn", f"{count}, {found.load:.1f} of them busy", remedy)]
    return [Check("processors", "ok", str(count))]


def _cgroup(found: Found) -> list[Check]:
    if not found.cgroup:
        return [Check("cgroup", "warn", "none", "containers need control groups: run on a Linux host with systemd")]
    return [Check("cgroup", "ok", f"version {found.cgroup}")]


def _interpreters(found: Found) -> list[Check]:
    checks = []
    for device, version in locks.PYTHONS.items():
        if device == "cuda" and not found.gpus:
            continue
        name = f"Python for {device}"
        if device in found.no_interpreter:
            remedy = f"uv fetches it when it is first needed; without internet, install python{version} yourself"
            checks.append(Check(name, "warn", f"no {version} on this host", remedy))
        else:
            checks.append(Check(name, "ok", version))
    return checks


def _environments(found: Found) -> list[Check]:
    made = f"{len(found.environments)} of {len(FRAMEWORKS)} made"
    if len(found.environments) < len(FRAMEWORKS):
        return [Check("environments", "ok", f"{made}; the others when they are first needed")]
    return [Check("environments", "ok", made)]


def _engine(found: Found) -> list[Check]:
    if found.engine is None:
        sentence, _, remedy = found.engine_error.partition(": ")
        status: Status = "warn" if sentence.startswith("No Docker engine") else "fail"
        return [Check("Docker engine", status, sentence, remedy)]
    if version_of(found.engine.version) < LEAST_ENGINE:
        return [Check("Docker engine", "fail", found.engine.version, "install Docker Engine 23 or newer")]
    return [Check("Docker engine", "ok", found.engine.version), *_images(found, found.engine)]


def _images(found: Found, engine: Engine) -> list[Check]:
    device = "cuda" if found.gpus else "cpu"
    missing = [name for name in FRAMEWORKS if f"samestep/{name}:{device}" not in engine.images]
    if not missing:
        return [Check("images", "ok", f"all for {device}")]
    needed = IMAGES_BYTES[device] * len(missing) // len(FRAMEWORKS)
    if engine.free_bytes is not None and engine.free_bytes < needed:
        remedy = f"free {needed / GIGA:.0f} GB on the engine's disk: docker system df shows what fills it"
        return [Check("images", "fail", f"{engine.free_bytes / GIGA:.0f} GB free for {len(missing)} of them", remedy)]
    remedy = f"samestep build --device {device}, or docker compose up, builds them"
    return [Check("images", "warn", f"not built for {device}: {', '.join(missing)}", remedy)]


def _compose(found: Found) -> list[Check]:
    if found.engine is None:
        return []
    if not found.compose:
        return [Check("Docker Compose", "warn", "not there", "install the package docker-compose-plugin")]
    if version_of(found.compose) < LEAST_COMPOSE:
        return [Check("Docker Compose", "fail", found.compose, "install Docker Compose 2.24 or newer")]
    return [Check("Docker Compose", "ok", found.compose)]


def _gpus(found: Found) -> list[Check]:
    if not found.gpus:
        remedy = (
            "none needed on the CPU; for a GPU install NVIDIA's driver, 580 or newer, and check that nvidia-smi works"
        )
        return [Check("GPU", "warn", found.driver_error or "none", remedy)]
    checks = []
    for gpu in found.gpus:
        text = f"{gpu.name}, {gpu.memory_bytes / (1 << 30):.0f} GiB, {gpu.uuid}"
        checks.append(Check("GPU", "ok", text))
        if gpu.users:
            remedy = "end them, or name another GPU in SAMESTEP_GPU: they disturb the measurement"
            checks.append(Check("GPU in use", "warn", f"{gpu.uuid}: {', '.join(gpu.users)}", remedy))
    return checks


def _driver(found: Found) -> list[Check]:
    if not found.gpus:
        return []
    (major, *_) = version_of(found.driver)
    short = {name: need for name, cuda in found.cuda.items() if major < (need := LEAST_DRIVER.get(cuda, 0))}
    if short:
        names = ", ".join(f"{name} ({need})" for name, need in short.items())
        found_text = f"{found.driver}, too old for the images of {names}"
        return [Check("driver", "fail", found_text, f"install NVIDIA's driver {max(short.values())} or newer")]
    return [Check("driver", "ok", found.driver)]


def _runtime(found: Found) -> list[Check]:
    if not found.gpus or found.engine is None:
        return []
    if not found.engine.nvidia:
        remedy = (
            "install the NVIDIA Container Toolkit, sudo nvidia-ctk runtime configure --runtime=docker, "
            "then restart the engine"
        )
        return [Check("NVIDIA runtime", "fail", "the engine cannot hand out GPUs", remedy)]
    return [Check("NVIDIA runtime", "ok", "there")]


DECISIONS: Final[tuple[Callable[[Found], list[Check]], ...]] = (
    _python, _checkout, _results, _disk, _processors, _cgroup, _interpreters, _environments, _engine, _compose, _gpus,
    _driver, _runtime,
)  # fmt: skip


def version_of(text: str) -> tuple[int, ...]:
    """Return (26, 1, 5) for "26.1.5+dfsg1", (0,) for what is no version."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, found[1].split("."))) if found else (0,)
