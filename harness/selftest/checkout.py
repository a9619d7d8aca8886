"""Runs of the self-test: the command samestep, in a copy of its code with the metronome as one more framework."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.records.text import last_line
from bench.turns import variables
from harness.environments.checkout import ROOT
from harness.environments.venvs import Environments
from harness.errors import SOME_FAILED, SetupError
from harness.store.folder import RunFolder, find

METRONOME: Final = "metronome"
COPIED: Final = ("bench", "harness", "images")


class Checkout:
    """A copy of the code, in which runs are made."""

    def __init__(self, *, root: Path, python: Path, say: Callable[[str], None]) -> None:
        """Run in the copy at `root`; the metronome with `python`, which has NumPy and pytest-benchmark."""
        self.root = root
        self._python = python
        self._say = say

    def metronome(self, modes: Sequence[str], *, profile: str, blocks: int, seed: int) -> RunFolder:
        """Run modes of the metronome as a session of its own; return its folder; raises SetupError."""
        return self.run(
            *("--launcher", "here", "--python", str(self._python), "--framework", METRONOME, "--mode", ",".join(modes)),
            *("--profile", profile, "--blocks", str(blocks), "--seed", str(seed)),
        )

    def run(self, *options: str) -> RunFolder:
        """Run `samestep run` for time alone, with Adam; return the run's folder.

        Raises:
            SetupError: the run failed; the message has its last line.
        """
        results = Path(tempfile.mkdtemp(prefix="run-", dir=self.root))
        self._say(f"samestep run {' '.join(options)}")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "harness", "run", "--optimizer", "adam", "--measure", "time"),
                *("--results", str(results), *options),
            ],
            cwd=self.root,
            env={**variables.of_tools(os.environ), "PYTHONPATH": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode not in (0, SOME_FAILED):
            last = last_line(done.stdout) or "it printed nothing"
            raise SetupError(f"A run of the self-test ended with exit code {done.returncode}: {last}")
        return find(results, "latest")


@contextlib.contextmanager
def checkout(say: Callable[[str], None]) -> Iterator[Checkout]:
    """Yield a copy of the code with the metronome; it is deleted afterwards.

    Raises:
        SetupError: NumPy's environment cannot be made.
    """
    environments = Environments(ROOT, "cpu")
    unprepared = environments.make(["numpy"], say)
    python = environments.python("numpy")
    if unprepared or python is None:
        raise SetupError(f"The self-test runs in NumPy's environment: {unprepared.get('numpy', 'it is not there')}")
    with tempfile.TemporaryDirectory(prefix="samestep-selftest-") as name:
        root = Path(name)
        for folder in COPIED:
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(root / "bench" / "selftest" / f"{METRONOME}.py", root / "bench" / "frameworks")
        if (ROOT / ".envs").is_dir():
            (root / ".envs").symlink_to(ROOT / ".envs")
        yield Checkout(root=root, python=python, say=say)
