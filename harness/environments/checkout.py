"""The checkout that samestep runs from: its root, its commit, a snapshot of its code and the digests of that."""

import compileall
import contextlib
import hashlib
import os
import py_compile
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bench.turns import owner, variables
from harness.environments import locks, npm
from harness.errors import SetupError
from harness.terminal.failures import first_of

PREFIX: Final = "samestep-code-"  # of the folder of a snapshot; the PID of the samestep that took it follows
ROOT: Final = locks.ROOT  # of bench/, harness/, images/


def commit(root: Path = ROOT) -> tuple[str, bool]:
    """Return the git commit of the checkout and whether it has changes; without git, SAMESTEP_COMMIT."""
    given = os.environ.get("SAMESTEP_COMMIT", "")
    try:
        top, head = _git(root, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        if not root.samefile(top):  # a folder inside another repository, whose commit it is not
            return given, False
        return head, bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, ValueError, subprocess.CalledProcessError):
        return given, False


def history(root: Path = ROOT) -> tuple[str, str, str]:
    """Return the branch of the checkout and the commit's and the author's time, in ISO 8601; empty: not known."""
    try:
        commit_time, author_time = _git(root, "show", "--no-patch", "--format=%cI%n%aI", "HEAD").split()
        branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD").strip()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return "", "", ""
    return ("" if branch == "HEAD" else branch), commit_time, author_time


PROGRAMS: Final = ("*.py", "*.mjs")  # Python, and guests in node
NOT_RUN: Final = ("hello", "selftest")  # of bench/: no timed replicate runs it


def code(
    frameworks: Iterable[str], device: str, *, hello: Iterable[str] = (), root: Path = ROOT
) -> tuple[tuple[str, str], ...]:
    """Return (file, SHA-256) of all that the replicates of a run execute, and of the locks of their environments.

    Args:
        frameworks: those of the run.
        device: "cpu" or "cuda".
        hello: frameworks whose hello world the run has; the other hello worlds may change under it.
        root: the checkout, or a snapshot of it.
    """
    files = [
        path
        for kind in PROGRAMS
        for path in sorted((root / "bench").rglob(kind))
        if path.relative_to(root / "bench").parts[0] not in NOT_RUN
    ]
    files += [root / "bench" / "hello" / f"{name}.py" for name in sorted(hello)]
    owners = dict.fromkeys(locks.packages(root, name) for name in frameworks)  # engines share one
    files += [lock for owner in owners if (lock := locks.lock_file(root, owner, device)).is_file()]
    files += [file for owner in owners for file in npm.files(root, owner) if file.is_file()]
    return tuple((str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    # A hook of git has GIT_DIR set: it would be another repository's commit.
    environment = variables.of_tools(os.environ)
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        env=environment,
        check=True,
    )
    return done.stdout


@contextlib.contextmanager
def snapshot(root: Path = ROOT) -> Iterator[Path]:
    """Yield the folder of a copy of what replicates run, and of the locks; it is removed at the end.

    An edit of the checkout under a run changes nothing in it. Copies of a samestep that was killed are removed first.

    Raises:
        SetupError: it cannot be copied.
    """
    remove_left_behind()
    temporary = Path(tempfile.gettempdir())
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner.name()}-"))
    except OSError as error:
        raise SetupError(
            f"No copy of bench/ can be made in {temporary}: {error.strerror}; name another TMPDIR."
        ) from error
    try:
        try:
            _copy(root, folder)
        except OSError as error:
            reason = first_of(error).strerror or error
            raise SetupError(
                f"{root / 'bench'} cannot be copied to {temporary}: {reason}; free some space, or name another TMPDIR."
            ) from error
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_behind() -> None:
    """Remove the snapshots of a samestep that was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if owner.is_alive(folder.name.removeprefix(PREFIX)) is False:
            shutil.rmtree(folder, ignore_errors=True)


def _copy(root: Path, folder: Path) -> None:
    """Copy bench/, readable for the user of a container, with its bytecode, and the locks."""
    bench = folder / "bench"
    shutil.copytree(root / "bench", bench, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "images" / "locks").mkdir(parents=True)
    for name in ("locks/*.txt", f"locks/*.{npm.LOCK}", f"*.{npm.PACKAGE}"):
        for path in (root / "images").glob(name):
            shutil.copy2(path, folder / path.relative_to(root))
    # Compiled here and never again: a replicate's start shall not depend on whether it is the first.
    compileall.compile_dir(bench, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    for path in (bench, *bench.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
