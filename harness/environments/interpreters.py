"""Find a CPython of the minor version that a lock was made for. Each candidate is checked by running it.

the one that runs the harness  →  PATH  →  pyenv's versions, newest patch first  →  uv: installed, or downloaded now
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import uv

from bench.turns import variables
from harness.errors import SetupError

Output = Callable[[Sequence[str]], str]  # runs a command and returns its stdout, "" when it fails or is not there

PROBE: Final = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.executable, sep='\\n')"
PROBE_2: Final = (
    "import sys; print('cpython\\n%d.%d\\n' % sys.version_info[:2] + sys.executable)"  # the same, of Python 2
)
DOWNLOAD_TIMEOUT_S: Final = 300.0


def run(command: Sequence[str]) -> str:
    """Return what `command` prints, "" when it fails, hangs or is not there."""
    try:
        done = subprocess.run(
            command,
            env=variables.of_tools(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",  # it prints paths
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def find(version: str, environ: Mapping[str, str] = os.environ, output: Output = run) -> Path:
    """Return a CPython whose minor version is `version`, such as "3.11".

    Raises:
        SetupError: there is none and none can be fetched; says how to get one.
    """
    for candidate in _candidates(version, environ, output):
        probe = ("-E", "-s", "-c", PROBE_2) if version.startswith("2.") else ("-I", "-c", PROBE)
        answer = output([str(candidate), *probe]).splitlines()
        if answer[:2] == ["cpython", version]:
            return Path(answer[2])  # not the candidate: it may be a shim, whose Python depends on the directory
    by_uv = "" if version.startswith("2.") else f"uv python install {version}, "  # which knows no Python 2
    raise SetupError(
        f"Python {version} is needed for the locked environments and was not found on PATH, in pyenv or through uv; "
        f"install it (pyenv install {version}, {by_uv}or the system's package python{version})"
    )


def _candidates(version: str, environ: Mapping[str, str], output: Output) -> Iterator[Path]:
    yield Path(sys.executable)
    name = f"python{version}"
    for folder in environ.get("PATH", "").split(os.pathsep):
        if folder and os.access(Path(folder) / name, os.X_OK):
            yield Path(folder) / name
    yield from _pyenv(version, environ)
    yield from _uv(version, output)


def _pyenv(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    root = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME") or "/nonexistent") / ".pyenv")
    installed = [path for path in root.glob(f"versions/{version}.*/bin/python") if _patch(path) is not None]
    yield from sorted(installed, key=lambda path: _patch(path) or 0, reverse=True)


def _patch(python: Path) -> int | None:
    patch = python.parent.parent.name.rpartition(".")[2]
    return int(patch) if patch.isdecimal() else None


def _uv(version: str, output: Output) -> Iterator[Path]:
    try:
        program = uv.find_uv_bin()
    except FileNotFoundError:
        return
    find_it = [program, "python", "find", "--no-project", "--no-python-downloads", "--managed-python", version]
    if found := output(find_it).strip():
        yield Path(found)
    output([program, "python", "install", "--quiet", "--no-bin", version])
    if found := output(find_it).strip():
        yield Path(found)
