"""The lock files: which one a framework needs on a device, and how they are made anew (`make lock`).

images/<device>/<framework>.in          what we ask for; `-r other.in` builds on another framework's layer
images/locks/<framework>.<device>-py3XX.txt   every package of it with its hashes, for one Python
images/locks/{harness,dev}.txt          the same for the harness and its tests, for any Python
"""

import configparser
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import uv

from bench.frameworks import FRAMEWORKS

ROOT: Final = Path(__file__).resolve().parent.parent
PYTHONS: Final = {"cpu": "3.11", "cuda": "3.12"}  # the Python that a device's locks are made for
WHEELS_FOR: Final = "x86_64-manylinux_2_28"

# PyTorch builds without CUDA are on PyTorch's own page only. Hashes are locked, so it matters not who serves them.
CPU_TORCH_PAGE: Final = "https://download.pytorch.org/whl/cpu/torch/"


def tag(device: str) -> str:
    """Return what a device's locks and environments are called by, such as "cpu-py311"."""
    return f"{device}-py{PYTHONS[device].replace('.', '')}"


def lock_file(root: Path, framework: str, device: str) -> Path:
    """Return where the lock of `framework` on `device` lies in the repository at `root`."""
    return root / "images" / "locks" / f"{framework}.{tag(device)}.txt"


def digest(lock: Path) -> str:
    """Return the first 8 hexadecimal digits of the lock's SHA-256; raises OSError."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:8]


def parent(root: Path, framework: str, device: str) -> str | None:
    """Return the framework that this one builds on, None when it needs only what bench/ needs."""
    requirements = (root / "images" / device / f"{framework}.in").read_text()
    found = re.search(r"^-r ([a-z]+)\.in$", requirements, re.MULTILINE)
    return found[1] if found else None


def wheel_sources(environ: Mapping[str, str], configs: Sequence[Path] | None = None) -> list[str]:
    """Return the folders and pages, beside the index, that wheels may come from: pip's own, and PyTorch's if needed.

    A host without internet keeps its wheels in a folder that pip was told of (PIP_FIND_LINKS or a pip.conf).
    """
    folders = environ.get("PIP_FIND_LINKS", "").split()
    for config in _pip_configs(environ) if configs is None else configs:
        parser = configparser.RawConfigParser()
        parser.read(config, encoding="utf-8")
        folders += parser.get("global", "find-links", fallback="").split()
    folders = [folder for folder in dict.fromkeys(folders) if "://" in folder or Path(folder).is_dir()]
    return folders if any(map(holds_torch, folders)) else [*folders, CPU_TORCH_PAGE]


def holds_torch(folder: str) -> bool:
    """Return whether `folder`, as pip is told it, is one of this host with a PyTorch without CUDA."""
    return "://" not in folder and any(Path(folder).glob("torch-*+cpu-*.whl"))


def _pip_configs(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME") or "/nonexistent")
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]


def find_links(requirements: str, environ: Mapping[str, str]) -> list[str]:
    """Return uv's options for where the wheels of these requirements come from, beside the index."""
    if "+cpu" not in requirements:  # all on the index: no page that might be out of reach
        return []
    return [option for source in wheel_sources(environ) for option in ("--find-links", source)]


def main(root: Path = ROOT) -> int:
    """Resolve every lock file anew, the ones that others build on first."""
    images = root / "images"
    universal = ["--universal", "--python-version", "3.11", "pyproject.toml", "images/harness.in"]
    harness, dev = images / "locks" / "harness.txt", images / "locks" / "dev.txt"
    jobs = [(harness, universal), (dev, [*universal, "--group", "dev", "--constraints", str(harness)])]
    for device, python in PYTHONS.items():
        for framework in sorted(FRAMEWORKS, key=lambda name: _depth(root, name, device)):
            base = parent(root, framework, device) or "numpy"
            source = str(images / device / f"{framework}.in")
            options = ["--python-version", python, "--python-platform", WHEELS_FOR, "--no-build", source]
            options += find_links(Path(source).parent.joinpath("torch.in").read_text(), os.environ)
            if base != framework:
                options += ["--constraints", str(lock_file(root, base, device))]
            jobs.append((lock_file(root, framework, device), options))
    return max(_compile(root, lock, options) for lock, options in jobs)


def _depth(root: Path, framework: str, device: str) -> int:
    if framework == "numpy":
        return 0
    base = parent(root, framework, device)
    return 1 + (_depth(root, base, device) if base else 0)


def _compile(root: Path, lock: Path, options: Sequence[str]) -> int:
    print(f"Resolving {lock.relative_to(root)}", flush=True)
    command = [uv.find_uv_bin(), "pip", "compile", "--quiet", "--upgrade", "--generate-hashes", "--no-annotate"]
    command += ["--no-header", "--no-emit-index-url", "--output-file", str(lock)]
    return subprocess.run([*command, *options], cwd=root, stdout=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
