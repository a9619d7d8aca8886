"""The checkout that samestep runs from: its root, its commit, and the digests of its code."""

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from harness.environments import locks

ROOT: Final = locks.ROOT  # of bench/, harness/, images/


def commit(root: Path = ROOT) -> tuple[str, bool]:
    """Return the git commit of the checkout and whether it has changes; without git, SAMESTEP_COMMIT."""
    given = os.environ.get("SAMESTEP_COMMIT", "")
    try:
        head = _git(root, "rev-parse", "HEAD").strip()
        return head, bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return given, False


def code(frameworks: Iterable[str], device: str, root: Path = ROOT) -> tuple[tuple[str, str], ...]:
    """Return (file, SHA-256) of all that can change a replicate's result: bench/ and the locks of `frameworks`."""
    files = sorted((root / "bench").rglob("*.py"))
    files += [lock for name in frameworks if (lock := locks.lock_file(root, name, device)).is_file()]
    return tuple((str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
