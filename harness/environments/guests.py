"""What the guest of a framework of the past runs in: an interpreter of its time, and its packages, locked.

images/py37/<framework>.in               what it asks for; the folder says the Python
images/locks/<framework>.py37.txt        every package of it with its hash

It is installed into the folder `guest` of the framework's environment, by uv; for Python 2.7, which uv does not know,
by the harness's own pip, which installs for another Python than its own. A package without a wheel is built by the
setuptools that is locked beside it, and by none else.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.guests.interpreter import FOLDER
from bench.records import text as texts
from bench.turns import variables
from harness.errors import SetupError

RunUv = Callable[..., None]  # with uv's arguments; raises SetupError
RunPip = Callable[[Sequence[str]], str]  # with pip's arguments; returns what it prints, raises SetupError
Find = Callable[[str], Path]  # an interpreter of a version, such as "3.7"; raises SetupError

BUILDERS: Final = ("setuptools", "wheel")
WHEELS_FOR: Final = "x86_64-manylinux_2_28"
OLDEST_FOR_UV: Final = (3, 6)
OLDEST_COMPILED_BY_UV: Final = (3, 7)
# What Python 2.7's wheels are for.
OF_2_7: Final = (
    "--python-version", "2.7", "--implementation", "cp", "--abi", "cp27mu", "--abi", "none",
    "--platform", "manylinux1_x86_64", "--platform", "any", "--only-binary", ":all:",
)  # fmt: skip


def requirements(root: Path, framework: str) -> Path | None:
    """Return the file with what the guest of `framework` asks for; None: it has no guest in an older Python."""
    return next(iter(sorted((root / "images").glob(f"py[23]*/{framework}.in"))), None)


def lock_file(root: Path, framework: str) -> Path | None:
    """Return where the lock of these requirements is, or would be; None: there are none."""
    asked = requirements(root, framework)
    return root / "images" / "locks" / f"{framework}.{asked.parent.name}.txt" if asked else None


def files(root: Path, framework: str) -> tuple[Path, ...]:
    """Return the lock of the guest's packages, also in a snapshot, which has no requirements; empty: there is none."""
    return tuple(sorted((root / "images" / "locks").glob(f"{framework}.py[23]*.txt")))


def version(path: Path) -> str:
    """Return the Python that requirements or a lock are for, such as "3.7"."""
    digits = path.parent.name if path.suffix == ".in" else path.stem.rpartition(".")[2]
    return f"{digits[2]}.{digits[3:]}"


def context(root: Path, framework: str) -> str:
    """Return the build context of the Dockerfile that has the guest's interpreter, such as "python37"; empty: none."""
    asked = requirements(root, framework)
    return f"python{asked.parent.name[2:]}" if asked else ""


def install(lock: Path, environment: Path, find: Find, run_uv: RunUv, run_pip: RunPip | None = None) -> None:
    """Install the locked packages of a guest into its folder of `environment`.

    Raises:
        SetupError: there is no such interpreter, or a package cannot be installed.
    """
    python = find(version(lock))
    folder = environment / FOLDER
    if _is_for_uv(version(lock)):
        run_uv("venv", "--quiet", "--no-project", "--python", str(python), str(folder))
        _with_uv(lock, folder / "bin" / "python", run_uv)
    else:
        _with_pip(lock, folder, python, run_pip or pip)


def resolve(root: Path, framework: str, compile_: Callable[[Path, Sequence[str]], int], *, upgrade: bool) -> int:
    """Write the lock of the guest's packages; return 0, or another exit code. Pins that fit are kept unless `upgrade`.

    Args:
        root: the checkout.
        framework: its name.
        compile_: runs uv's resolver for a lock, with options; returns its exit code.
        upgrade: whether to resolve without the pins of the present lock.
    """
    asked, lock = requirements(root, framework), lock_file(root, framework)
    if asked is None or lock is None:
        return 0
    if not _is_for_uv(version(asked)):
        lock.write_text(_resolved_by_pip(asked), encoding="utf-8")
        return 0
    with TemporaryDirectory(prefix="samestep-lock-") as folder:
        # To read what a source package asks for it is built, by a setuptools that still builds packages of that time.
        builders = Path(folder) / "builders.txt"
        builders.write_text("setuptools<60\n", encoding="utf-8")
        options = ["--python-version", version(asked), "--python-platform", WHEELS_FOR]
        options += ["--build-constraints", str(builders), *(["--upgrade"] if upgrade else [])]
        return compile_(lock, [*options, str(asked)])


def pip(arguments: Sequence[str]) -> str:
    """Run the harness's pip; return what it prints.

    Raises:
        SetupError: it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=variables.of_tools(os.environ),
        check=False,
    )
    if done.returncode:
        lines = [texts.line(line) for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise SetupError(f"pip {arguments[0]}: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout


def _is_for_uv(wanted: str) -> bool:
    return _number(wanted) >= OLDEST_FOR_UV


def _number(version_: str) -> tuple[int, ...]:
    return tuple(map(int, version_.split(".")))


def _with_uv(lock: Path, python: Path, run_uv: RunUv) -> None:
    install_ = ("pip", "install", "--quiet", "--python", str(python), "--require-hashes", "--no-deps")
    pins = lock.read_text(encoding="utf-8")
    builders = "".join(_pinned(pins, name) for name in BUILDERS)
    with TemporaryDirectory(prefix="samestep-guest-") as folder:
        first = Path(folder) / "builders.txt"
        first.write_text(builders, encoding="utf-8")
        if builders:
            run_uv(*install_, "--no-build", "--requirements", str(first))
    sources = "--no-build-isolation" if builders else "--no-build"
    # Compiled here, so that no replicate's import has to compile.
    if _number(version(lock)) >= OLDEST_COMPILED_BY_UV:
        run_uv(*install_, sources, "--compile-bytecode", "--requirements", str(lock))
    else:
        run_uv(*install_, sources, "--requirements", str(lock))
        subprocess.run(
            [python, "-m", "compileall", "-q", python.parent.parent / "lib"], capture_output=True, check=False
        )


def _with_pip(lock: Path, folder: Path, python: Path, run_pip: RunPip) -> None:
    """Install for Python 2.7, which has no venv: its own site-packages are left out when the guest is started."""
    site = folder / "lib" / f"python{version(lock)}" / "site-packages"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(python)
    options = ("--quiet", "--no-compile", "--require-hashes", "--no-deps", *OF_2_7)
    run_pip(["install", *options, "--target", str(site), "--requirement", str(lock)])
    if (site / "bin").is_dir():  # of packages, which say that it lies where it would without --target
        (site / "bin").rename(site.parent.parent / "bin")
    for listed in site.glob("*-nspkg.pth"):  # makes a namespace where site-packages are those of the interpreter
        for name in re.findall(r"'sitedir'\], \*\('([\w']+)',\)", listed.read_text(encoding="utf-8")):
            (site / name / "__init__.py").touch()
    subprocess.run([python, "-E", "-m", "compileall", "-q", site], capture_output=True, check=False)


def _pinned(pins: str, name: str) -> str:
    """Return the lines of one package of a lock."""
    match = re.search(rf"^{name}==(?:.*\\\n)*.*\n", pins, re.MULTILINE)
    return match[0] if match else ""


def _resolved_by_pip(asked: Path) -> str:
    """Return a lock for Python 2.7: pip says what it would install. It has the hash of one file of each package."""
    with TemporaryDirectory(prefix="samestep-lock-") as folder:
        options = ["--quiet", "--dry-run", "--ignore-installed", "--report", "-", "--target", folder, *OF_2_7]
        found = json.loads(pip(["install", *options, "--requirement", str(asked)]))["install"]
    pins = {
        each["metadata"]["name"].lower(): (
            each["metadata"]["version"],
            each["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for each in found
    }
    return "".join(f"{name}=={pin} \\\n    --hash=sha256:{digest}\n" for name, (pin, digest) in sorted(pins.items()))
