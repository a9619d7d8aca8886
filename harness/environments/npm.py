"""What the guest of a framework runs in node: its packages, locked and installed by npm beside those for Python.

images/<framework>.package.json                  what it asks for, as npm reads it
images/locks/<framework>.package-lock.json       every package of it with its hash; it names no registry

`npm ci` installs what is locked and checks the hashes. No script of a package runs: some download more. The script
"trim" of the first file, if there is one, removes what this system cannot run. The environment keeps a list of the
files with their hashes, since npm does not.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.records import text as texts
from bench.turns import variables
from harness.errors import SetupError

RunCommand = Callable[[Sequence[str], Path], tuple[int, str]]  # runs npm in a folder; its exit code and its stderr

MODULES: Final = "node_modules"
PACKAGE, LOCK = "package.json", "package-lock.json"  # as npm calls them
FILES: Final = "samestep-node-files"  # in an environment: SHA-256, size and path of each file
MISSING: Final = "npm is not on the PATH, which installs the packages for node: apt-get install npm"
QUIET: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
OFFLINE: Final = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET")


def requirements(root: Path, framework: str) -> Path:
    """Return the file with what the guest of `framework` asks for; most frameworks have no guest, and no such file."""
    return root / "images" / f"{framework}.{PACKAGE}"


def lock_file(root: Path, framework: str) -> Path:
    """Return the lock of the guest's packages."""
    return root / "images" / "locks" / f"{framework}.{LOCK}"


def files(root: Path, framework: str) -> tuple[Path, ...]:
    """Return both files of a framework whose guest runs in node; empty: it has none."""
    both = (requirements(root, framework), lock_file(root, framework))
    return both if both[0].is_file() else ()


def run(arguments: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run npm in `folder`; return its exit code and what it wrote to stderr.

    Raises:
        SetupError: it is not there.
    """
    program = shutil.which("npm")
    if program is None:
        raise SetupError(MISSING)
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env={**variables.of_tools(os.environ), "NO_COLOR": "1"},
        check=False,
    )
    return done.returncode, done.stderr


def install(root: Path, framework: str, folder: Path, npm: RunCommand = run) -> None:
    """Install the locked packages into the environment `folder`, and write the list of their files.

    Raises:
        SetupError: npm is missing, or fails.
    """
    asked, lock = files(root, framework)
    shutil.copyfile(asked, folder / PACKAGE)
    try:
        shutil.copyfile(lock, folder / LOCK)
    except FileNotFoundError as error:
        raise SetupError(f"{framework} has no lock file {lock.name} in images/locks") from error
    _checked(npm, ("ci", *QUIET), folder)
    _checked(npm, ("run", "--silent", "--if-present", "trim"), folder)
    lines = (f"{_sha256(path)} {path.stat().st_size} {path.relative_to(folder)}" for path in _files(folder))
    (folder / FILES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def faults(folder: Path, made_s: float) -> Iterator[str]:
    """Yield a sentence for each file of an environment's packages for node that is not as it was installed.

    A file that was changed after `made_s` is hashed, of the others the size is compared.
    """
    try:
        lines = (folder / FILES).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        yield f"{FILES} cannot be read"
        return
    for line in lines:
        digest, size, name = [*line.split(" ", 2), "", ""][:3]
        path = folder / name
        try:
            status = path.stat()
            if str(status.st_size) != size:
                yield f"{name} has {status.st_size} bytes instead of {size}"
            elif status.st_mtime > made_s and _sha256(path) != digest:
                yield f"{name} was changed"
        except OSError:
            yield f"{name} is not there"


def resolve(root: Path, framework: str, *, upgrade: bool, npm: RunCommand = run) -> None:
    """Write the lock of the guest's packages; pins that still fit are kept, unless `upgrade`.

    Raises:
        SetupError: npm is missing, or fails.
    """
    lock = lock_file(root, framework)
    with TemporaryDirectory(prefix="samestep-lock-") as name:
        folder = Path(name)
        shutil.copyfile(requirements(root, framework), folder / PACKAGE)
        if lock.is_file() and not upgrade:
            shutil.copyfile(lock, folder / LOCK)
        options = ("--package-lock-only", "--omit-lockfile-registry-resolved")
        _checked(npm, ("install", *options, *QUIET), folder)
        shutil.copyfile(folder / LOCK, lock)


def unlocked(root: Path, framework: str) -> str:
    """Return the first package that is asked for and not locked in that version; empty: none."""
    asked, locked = (json.loads(path.read_text(encoding="utf-8")) for path in files(root, framework))
    wanted = asked.get("dependencies", {})
    found = locked.get("packages", {}).get("", {}).get("dependencies", {})
    return next((f"{name}@{version}" for name, version in wanted.items() if found.get(name) != version), "")


def _checked(npm: RunCommand, arguments: Sequence[str], folder: Path) -> None:
    code, stderr = npm(arguments, folder)
    if code == 0:
        return
    lines = [texts.line(line).removeprefix("npm error ").removeprefix("npm ERR! ") for line in stderr.splitlines()]
    first = next((line for line in lines if line and not line.startswith("code ")), f"exit code {code}")
    remedy = ": check the network, its proxy and its certificates, and run again"
    raise SetupError(f"npm {arguments[0]}: {first}{remedy if any(sign in stderr for sign in OFFLINE) else ''}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / MODULES).rglob("*") if path.is_file() and not path.is_symlink())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
