"""The launchers by name, their properties, and the one that "auto" chooses on this host."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.environments import checkout
from harness.errors import SelectionError, SetupError
from harness.launchers.base import Launcher
from harness.launchers.hardening import DATA

AUTO: Final = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A launcher before it is made: how to make it, and its properties."""

    make: Callable[["Wanted"], Launcher]
    in_container: bool  # replicates have the GPU of SAMESTEP_GPU and the memory of SAMESTEP_MEMORY
    data: str = ""  # the only folder whose data sets its replicates see; empty: any
    takes_python: bool = False  # --python names its interpreter, which has libraries of its own instead of the locks
    no_variants: str = ""  # what it has, so that a framework has no variants there; empty: it makes their environments


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a launcher is made for."""

    device: str  # "cpu" or "cuda"
    code: Path  # folder that holds the bench/ that replicates import, and the locks: a snapshot of the checkout
    python: Path | None = None  # the interpreter of --python, if any
    named: tuple[str, ...] = ()  # "NAME=value" of each variable that the user named for the replicates
    variants: Mapping[str, Path] = field(default_factory=dict)  # by variant, such as "jax@0.9.2": its lock


# The modules of a launcher are imported when it is made: Docker's SDK takes 0.2 s to load, and may be missing.
def _docker(wanted: Wanted) -> Launcher:
    from harness.launchers.docker import DockerLauncher
    from harness.launchers.variant_images import VariantImages

    images = VariantImages(wanted.device, wanted.variants)
    return DockerLauncher(wanted.device, code=wanted.code, gpu=os.environ.get("SAMESTEP_GPU", "0"), variants=images)


def _venv(wanted: Wanted) -> Launcher:
    from harness.environments.venvs import Environments
    from harness.launchers.local import LocalLauncher

    environments = Environments(checkout.ROOT, wanted.device, locked_in=wanted.code, variants=wanted.variants)
    return LocalLauncher("venv", environments, code=wanted.code, named=wanted.named, keeps_kernels=True)


def _here(wanted: Wanted) -> Launcher:
    from harness.launchers.local import LocalLauncher, OneInterpreter

    interpreter = OneInterpreter(wanted.python or Path(sys.executable))
    return LocalLauncher("here", interpreter, code=wanted.code, named=wanted.named)


def _workers(wanted: Wanted) -> Launcher:
    from harness.launchers.workers import WorkersLauncher

    return WorkersLauncher(code=wanted.code)


LAUNCHERS: Final[Mapping[str, Kind]] = {
    "docker": Kind(make=_docker, in_container=True),
    "venv": Kind(make=_venv, in_container=False),
    "here": Kind(make=_here, in_container=False, takes_python=True, no_variants="one interpreter for all frameworks"),
    "workers": Kind(make=_workers, in_container=True, data=DATA, no_variants="one container for each framework"),
}


def resolve(name: str, frameworks: Sequence[str], *, device: str, say: Callable[[str], None]) -> str:
    """Return `name`; for "auto" docker where an engine answers and has the images of `frameworks`, else venv."""
    if name != AUTO:
        return name
    if not _engine_is_likely():
        return "venv"
    try:
        from harness.launchers import docker
    except ImportError:  # its SDK is not installed
        return "venv"
    reason = docker.why_not(frameworks, device)
    say(f"launcher venv: {reason}" if reason else "launcher docker: an engine answers and the images are there")
    return "venv" if reason else "docker"


def launcher(name: str, wanted: Wanted) -> Launcher:
    """Return the launcher called `name`.

    Raises:
        SetupError: an interpreter is given for a launcher that has its own.
    """
    kind = LAUNCHERS[name]
    if wanted.python is not None and not kind.takes_python:
        raise SetupError("--python belongs to --launcher here: the other launchers have their own interpreters.")
    return kind.make(wanted)


def require_variants(names: Sequence[str]) -> None:
    """Raise SelectionError where one of the launchers called `names` has no environment for a variant."""
    for name, has in ((name, has) for name in names if (has := LAUNCHERS[name].no_variants)):
        able = " or ".join(each for each, kind in LAUNCHERS.items() if not kind.no_variants)
        raise SelectionError(f"--launcher {name} has {has}, so it has no variants: use --launcher {able}.")


def _engine_is_likely() -> bool:
    """Return whether an engine may answer, so that loading Docker's SDK is worth the time."""
    return bool(os.environ.get("DOCKER_HOST")) or Path("/var/run/docker.sock").exists()
