"""Build the images of images/Dockerfile, one framework after the other, with the Docker command line.

The Dockerfile's mounts need BuildKit, which the SDK does not have. So this module reads the output of `docker buildx
build --progress=plain`. Layers are shared through BuildKit's cache: an image that is up to date takes about a second.
"""

import contextlib
import hashlib
import os
import re
import subprocess
import time
import tomllib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import docker
from docker.errors import APIError, ImageNotFound

from bench.catalogue import framework_offer, libraries
from bench.frameworks import FRAMEWORKS
from bench.records import text
from bench.turns import variables
from harness.environments import checkout, cuda, guests, locks, npm
from harness.errors import SetupError
from harness.launchers.base import Say
from harness.launchers.docker import connect, image_name
from harness.terminal import shell

HARNESS: Final = "harness"  # the harness's own image, for compose.yaml
RECIPE: Final = "samestep.recipe"  # label: digest of the files that an image was made from
# pip and npm have them in the build as on this host
SOURCES: Final = ("PIP_INDEX_URL", "PIP_NO_INDEX", "NPM_CONFIG_REGISTRY")
LAST_LINES: Final = 10
LONGEST_STEP: Final = 4000  # characters of a line that names a step: it has all mounts before what is done
NO_NETWORK: Final = (
    "Temporary failure resolving",
    "Could not resolve",
    "Name or service not known",
    "No matching distribution found",
    "Network is unreachable",
    "Connection refused",
)

# Runs a command, calls back with each line of its output, returns its exit code.
RunCommand = Callable[[Sequence[str], Callable[[str], None]], int]


def run(command: Sequence[str], on_line: Callable[[str], None]) -> int:
    """Run `command`, call `on_line` with each line of its two streams, return its exit code.

    Raises:
        SetupError: there is no such command.
    """
    try:
        process = subprocess.Popen(
            command,
            env=variables.of_tools(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError as error:
        raise SetupError(f"There is no command {command[0]}: install Docker's command line, with Buildx.") from error
    with process:
        try:
            for line in process.stdout or ():
                on_line(line.rstrip("\n"))
        except KeyboardInterrupt:
            process.terminate()
            raise
    return process.returncode


def recipe(framework: str, *, device: str, root: Path = locks.ROOT, lock: Path | None = None) -> str:
    """Return a digest of the files that the image of `framework` depends on, without its base image.

    `lock`: of a variant; None: the framework's own.
    """
    framework = locks.packages(root, framework)
    installed = lock or _lock(framework, device=device, root=root)
    files = [root / "images" / "Dockerfile", root / "images" / "recipe.sh", installed]
    files += [*npm.files(root, framework), *guests.files(root, framework)]
    programs = framework_offer(framework).programs if framework in FRAMEWORKS else ()
    demanded = _demanded(framework, device=device, root=root, lock=lock)
    given = [" ".join(package for _, package in programs), demanded]
    parts = [*(file.read_bytes() for file in files), *map(str.encode, given)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def ready(framework: str, *, device: str, client: docker.DockerClient | None = None, root: Path = locks.ROOT) -> bool:
    """Return whether the image exists and was made from the present lock and Dockerfile.

    An image that compose built has no digest and counts as ready. Raises SetupError when no engine answers.
    """
    with _engine(client) as engine:
        try:
            labels = engine.images.get(image_name(framework, device=device)).labels
        except ImageNotFound:
            return False
    return labels.get(RECIPE, "") in ("", recipe(framework, device=device, root=root))


def build(
    frameworks: Sequence[str],
    device: str,
    say: Say,
    *,
    root: Path = locks.ROOT,
    environ: Mapping[str, str] = os.environ,
    run: RunCommand = run,
    client: docker.DockerClient | None = None,
) -> Mapping[str, str]:
    """Build the image of each framework; return, by framework, why it cannot be built. `say` gets the progress.

    Raises:
        SetupError: nothing can be built: no engine, no permission to use it, no Buildx, no base image.
    """
    failed: dict[str, str] = {}
    sharing: dict[str, list[str]] = {}  # by the framework in whose image they run
    for framework in frameworks:
        sharing.setdefault(locks.packages(root, framework), []).append(framework)
    with _engine(client) as engine:
        require_buildx(run)
        for number, framework in enumerate(sharing, start=1):
            title = f"Image {number} of {len(sharing)}: {framework}"
            if not _lock(framework, device=device, root=root).is_file():
                failed[framework] = f"it has no lock for {device}: samestep check {framework} says what is missing"
                continue
            parts = command(framework, device=device, root=root, environ=environ)
            base = base_image(device, environ, root)
            if reason := built(engine, title, image_name(framework, device=device), parts, say, base=base, run=run):
                failed[framework] = reason
    return {name: reason for owner, reason in failed.items() for name in sharing[owner]}


def require_buildx(run: RunCommand = run) -> None:
    """Raise SetupError where the command docker cannot build these images."""
    if run(["docker", "buildx", "version"], lambda line: None) != 0:
        raise SetupError("The command docker has no Buildx: install docker-buildx-plugin (Debian: docker-buildx).")


def built(
    engine: docker.DockerClient,
    title: str,
    tag: str,
    command: Sequence[str],
    say: Say,
    *,
    base: str,
    run: RunCommand = run,
) -> str:
    """Build the image called `tag` by `command`; return why it cannot be built; empty: it is there.

    `title`: what it is, in the progress. `base`: the base image, for a sentence.

    Raises:
        SetupError: the base image is not there and cannot be fetched.
    """
    say(f"{title} …")
    started = time.monotonic()
    before = _image_id(engine, tag)
    log = BuildLog(partial(_say_step, say, title))
    code = run(command, log.read)
    seconds = time.monotonic() - started
    if log.has_no_base():
        raise SetupError(
            f"The base image {base} is not there and cannot be fetched: {shell.command('docker', 'pull', base)}"
            " says why; or name another Debian or Ubuntu in BASE_IMAGE."
        )
    if code != 0:
        say("\n    ".join([f"{title} failed after {seconds:.0f} s; the last lines:", *log.last_lines()]))
        return log.reason()
    size = engine.images.get(tag).attrs["Size"] / 1e9
    say(f"{title} built in {seconds:.0f} s, {size:.1f} GB with the layers that it shares")
    _remove_old(engine, before, _image_id(engine, tag))
    return ""


def command(
    framework: str,
    *,
    device: str,
    root: Path,
    environ: Mapping[str, str],
    tag: str = "",
    lock: Path | None = None,
    context: Path | None = None,
) -> list[str]:
    """Return the command that builds one image.

    Args:
        framework: whose image it is.
        device: "cpu" or "cuda".
        root: the repository.
        environ: has the base image and the sources of packages.
        tag: name of the image; empty: the framework's.
        lock: of a variant, which `context` has in place of the framework's own; None: it is no variant.
        context: what the Dockerfile copies from; None: images/ of the repository.
    """
    framework = locks.packages(root, framework)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    arguments = {
        "BASE_IMAGE": base_image(device, environ, root),
        "FRAMEWORK": framework,
        "PARENT": parent(framework, device=device, root=root),
        "DEVICE": device,
        "VERSION": project["version"],
        "REVISION": checkout.commit(root)[0],
        "SOURCE": project.get("urls", {}).get("Source", ""),
        "RECIPE": recipe(framework, device=device, root=root, lock=lock),
        **{name: environ[name] for name in SOURCES if environ.get(name)},
    }
    if packages := system_packages(framework, device=device, root=root):
        arguments["SYSTEM_PACKAGES"] = packages
    if demanded := require_cuda(framework, device=device, root=root, lock=lock):
        arguments["REQUIRE_CUDA"] = demanded
    if guest := guests.context(root, framework):
        arguments["GUEST"] = guest
    command_line = ["docker", "buildx", "build", "--progress=plain", "--load"]
    command_line += ["--tag", tag or image_name(framework, device=device)]
    command_line += [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    if wheels := wheelhouse(device, environ):
        command_line += ["--build-context", f"wheelhouse={wheels}"]
    if guest and (folder := environ.get(f"SAMESTEP_{guest.upper()}")):
        command_line += ["--build-context", f"{guest}={folder}"]
    return [*command_line, str(context or root / "images")]


def parent(framework: str, *, device: str, root: Path = locks.ROOT) -> str:
    """Return the stage that the Dockerfile's generic stage builds on for `framework`; empty: it has its own stage."""
    framework = locks.packages(root, framework)
    dockerfile = (root / "images" / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM \S+ AS (\w+)$", dockerfile, re.MULTILINE)
    if framework in stages:
        return ""
    base = locks.parent(root, framework, device)
    while base and base not in stages:  # its lock contains theirs
        base = locks.parent(root, base, device)
    return base or locks.BASE


def system_packages(framework: str, *, device: str, root: Path = locks.ROOT) -> str:
    """Return the packages of the distribution for the Dockerfile's generic stage, with spaces between.

    They have the programs and libraries of the framework and of those that it builds on, but for the stage that it
    begins with, whose image has its own.
    """
    framework = locks.packages(root, framework)
    base = parent(framework, device=device, root=root)
    packages: dict[str, None] = {}
    name: str | None = framework if base and framework in FRAMEWORKS else None
    while name and name != base:
        packages |= dict.fromkeys(_installed(name))
        name = locks.parent(root, name, device)
    there = _installed(base) if name else ()
    return " ".join(package for package in packages if package not in there)


def _installed(name: str) -> tuple[str, ...]:
    return (*(package for _, package in framework_offer(name).programs), *libraries(name).values())


def require_cuda(framework: str, *, device: str, root: Path = locks.ROOT, lock: Path | None = None) -> str:
    """Return what the Dockerfile's generic stage is to demand of the driver; empty: what the stage below demands.

    `lock`: of a variant; None: the framework's own.
    """
    base = parent(framework, device=device, root=root)
    demanded = _demanded(framework, device=device, root=root, lock=lock)
    return demanded if base and demanded != cuda.requirement(base, root) else ""


def _demanded(framework: str, *, device: str, root: Path, lock: Path | None) -> str:
    """Return the demand of an image; one for the processor has that of the framework on a GPU, and nobody reads it."""
    return cuda.requirement_of(lock) if lock and device == "cuda" else cuda.requirement(framework, root)


def base_image(device: str, environ: Mapping[str, str], root: Path = locks.ROOT) -> str:
    """Return the base image: the one that BASE_IMAGE names, else the default of the device in images/."""
    source, line = ("Dockerfile", r"^ARG BASE_IMAGE=(.+)$") if device == "cuda" else ("cpu.env", r"^BASE_IMAGE=(.+)$")
    default = re.search(line, (root / "images" / source).read_text(), re.MULTILINE)
    return environ.get("BASE_IMAGE") or (default[1] if default else "")


def wheelhouse(device: str, environ: Mapping[str, str]) -> str:
    """Return the folder of wheels for the build: SAMESTEP_WHEELHOUSE, else one of pip's with PyTorch for the CPU."""
    folders = locks.wheel_sources(environ) if device == "cpu" else []
    return environ.get("SAMESTEP_WHEELHOUSE") or next((folder for folder in folders if locks.holds_torch(folder)), "")


class BuildLog:
    """Reads BuildKit's plain progress: the step that runs, the step that failed, and its last lines.

    #7 [torch 3/3] RUN … recipe.sh packages torch     a step and its number
    #7 1.235 Collecting sympy==1.14.0                 a line of its output
    #7 ERROR: process "…" did not complete            or DONE, or CACHED
    """

    def __init__(self, on_step: Callable[[str], None]) -> None:
        """Call `on_step` with each step that begins and is not cached."""
        self._on_step = on_step
        self._steps: dict[str, str] = {}
        self._output: dict[str, deque[str]] = {}
        self._failed = ""
        self._others: deque[str] = deque(maxlen=LAST_LINES)

    def read(self, line: str) -> None:
        """Read one line; what pip, uv and apt print for a terminal is left out of it."""
        line = text.indented(line, LONGEST_STEP)
        match = re.match(r"#(\d+) (?:(\[.+?\] .*)|[\d.]+ (.*)|(ERROR: .*))$", line)
        if not match:
            self._others.append(text.indented(line))
            return
        number, step, output, error = match.groups()
        if step:
            self._steps[number] = _short(step)
        elif output is not None:
            if number not in self._output and number in self._steps:
                self._on_step(self._steps[number])
            self._output.setdefault(number, deque(maxlen=LAST_LINES)).append(text.indented(output))
        elif error and "CANCELED" not in error:
            self._failed = number
            self._output.setdefault(number, deque(maxlen=LAST_LINES))

    def last_lines(self) -> list[str]:
        """Return the last lines of the failed step, else those of the command."""
        errors = [line for line in self._others if line.startswith("ERROR")]
        return list(self._output.get(self._failed) or errors or self._others)

    def has_no_base(self) -> bool:
        """Return whether the base image of all images could not be fetched."""
        return any("failed to resolve source metadata" in line for line in self._others)

    def reason(self) -> str:
        """Return one sentence: the failed step, its last line, and the remedy where it is known."""
        lines = self.last_lines()
        everything = "\n".join([*lines, *self._others])
        last = lines[-1] if lines else "it ended without output"
        step = self._steps.get(self._failed, "the build")
        if "no space left on device" in everything.lower():
            return (
                f"{step}: the engine's disk is full: docker system df shows what fills it, docker system prune frees it"
            )
        if last.startswith("samestep: "):  # recipe.sh names the remedy
            return f"{step}: {last.removeprefix('samestep: ')}"
        if any(sign in everything for sign in NO_NETWORK):
            return f"{step}: {last}: give the build a network, or a folder of wheels in SAMESTEP_WHEELHOUSE"
        return f"{step}: {last}"


def _short(step: str) -> str:
    """Return the position and the action of a step: "[torch 3/3] packages torch", "[internal] load metadata for …"."""
    position, _, action = step.partition("] ")
    return f"{position}] {action.rpartition('recipe.sh ')[2]}"


def _say_step(say: Say, title: str, step: str) -> None:
    say(f"{title}: {step} …")


def _lock(framework: str, *, device: str, root: Path) -> Path:
    return (
        root / "images" / "locks" / "harness.txt" if framework == HARNESS else locks.lock_file(root, framework, device)
    )


@contextlib.contextmanager
def _engine(client: docker.DockerClient | None) -> Iterator[docker.DockerClient]:
    if client:
        yield client
    else:
        with contextlib.closing(connect()) as own:
            yield own


def _image_id(engine: docker.DockerClient, tag: str) -> str:
    try:
        return str(engine.images.get(tag).id)
    except ImageNotFound:
        return ""


def _remove_old(engine: docker.DockerClient, before: str, after: str) -> None:
    """Remove the old image, whose name the new image has now; an image that a container still uses stays."""
    if before and before != after:
        with contextlib.suppress(APIError):
            engine.images.remove(before)
