"""The interpreter of a framework as a run began with it: where it is, and which packages it has."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.records.text import last_line
from bench.turns import variables
from harness.errors import SetupError

# ctypes is needed by each replicate, and fails where a library of Python's own is found by LD_LIBRARY_PATH only.
PROBE: Final = "import ctypes, sysconfig as s; print(s.get_path('purelib'), s.get_path('platlib'), sep='\\n')"
PROBE_S: Final = 60.0
METADATA: Final = ("*.dist-info", "*.egg-info", "*.egg-link", "*.pth")  # an installer writes one anew for each package

Packages = Mapping[str, tuple[int, int]]  # by name: number and time of change of what the installer wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """An interpreter, and the packages that it had when it was looked at."""

    path: Path
    libraries: tuple[Path, ...]  # where its packages are
    packages: Packages

    def changed(self) -> str:
        """Return what is no longer as it was: the name of a package, or the interpreter; empty: nothing."""
        now = packages(self.path, self.libraries)
        names = sorted(self.packages.keys() | now.keys())
        return next((name for name in names if self.packages.get(name) != now.get(name)), "")


def look(python: Path, named: Sequence[str] = ()) -> Interpreter:
    """Start `python` as a replicate would, with the variables `named` by the user, and look at its packages.

    Raises:
        SetupError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="samestep-probe-") as scratch:
        environment = variables.measured(os.environ, Path(scratch), named=named)
        try:
            ended = subprocess.run(
                [python, "-c", PROBE],
                cwd=scratch,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="surrogateescape",  # it prints paths
                timeout=PROBE_S,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            said = last_line(error.stderr) or f"exit code {error.returncode}"
            remedy = "; --env LD_LIBRARY_PATH hands yours on" if os.environ.get(variables.LIBRARIES) else ""
            raise SetupError(f"{python} does not start with the variables of a replicate: {said}{remedy}") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise SetupError(f"{python} does not run as a Python interpreter: {error}") from error
    libraries = tuple(Path(line) for line in dict.fromkeys(ended.stdout.split("\n")) if line)
    return Interpreter(path=python, libraries=libraries, packages=packages(python, libraries))


def packages(python: Path, libraries: Sequence[Path]) -> Packages:
    """Return what tells that a package was installed, replaced or removed, and that the interpreter was."""
    written = [python.resolve(), *(path for folder in libraries for kind in METADATA for path in folder.glob(kind))]
    found = {}
    for path in written:
        try:
            facts = path.stat()
        except OSError:
            continue
        found[path.name] = (facts.st_ino, facts.st_mtime_ns)
    return found
