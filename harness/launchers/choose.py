"""Which launcher: by name, or the one that this host can do best."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.environments import checkout
from harness.errors import SetupError
from harness.launchers.base import Launcher
from harness.launchers.local import LocalLauncher, OneInterpreter


def resolve(name: str, frameworks: Sequence[str], device: str, say: Callable[[str], None]) -> str:
    """Return `name`, or what "auto" comes to: docker where an engine answers and has the images, else venv."""
    if name != "auto":
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


def launcher(name: str, device: str, python: Path | None) -> Launcher:
    """Return the launcher called `name`.

    Raises:
        SetupError: an interpreter is named for a launcher that has its own.
    """
    if python is not None and name != "here":
        raise SetupError("--python belongs to --launcher here: the other launchers have their own interpreters.")
    if name == "here":
        return LocalLauncher("here", OneInterpreter(python or Path(sys.executable)))
    if name == "docker":
        from harness.launchers.docker import DockerLauncher

        return DockerLauncher(device, code=checkout.ROOT, gpu=os.environ.get("SAMESTEP_GPU", "0"))
    if name == "workers":
        from harness.launchers.workers import WorkersLauncher

        return WorkersLauncher()
    from harness.environments.venvs import Environments

    return LocalLauncher("venv", Environments(checkout.ROOT, device))


def _engine_is_likely() -> bool:
    """Return whether it is worth loading Docker's SDK to ask."""
    return bool(os.environ.get("DOCKER_HOST")) or Path("/var/run/docker.sock").exists()
