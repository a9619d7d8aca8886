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


def history(root: Path = ROOT) -> tuple[str, str, str]:
    """Return the branch of the checkout and the commit's and the author's time, in ISO 8601; empty: not known."""
    try:
        commit_time, author_time = _git(root, "show", "--no-patch", "--format=%cI%n%aI", "HEAD").split()
        branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD").strip()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return "", "", ""
    return ("" if branch == "HEAD" else branch), commit_time, author_time


NOT_RUN: Final = ("hello", "selftest")  # of bench/: no timed replicate runs it


def code(
    frameworks: Iterable[str], device: str, *, hello: Iterable[str] = (), root: Path = ROOT
) -> tuple[tuple[str, str], ...]:
    """Return (file, SHA-256) of all that the replicates of a run execute, and of the locks of their environments.

    Args:
        frameworks: those of the run.
        device: "cpu" or "cuda".
        hello: frameworks whose hello world the run has; the other hello worlds may change under it.
        root: the checkout.
    """
    files = [
        path
        for path in sorted((root / "bench").rglob("*.py"))
        if path.relative_to(root / "bench").parts[0] not in NOT_RUN
    ]
    files += [root / "bench" / "hello" / f"{name}.py" for name in sorted(hello)]
    files += [lock for name in frameworks if (lock := locks.lock_file(root, name, device)).is_file()]
    return tuple((str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
