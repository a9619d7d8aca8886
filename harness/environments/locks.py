"""The lock files: which one a framework needs on a device, and how they are made.

images/<framework>.in                   its requirements; `-r other.in` builds on another framework's layer
images/<device>/<framework>.in          replaces it on that device, also where another file names it
images/locks/<framework>.<device>-py3XX.txt   every package of it with its hashes, for one Python
images/locks/{harness,dev,docs}.txt     the same for the harness, its tests and the site of docs/, for any Python
images/<framework>.package.json         what its guest runs in node, if it has one: `harness.environments.npm`
images/py37/<framework>.in              what its guest runs in that Python, if it has one: `harness.environments.guests`
images/cpu/peers.in                     what harness/peers/ compares samestep with; no framework, on one device only

    make lock                           resolves every lock anew
    python -m harness.environments.locks flax    those named, and all that build on them; pins that still fit are kept
"""

import configparser
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uv

from bench.catalogue import FrameworkError, framework_offer
from bench.frameworks import FRAMEWORKS
from bench.records.text import page
from bench.turns import variables
from harness.environments import guests, npm
from harness.errors import SetupError
from harness.terminal import streams

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHONS: Final = {"cpu": "3.11", "cuda": "3.12"}  # the Python that a device's locks are made for
BASE: Final = "numpy"  # what every other framework builds on: NumPy and what bench/ needs
WHEELS_FOR: Final = "x86_64-manylinux_2_28"
NEWER_WHEELS: Final = re.compile(r"^# wheels for (\S+)$", re.MULTILINE)  # a line of requirements whose wheels need more

# PyTorch builds without CUDA are on PyTorch's own page only. Hashes are locked, so any server may serve them.
CPU_TORCH_PAGE: Final = "https://download.pytorch.org/whl/cpu/torch/"


def tag(device: str) -> str:
    """Return the tag in the names of a device's locks and environments, such as "cpu-py311"."""
    return f"{device}-py{PYTHONS[device].replace('.', '')}"


def packages(root: Path, framework: str) -> str:
    """Return the framework whose requirements, lock, environment and image `framework` uses: mostly its own.

    An engine that lives in another framework's packages says so in its file (PACKAGES, decision 42).
    """
    with contextlib.suppress(FrameworkError, OSError):  # no framework, or one whose file `samestep check` complains of
        return framework_offer(framework, root / "bench").packages or framework
    return framework


def lock_file(root: Path, framework: str, device: str) -> Path:
    """Return the path of the lock of `framework` on `device` in the repository at `root`."""
    return root / "images" / "locks" / f"{packages(root, framework)}.{tag(device)}.txt"


def digest(lock: Path, *others: Path) -> str:
    """Return the first 8 hexadecimal digits of the SHA-256 of a lock, and what else is installed; raises OSError."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in (lock, *others))).hexdigest()[:8]


def requirements(root: Path, framework: str, device: str) -> Path:
    """Return the file with the requirements of `framework` on `device`: the device's own, or the one for both."""
    name = f"{packages(root, framework)}.in"
    own = root / "images" / device / name
    return own if own.is_file() else root / "images" / name


def asked_for(device: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return the frameworks that have requirements for `device`; for a GPU that is optional."""
    return tuple(name for name in FRAMEWORKS if requirements(root, name, device).is_file())


def parent(root: Path, framework: str, device: str) -> str | None:
    """Return the framework whose lock and image this one builds on, None for the one at the root; raises OSError."""
    if framework == BASE:
        return None
    text = requirements(root, framework, device).read_text(encoding="utf-8")
    match = re.search(r"^-r (?!bench\b)(\w+)\.in$", text, re.MULTILINE)
    return match[1] if match else BASE


def wheel_sources(environ: Mapping[str, str], configs: Sequence[Path] | None = None) -> list[str]:
    """Return the folders and pages that wheels may come from in addition to the index: pip's, and PyTorch's if needed.

    A host without internet keeps its wheels in a folder that pip is configured for (PIP_FIND_LINKS or a pip.conf).
    """
    folders = folders_of_wheels(environ, configs)
    return folders if any(map(holds_torch, folders)) else [*folders, CPU_TORCH_PAGE]


def folders_of_wheels(environ: Mapping[str, str], configs: Sequence[Path] | None = None) -> list[str]:
    """Return the folders and pages of wheels that pip is configured for, by a variable or by its files `configs`."""
    folders = environ.get("PIP_FIND_LINKS", "").split()
    for config in _pip_configs(environ) if configs is None else configs:
        parser = configparser.RawConfigParser()
        parser.read(config, encoding="utf-8")
        folders += parser.get("global", "find-links", fallback="").split()
    return [folder for folder in dict.fromkeys(folders) if "://" in folder or Path(folder).is_dir()]


def holds_torch(folder: str) -> bool:
    """Return whether `folder`, as in pip's configuration, is on this host and has a PyTorch without CUDA."""
    return "://" not in folder and any(Path(folder).glob("torch-*+cpu-*.whl"))


def find_links(requirements: str, environ: Mapping[str, str]) -> list[str]:
    """Return uv's options for the sources of these requirements' wheels in addition to the index."""
    # Without such a build all are on the index: no page is needed that might be unreachable.
    return as_options(wheel_sources(environ)) if "+cpu" in requirements else []


def find_links_of_variant(requirements: str, environ: Mapping[str, str], wheels: Path) -> list[str]:
    """Return uv's options for the wheels of a variant: its own, and those of the folders that pip is configured for."""
    sources = wheel_sources(environ) if "+cpu" in requirements else folders_of_wheels(environ)
    return as_options([str(wheels), *sources] if wheels.is_dir() else sources)


def as_options(sources: Iterable[str | Path]) -> list[str]:
    """Return uv's options for further sources of wheels."""
    return [option for source in sources for option in ("--find-links", str(source))]


def wheels_for(root: Path, framework: str, device: str) -> str:
    """Return the platform whose wheels a lock has, as uv calls it."""
    newer = NEWER_WHEELS.search(requirements(root, framework, device).read_text(encoding="utf-8"))
    return newer[1] if newer else WHEELS_FOR


def python_of(lock: Path) -> str:
    """Return the Python that a lock is for, by its name: "3.11" of numpy.cpu-py311.txt."""
    digits = lock.stem.rpartition("-py")[2]
    return f"{digits[0]}.{digits[1:]}"


def main(names: Sequence[str] = (), root: Path = ROOT, frameworks: Sequence[str] = FRAMEWORKS) -> int:
    """Resolve the locks of `names` and of all that build on them; without names every lock, upgraded. Return 0 or 1."""
    known = {
        device: {name for name in _with_requirements(root) if requirements(root, name, device).is_file()}
        for device in PYTHONS
    }
    wanted = [packages(root, name) for name in names or frameworks]
    for name in wanted:
        if not any(name in known[device] for device in PYTHONS):
            print(f"Nothing to lock for {name}: images/{name}.in with its requirements is missing", file=sys.stderr)
            return 1
    code = 0 if names else _resolve_harness(root)
    for device in PYTHONS:
        for name in _order(root, known[device], wanted, device):
            code = max(code, _resolve(root, name, device, upgrade=not names))
    return max([code, *(_resolve_guests(root, name, upgrade=not names) for name in dict.fromkeys(wanted))])


def _pip_configs(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME") or "/nonexistent")
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]


def _with_requirements(root: Path) -> set[str]:
    folders = [root / "images", *(root / "images" / device for device in PYTHONS)]
    return {path.stem for folder in folders for path in folder.glob("*.in")} - {"bench", "harness"}


def _order(root: Path, known: Collection[str], names: Sequence[str], device: str) -> list[str]:
    """Return `names` and all whose pins depend on theirs, each after those that it depends on."""
    follows = {name: _follows(root, name, device) for name in sorted(known)}
    order = [name for name in TopologicalSorter(follows).static_order() if name in known]
    chosen = set(names)
    for name in order:
        if chosen & follows[name]:
            chosen.add(name)
    return [name for name in order if name in chosen]


def _follows(root: Path, framework: str, device: str) -> set[str]:
    """Return the frameworks whose locks decide this one's pins: its parent, and those that its `-c` lines name."""
    text = requirements(root, framework, device).read_text(encoding="utf-8")
    base = parent(root, framework, device)
    return {*re.findall(r"^-c locks/(\w+)\.", text, re.MULTILINE), *([base] if base else [])}


def _resolve(root: Path, framework: str, device: str, *, upgrade: bool) -> int:
    options = for_platform(PYTHONS[device], wheels_for(root, framework, device))
    options += find_links(_all_requirements(root, framework, device), os.environ)
    if base := parent(root, framework, device):
        options += ["--constraints", str(lock_file(root, base, device))]
    options += ["--upgrade"] if upgrade else []
    with effective(root, device) as folder:
        return _compile(root, lock_file(root, framework, device), [*options, str(folder / f"{framework}.in")])


def _all_requirements(root: Path, framework: str, device: str) -> str:
    """Return the requirements of the framework and of those that it builds on."""
    base = parent(root, framework, device)
    own = requirements(root, framework, device).read_text(encoding="utf-8")
    return own + (_all_requirements(root, base, device) if base else "")


def for_platform(python: str, platform: str) -> list[str]:
    """Return the options of a lock for one Python and one platform, from wheels alone."""
    return ["--python-version", python, "--python-platform", platform, "--no-build"]


@contextlib.contextmanager
def effective(root: Path, device: str) -> Iterator[Path]:
    """Make a folder with the requirements that apply on `device`, so that `-r other.in` finds the right file."""
    with TemporaryDirectory(prefix="samestep-lock-") as name:
        folder = Path(name)
        for source in (*(root / "images").glob("*.in"), *(root / "images" / device).glob("*.in")):
            shutil.copy(source, folder)
        (folder / "locks").symlink_to((root / "images" / "locks").resolve())
        yield folder


def _resolve_guests(root: Path, framework: str, *, upgrade: bool) -> int:
    """Resolve what the framework's guest runs in, if it has one."""
    try:
        code = guests.resolve(root, framework, lambda lock, asked: _compile(root, lock, asked), upgrade=upgrade)
    except SetupError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    if not npm.requirements(root, framework).is_file():
        return code
    print(f"Resolving {npm.lock_file(root, framework).relative_to(root)}", flush=True)
    try:
        npm.resolve(root, framework, upgrade=upgrade)
    except SetupError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


def _resolve_harness(root: Path) -> int:
    options = ["--upgrade", "--universal", "--python-version", "3.11"]
    asked = [*options, "pyproject.toml", "images/harness.in"]
    harness, dev, docs = (root / "images" / "locks" / f"{name}.txt" for name in ("harness", "dev", "docs"))
    code = _compile(root, harness, asked)
    code = max(code, _compile(root, dev, [*asked, "--group", "dev", "--constraints", str(harness)]))
    # The site needs nothing of the harness, but shares its .venv: where both hold a package, it is the same one.
    return max(code, _compile(root, docs, [*options, "--group", "docs", "--constraints", str(dev)]))


def compiling(lock: Path) -> list[str]:
    """Return uv's arguments that resolve into `lock`: hashes, no comments, no hosts."""
    arguments = ["pip", "compile", "--quiet", "--generate-hashes", "--no-annotate", "--no-header"]
    # Any Python can resolve for another one; without --python, uv would look for that one and download it.
    return [*arguments, "--no-emit-index-url", "--python", sys.executable, "--output-file", str(lock)]


def _compile(root: Path, lock: Path, options: Sequence[str]) -> int:
    print(f"Resolving {lock.relative_to(root)}", flush=True)
    command = [uv.find_uv_bin(), *compiling(lock)]
    given = variables.of_tools(os.environ)
    done = subprocess.run(
        [*command, *options],
        cwd=root,
        env=given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.stderr.strip():
        print(page(done.stderr.rstrip("\n")), file=sys.stderr, flush=True)
    return done.returncode


if __name__ == "__main__":
    streams.exiting(lambda: main(sys.argv[1:]))
