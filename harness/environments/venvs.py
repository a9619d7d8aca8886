"""One hash-locked environment per framework: .envs/<framework>-<device>-py3XX-<first 8 digits of its lock's SHA-256>/.

Where the framework's guest runs in node, or in an older Python, its packages are installed beside those for Python, and
its lock counts in the digest (`harness.environments.npm`, `harness.environments.guests`).

An environment is made when it is first needed, by the uv that is installed with the harness. The folder's name has the
lock's digest, so a new lock makes a new environment; that of a variant is one of the same kind, whose lock lies in the
folder of the run (`harness.environments.variants`). An environment cannot be moved, so it is made in its final folder;
a marker file, written last, shows that it is complete. One that was damaged since (`harness.environments.damage`) is
made again.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import uv

from bench.guests.interpreter import FOLDER as GUEST
from bench.records import text as texts
from bench.turns import variables
from harness.environments import damage, guests, installed, interpreters, locks, npm
from harness.environments.damage import Damage
from harness.errors import SetupError
from harness.terminal import shell

Say = Callable[[str], None]
RunCommand = Callable[[Sequence[str]], tuple[int, str]]  # runs a command; its exit code, and what it wrote to stderr
Look = Callable[[Path, Path, Path], Damage | None]  # what is damaged in an environment, as `damage.look`

FOLDER: Final = ".envs"
MARKER: Final = "samestep-complete"
WHEELS: Final = "wheels"  # beside the lock of a variant: those that were given as files
UNREACHABLE: Final = ("failed to fetch", "dns error", "error sending request", "connection refused", "timed out")


def run_uv(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the uv that is installed with the harness; return its exit code and what it wrote to stderr.

    Raises:
        SetupError: it is not there.
    """
    try:
        program = uv.find_uv_bin()
    except FileNotFoundError as error:
        remedy = shell.command(sys.executable, "-m", "pip", "install", "uv")
        raise SetupError(f"uv is not installed with the harness ({error}): {remedy}") from error
    # Without colours and progress bars; trusting the certificate authorities that this machine trusts.
    given = variables.of_tools(os.environ)
    environ = {"UV_SYSTEM_CERTS": "true", **given, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}
    done = subprocess.run(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=environ,
        check=False,
    )
    return done.returncode, done.stderr


class Environments:
    """The local environments of one device in the repository at `root`."""

    def __init__(
        self,
        root: Path,
        device: str,
        find: Callable[[str], Path] = interpreters.find,
        run: RunCommand = run_uv,
        look: Look = damage.look,
        *,
        locked_in: Path | None = None,
        run_npm: npm.RunCommand = npm.run,
        variants: Mapping[str, Path] | None = None,
    ) -> None:
        """Keep them under `root`.

        `locked_in`: where the locks are, a snapshot of it; None: `root` itself. `variants`: by variant, such as
        "jax@0.9.2", its lock; beside it the folder `wheels`, where it has some.
        """
        self._root = root
        self._locked_in = locked_in or root
        self._device = device
        self._find = find
        self._run = run
        self._look = look
        self._run_npm = run_npm
        self._variants = dict(variants or {})

    def folder(self, framework: str) -> Path:
        """Return where the framework's environment is or would be; raises SetupError when it has no lock.

        A framework is named as `Cell.framework_id` has it, here and below: "jax", or "jax@0.9.2".
        """
        lock, owner = self._lock(framework), self._owner(framework)
        try:
            digest = locks.digest(lock, *npm.files(self._locked_in, owner), *guests.files(self._locked_in, owner))
        except OSError as error:
            remedy = shell.command("make", "-C", self._root, "lock")
            name = Path(error.filename or lock).name
            raise SetupError(f"{framework} has no lock file {name} in images/locks: {remedy}") from error
        python = locks.python_of(lock).replace(".", "")
        return self._root / FOLDER / f"{owner}-{self._device}-py{python}-{digest}"

    def _lock(self, framework: str) -> Path:
        return self._variants.get(framework) or locks.lock_file(self._locked_in, framework, self._device)

    def _owner(self, framework: str) -> str:
        """Return the framework whose packages they are: an engine may run in another's."""
        return locks.packages(self._locked_in, framework.partition("@")[0])

    def python(self, framework: str) -> Path | None:
        """Return the interpreter of the framework's environment, None when there is none; starts no process."""
        folder = self.folder(framework)
        return folder / "bin" / "python" if (folder / MARKER).is_file() else None

    def size_bytes(self, framework: str) -> int:
        """Return the size of an environment's files; hard links to uv's cache are counted in full."""
        return int((self.folder(framework) / MARKER).read_text())

    def inventory(self, framework: str) -> str:
        """Return the SHA-256 over what is installed in an environment (`harness.environments.installed`).

        It is empty where there is none, or its lists cannot be read.
        """
        if self.python(framework) is None:
            return ""
        try:
            return installed.inventory(self.folder(framework))
        except (OSError, ValueError):
            return ""

    def damage(self, framework: str) -> str:
        """Return what is damaged in an environment that was made, with the remedy; empty: it is whole, or not made."""
        found = self._damage(framework)
        if found is None:
            return ""
        folder = self.folder(framework)
        remedy = shell.command("rm", "-rf", shell.path(folder))
        return (
            f"its environment {folder.name} is damaged ({found.text}): the next run makes it again, or {remedy} before"
        )

    def _damage(self, framework: str) -> Damage | None:
        if self.python(framework) is None:
            return None
        folder = self.folder(framework)
        found = self._look(folder, self._lock(framework), folder / MARKER)
        for lock in guests.files(self._locked_in, self._owner(framework)):
            found = found or self._look(folder / GUEST, lock, folder / MARKER)
        if found is None and npm.files(self._locked_in, self._owner(framework)):
            *more, first = list(npm.faults(folder, (folder / MARKER).stat().st_mtime))[::-1] or [""]
            return Damage(f"{first}, and {len(more)} more" if more else first) if first else None
        return found

    def make(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Make the environments that are missing or damaged; return the reason for each that cannot be made."""
        sharing: dict[str, list[str]] = {}  # by the framework whose packages they are
        for framework in frameworks:
            key = framework if framework in self._variants else self._owner(framework)
            sharing.setdefault(key, []).append(framework)
        failed = self._make_each(tuple(sharing), say)
        return {name: reason for owner, reason in failed.items() for name in sharing[owner]}

    def _make_each(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        missing: list[str] = []
        failed: dict[str, str] = {}
        for framework in frameworks:
            with _reason_into(failed, framework):
                found = self._damage(framework)
                if found:
                    say(f"The environment of {framework} is damaged and is made again: {found.text}")
                if found or self.python(framework) is None:
                    missing.append(framework)
        for number, framework in enumerate(missing, start=1):
            say(f"Environment {number} of {len(missing)}: {framework} …")
            started = time.monotonic()
            with _reason_into(failed, framework):
                self._make_once(framework)
            seconds = time.monotonic() - started
            if framework in failed:
                ending = f"failed after {seconds:.0f} s: {failed[framework]}"
            else:
                ending = f"made in {seconds:.0f} s, {self.size_bytes(framework) / 1e9:.1f} GB"
            say(f"Environment {number} of {len(missing)}: {framework} {ending}")
        return failed

    def _make_once(self, framework: str) -> None:
        folder = self.folder(framework)
        folder.parent.mkdir(exist_ok=True)
        with _only_one(folder.with_name(f".{folder.name}.lock")):
            if self.python(framework) and not self._damage(framework):  # another run made it meanwhile
                return
            self._make_whole(framework)
            if found := self._damage(framework):  # uv's cache has the same files: its copies are damaged, too
                if found.packages:
                    self._uv("cache", "clean", "--quiet", *found.packages)
                self._make_whole(framework)
                if found := self._damage(framework):
                    (folder / MARKER).unlink()
                    raise SetupError(f"it was made and is not whole: {found.text}")

    def _make_whole(self, framework: str) -> None:
        folder = self.folder(framework)
        if folder.exists():  # incomplete, or damaged
            (folder / MARKER).unlink(missing_ok=True)
            shutil.rmtree(folder)
        self._make(self._lock(framework), folder, is_variant=framework in self._variants)
        owner = self._owner(framework)
        if npm.files(self._locked_in, owner):
            npm.install(self._locked_in, owner, folder, self._run_npm)
        for lock in guests.files(self._locked_in, owner):
            guests.install(lock, folder, self._find, self._uv)
        (folder / MARKER).write_text(str(_size_bytes(folder)))

    def _make(self, lock: Path, folder: Path, *, is_variant: bool) -> None:
        base = self._find(locks.python_of(lock))
        self._uv("venv", "--quiet", "--no-project", "--python", str(base), str(folder))
        text = lock.read_text(encoding="utf-8")
        own = lock.parent / WHEELS
        of_variant = locks.find_links_of_variant(text, os.environ, own) if is_variant else None
        sources = locks.find_links(text, os.environ) if of_variant is None else of_variant
        install = ["pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *sources]
        # Compiled here, so that no replicate's import has to compile.
        self._uv(*install, "--require-hashes", "--no-deps", "--compile-bytecode", "--requirements", str(lock))
        if is_variant and (reason := installed.misfit(folder)):
            raise SetupError(reason)

    def _uv(self, *arguments: str) -> None:
        code, stderr = self._run(arguments)
        if code != 0:
            raise SetupError(explained(stderr) or f"uv {arguments[0]} ended with exit code {code}")


def explained(stderr: str) -> str:
    """Return the last line of uv's error and, where it is known, the remedy."""
    lines = [texts.line(each).strip(" ×╰─▶│├\t") for each in texts.page(stderr).split("\n") if each.strip()]
    lines = [line for line in lines if line.strip("^") and not line.startswith("hint:")]
    first, last = (lines[0].removeprefix("error: "), lines[-1]) if lines else ("", "")
    text = stderr.lower()
    if "no space left" in text or "os error 28" in text:
        return f"the disk is full ({last}): free some space, or move the repository and uv's cache"
    if locks.CPU_TORCH_PAGE in text and any(sign in text for sign in UNREACHABLE):
        return f"{first} ({last}): check the network, or name a folder that holds the wheel in PIP_FIND_LINKS"
    if any(sign in text for sign in UNREACHABLE):
        return f"{first} ({last}): check the network, its proxy and its certificates, and run again"
    if "hash mismatch" in text:
        remedy = shell.command("make", "-C", locks.ROOT, "lock")
        return f"a package is not the one that was locked ({last}): {remedy}, if you changed it on purpose"
    return last


def _size_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


@contextlib.contextmanager
def _reason_into(failed: dict[str, str], framework: str) -> Iterator[None]:
    try:
        yield
    except (SetupError, OSError) as error:
        failed[framework] = str(error)


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the lock of one environment, so that two runs do not make it into each other."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
