"""Turns as fresh containers: one per replicate, hardened, removed when it ends. The engine is used through its SDK.

The folder of the turn is the only writable mount of the container; for a member of a group it is read-only and holds a
socket. Every user can write to it, but it is inside a
folder that only the caller can enter. So the user of the container can write, whoever the caller is; this holds for
rootless engines too.

A label of the container names its harness. A container whose harness was killed is removed when the next run starts.
"""

import contextlib
import dataclasses
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container
from docker.types import DeviceRequest
from requests.exceptions import ConnectionError as EngineError
from requests.exceptions import ReadTimeout

from bench.turns import owner, supervise
from bench.turns.turn import TURN_FILE, Outcome, Turn, to_json
from bench.turns.variables import pair
from harness.environments import locks
from harness.errors import SetupError
from harness.launchers.base import OnStart, Say
from harness.launchers.container import (
    OUT,
    PREFIX,
    STOP_S,
    engine_answers,
    explain,
    not_started,
    open_folder,
    outcome,
    remove,
)
from harness.launchers.container_link import ContainerLink, worker_command
from harness.launchers.hardening import CODE, Allowance, harden, unreadable_file
from harness.launchers.remote import RemoteMember
from harness.terminal import shell

OWNER: Final = "samestep.owner"  # label: the name of the samestep that started it
GRACE_S: Final = 30.0  # for a worker to answer after the time limit of a turn, at which it ends the turn
DEFAULT_HOST: Final = "unix:///var/run/docker.sock"
ALTERNATIVE: Final = "or run with --launcher venv"


def image_name(framework: str, *, device: str) -> str:
    """Return the name of a framework's image; one in another framework's packages runs in that one's."""
    return f"samestep/{locks.packages(locks.ROOT, framework)}:{device}"


def connect() -> docker.DockerClient:
    """Return a client of the engine that DOCKER_HOST names, else of the engine of this host.

    Raises:
        SetupError: the engine does not answer, or this user may not use its socket.
    """
    address = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    try:
        check_socket(address)
        client = docker.from_env()
        client.ping()
    except PermissionError as error:
        raise SetupError(
            f"This user may not use the Docker engine at {address}: sudo usermod -aG docker $USER, then log in again, "
            f"{ALTERNATIVE}."
        ) from error
    except (OSError, DockerException) as error:
        raise SetupError(
            f"No Docker engine answers at {address}: start it (sudo systemctl start docker), "
            f"or name it in DOCKER_HOST, {ALTERNATIVE}."
        ) from error
    return client


def check_socket(address: str) -> None:
    """Raise the OSError of the engine's Unix socket, if it has one: the SDK would hide which error it is."""
    scheme, _, path = address.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)


def why_not(frameworks: Sequence[str], device: str) -> str:
    """Return why the docker launcher cannot run `frameworks`; empty: it can."""
    try:
        client = connect()
    except SetupError as error:
        return str(error)
    with contextlib.closing(client):
        missing = [name for name in frameworks if _absence(client, name, device=device)]
    if not missing:
        return ""
    images = ", ".join(image_name(name, device=device) for name in missing)
    return f"there is no image {images}: {shell.samestep('build', *missing, '--device', device)}"


class Variants(Protocol):
    """The images of a run's variants (`harness.launchers.variant_images`)."""

    def name(self, framework: str) -> str:
        """Return the name of the image of a variant, such as "jax@0.9.2"; empty: it is no variant."""
        ...

    def build(self, framework: str, engine: docker.DockerClient, say: Say) -> str:
        """Build it; return why it cannot be built; empty: it is there. Raises SetupError where none can be built."""
        ...


class DockerLauncher:
    """Runs each turn in a container of the framework's image, or of its variant's."""

    name = "docker"
    in_container = True

    def __init__(
        self,
        device: str,
        *,
        code: Path,
        gpu: str = "0",
        allowance: Allowance | None = None,
        client: docker.DockerClient | None = None,
        variants: Variants | None = None,
    ) -> None:
        """Run on `device`, with the package `bench` of the folder `code`; `gpu` is the UUID or index of the GPU.

        `allowance`: None: the one of the environment variables. `client`: None: connect when prepared. `variants`:
        None: every framework runs as locked.
        """
        self.device = device
        self.code = code
        self.gpu = gpu
        self.allowance = allowance or Allowance.of(os.environ)
        self._client = client
        self._variants = variants
        self._images: dict[str, str] = {}  # by framework with its variant: id of its image
        self._variables: dict[str, dict[str, str]] = {}  # likewise: those that its image sets

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Find the images and start one container as a trial; return, by framework, why it has no image.

        Those of variants are built where they are not there: their locks are in the folder of the run alone.

        Raises:
            SetupError: there is no engine, or it cannot run a hardened container.
        """
        self._client = self._client or connect()
        check_readable(self.code / "bench")
        for name in remove_left_behind(self._client):
            say(f"removed the container {name} of a samestep that was killed")
        missing = {name: reason for name in frameworks if (reason := self._absence(name, self._client, say))}
        for name in frameworks:
            if name not in missing:
                image = self._client.images.get(self._image_name(name))
                self._images[name] = str(image.id)
                self._variables[name] = dict(map(pair, image.attrs["Config"]["Env"] or ()))
        if self._images:
            self._try(next(iter(self._images)))
        return missing

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        """Run `turn` in a container of its own; container and folder are removed afterwards.

        Raises:
            SetupError: the connection to the engine is lost.
        """
        turn = self._with_image(turn)
        with open_folder() as folder:
            (folder / TURN_FILE).write_text(to_json(turn), encoding="utf-8")
            begin = time.time_ns()
            try:
                with engine_answers(), self._container(turn, folder) as container:
                    return self._watch(container, turn, folder, on_start)
            except APIError as error:
                return not_started(error, begin, gpu=self.gpu)

    def why_not_alternate(self) -> str:
        """Return "": a worker can stop its own child."""
        return ""

    def member(self, turn: Turn) -> RemoteMember:
        """Return `turn` as a member of a group, in a container of its own; a worker there keeps it."""
        turn = self._with_image(turn)
        link = ContainerLink(lambda folder: self._create_worker(turn, folder), gpu=self.gpu)
        return RemoteMember(turn, 1, link, grace_s=GRACE_S)

    def damage(self, framework: str) -> str:
        """Return "": an image does not change."""
        return ""

    def inventory(self, framework: str) -> str:
        """Return "": an image has a digest of its own."""
        return ""

    def again(self, run: Path) -> str:
        """Return the command that resumes."""
        return shell.samestep("run", "--resume", shell.path(run))

    def close(self) -> None:
        """Close the connection to the engine."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _watch(self, container: Container, turn: Turn, folder: Path, on_start: OnStart) -> Outcome:
        container.start()
        begin = time.monotonic()
        container.reload()
        if pid := container.attrs["State"]["Pid"]:
            on_start(pid, folder)
        timed_out = False
        try:
            container.wait(timeout=turn.timeout_s)
        except (ReadTimeout, EngineError):
            if time.monotonic() - begin < turn.timeout_s:
                raise
            timed_out = True
            container.kill()
            container.wait(timeout=STOP_S)
        container.reload()
        log = container.logs().decode(errors="replace")
        return outcome(container.attrs["State"], folder, log, timed_out=timed_out)

    def _image_name(self, framework: str) -> str:
        """Return the name of the image of a framework, or of its variant, such as "jax@0.9.2"."""
        of_variant = self._variants.name(framework) if self._variants else ""
        return of_variant or image_name(framework, device=self.device)

    def _absence(self, framework: str, client: docker.DockerClient, say: Say) -> str:
        """Return why a framework or a variant has no image; empty: it has one."""
        if self._variants is None or not (name := self._variants.name(framework)):
            return _absence(client, framework, device=self.device)
        return "" if _is_there(client, name) else self._variants.build(framework, client, say)

    def _with_image(self, turn: Turn) -> Turn:
        framework = turn.cell.framework_id
        return dataclasses.replace(turn, image=f"{self._image_name(framework)}@{self._images[framework]}")

    def _on_cpus(self, turn: Turn) -> Allowance:
        return dataclasses.replace(self.allowance, cpus=",".join(map(str, turn.cpus)))

    def _create_worker(self, turn: Turn, folder: Path) -> Container:
        volumes = [f"{folder}:{OUT}:ro"]
        command = worker_command(turn.cell.framework)
        return self._create(turn.cell.framework_id, command, self._on_cpus(turn), variables={}, volumes=volumes)

    @contextlib.contextmanager
    def _container(self, turn: Turn, folder: Path) -> Iterator[Container]:
        of_image = self._variables[turn.cell.framework_id]
        stated = supervise.environment(turn, Path("/tmp"), of_image)
        data = [f"{turn.data}:{turn.data}:ro"] if turn.data else []  # so a message has the path that the host knows
        # The engine takes out what has no value. What is NVIDIA's tells it which GPU the container gets.
        others = {name for name in (*of_image, "HOSTNAME") if name not in stated and not name.startswith("NVIDIA_")}
        container = self._create(
            turn.cell.framework_id,
            ["python", "-m", "bench", "turn", OUT],
            self._on_cpus(turn),
            variables={**stated, **dict.fromkeys(others)},
            volumes=[f"{folder}:{OUT}", *data],
        )
        try:
            yield container
        finally:
            remove(container)

    def _create(
        self,
        framework: str,
        command: Sequence[str],
        allowance: Allowance,
        *,
        variables: Mapping[str, str | None],
        volumes: Sequence[str],
    ) -> Container:
        assert self._client is not None, "call prepare first"
        table = dataclasses.asdict(harden(allowance))
        options: dict[str, Any] = {name: list(v) if isinstance(v, tuple) else v for name, v in table.items()}
        options["environment"] = {**variables, **options["environment"]}
        if self.device == "cuda":
            options["device_requests"] = [DeviceRequest(driver="nvidia", device_ids=[self.gpu], capabilities=[["gpu"]])]
        return self._client.containers.create(
            self._images[framework],
            list(command),
            volumes=[f"{self.code / 'bench'}:{CODE}/bench:ro", *volumes],
            labels={OWNER: owner.name()},
            working_dir="/tmp",
            **options,
        )

    def _try(self, framework: str) -> None:
        """Start and end a hardened container, so that an engine that cannot do it is reported before the run."""
        try:
            container = self._create(framework, ["true"], self.allowance, variables={}, volumes=())
            try:
                container.start()
                container.wait(timeout=60)
            finally:
                remove(container)
        except DockerException as error:
            text = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
            raise SetupError(explain(text, gpu=self.gpu)) from error


def check_readable(bench: Path) -> None:
    """Raise SetupError if a container cannot read a file of `bench`."""
    if unreadable := unreadable_file(bench):
        remedy = shell.command("chmod", "-R", "o+rX", shell.path(bench))
        raise SetupError(f"{unreadable} is not readable for the user of a container: {remedy}")


def remove_left_behind(client: docker.DockerClient) -> list[str]:
    """Remove containers whose harness has ended, and the folders of their turns; return the containers' names."""
    containers = client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True)
    orphans = [container for container in containers if not owner.is_alive(container.labels[OWNER])]
    for container in orphans:
        remove(container)
        for mount in container.attrs.get("Mounts", ()):
            outer = Path(mount["Source"]).parent
            if mount["Destination"] == OUT and outer.name.startswith(PREFIX):
                shutil.rmtree(outer, ignore_errors=True)
    return [str(container.name) for container in orphans]


def _absence(client: docker.DockerClient, framework: str, *, device: str) -> str:
    """Return why a framework has no image; empty: it has one."""
    name = image_name(framework, device=device)
    if _is_there(client, name):
        return ""
    return f"there is no image {name}: {shell.samestep('build', framework, '--device', device)}"


def _is_there(client: docker.DockerClient, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True
