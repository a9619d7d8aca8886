"""A compose project on the CPU with NumPy alone: brought up, disturbed, read, taken down."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from bench.records import codec
from bench.records.record import Record

ROOT: Final = Path(__file__).resolve().parents[2]
LONGEST_S: Final = 180


def give_up(why: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"CI has to test containers: {why}")
    pytest.skip(f"NOTHING ABOUT CONTAINERS WAS TESTED: {why}")


def base_image(engine: Any) -> dict[str, str]:
    """Return the base image to build on: the one that is set, or the local one of a host without registries."""
    local = "local/base:bookworm"
    if "BASE_IMAGE" in os.environ or not engine.images.list(local):
        return {}
    return {"BASE_IMAGE": local}


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


class Project:
    """Runs `docker compose` with a name, a results folder and a selection of its own."""

    device = "cpu"

    def __init__(self, root: Path, results: Path, variables: Mapping[str, str]) -> None:
        self.root = root
        self.results = results
        self.name = f"samestep-test-{os.getpid()}-{results.name}"
        ours = ("SAMESTEP_", "COMPOSE_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment = {
            **inherited,
            "SAMESTEP_RESULTS": str(results),
            "SAMESTEP_FRAMEWORK": "numpy",
            "SAMESTEP_MODE": "eager",
            "SAMESTEP_OPTIMIZER": "adam",
            **variables,
        }

    def command(self, *words: str) -> list[str]:
        directory = ["--project-directory", str(self.root)]
        env_file = ["--env-file", str(self.root / "images" / "cpu.env")] if self.device == "cpu" else []
        return ["docker", "compose", "-p", self.name, *directory, *env_file, *words]

    def compose(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a compose command to its end."""
        return subprocess.run(
            self.command(*words),
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )

    @contextmanager
    def up(self, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run `docker compose up`: the harness and what is selected, while the block runs, then wait for its end."""
        with subprocess.Popen(
            self.command("up", "--no-build"),
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield process
                process.wait(LONGEST_S)
            finally:
                if process.poll() is None:
                    process.terminate()

    def container(self, service: str) -> str:
        return f"{self.name}-{service}-1"

    def services(self) -> set[str]:
        """Return the services that have a container, running or not."""
        return set(self.compose("ps", "--all", "--format", "{{.Service}}").stdout.split())

    def docker(self, *words: str) -> str:
        """Run a docker command and return what it prints; its complaints count only where logs are asked for."""
        errors = subprocess.STDOUT if words[0] == "logs" else subprocess.DEVNULL
        return subprocess.run(["docker", *words], stdout=subprocess.PIPE, stderr=errors, text=True, check=False).stdout

    def processes(self, service: str) -> list[str]:
        """Return the command lines in a service's container."""
        return self.docker("top", self.container(service), "-eo", "pid,args").splitlines()[1:]

    def turn_runs(self) -> bool:
        return any("bench turn" in line for line in self.processes("numpy"))

    def run_folder(self) -> Path | None:
        return next((path for path in self.results.iterdir() if (path / "run.json").exists()), None)

    def records(self) -> list[Record]:
        """Return the records of the only run so far."""
        folder = self.run_folder()
        path = folder / "records.jsonl" if folder else None
        if path is None or not path.exists():
            return []
        return [codec.from_json(line) for line in path.read_text().splitlines() if line.endswith("}")]

    def statuses(self) -> list[str]:
        return [each.status for each in self.records()]

    def in_turn(self, after: int) -> None:
        """Wait until `after` records are kept and the next turn is well under way."""
        until(lambda: len(self.records()) >= after)
        until(self.turn_runs)
        time.sleep(0.3)

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "2")
