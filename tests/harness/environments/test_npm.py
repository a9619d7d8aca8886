"""Packages for node: locked without a registry's name, installed by npm beside those for Python, looked at again."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.frameworks import FRAMEWORKS
from harness.environments import checkout, locks, npm
from harness.environments.damage import Damage
from harness.environments.venvs import MARKER, Environments
from harness.errors import SetupError

GUESTS = tuple(name for name in FRAMEWORKS if npm.files(locks.ROOT, name))
MODULE = "node_modules/engine/index.js"


class Npm:
    """An npm that installs one package with two files, and removes one of them when it trims."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.calls: list[Sequence[str]] = []

    def __call__(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        self.calls.append(arguments)
        if self.fails:
            return 1, self.fails
        assert json.loads((folder / "package.json").read_text())["dependencies"] == {"engine": "1.0.0"}
        if arguments[0] == "install":
            (folder / "package-lock.json").write_text('{"packages": {"": {"dependencies": {"engine": "1.0.0"}}}}')
        elif arguments[0] == "ci":
            assert (folder / "package-lock.json").is_file()
            (folder / "node_modules" / "engine").mkdir(parents=True)
            (folder / MODULE).write_text("run()")
            (folder / "node_modules" / "engine" / "windows.dll").write_text("MZ")
        else:
            (folder / "node_modules" / "engine" / "windows.dll").unlink()
        return 0, ""


def uv(arguments: Sequence[str]) -> tuple[int, str]:
    if arguments[0] == "venv":
        (Path(arguments[-1]) / "bin").mkdir(parents=True)
        (Path(arguments[-1]) / "bin" / "python").write_text("12345")
    return 0, ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images" / "locks").mkdir(parents=True)
    for name in ("mine", "numpy"):
        (tmp_path / "images" / "locks" / f"{name}.cpu-py311.txt").write_text("numpy==1\n")
    (tmp_path / "images" / "mine.package.json").write_text('{"dependencies": {"engine": "1.0.0"}}')
    (tmp_path / "images" / "locks" / "mine.package-lock.json").write_text(
        '{"packages": {"": {"dependencies": {"engine": "1.0.0"}}}}'
    )
    return tmp_path


def environments(root: Path, run_npm: Npm) -> Environments:
    return Environments(root, "cpu", lambda version: Path("/usr/bin/python"), uv, lambda *_: None, run_npm=run_npm)


@pytest.mark.parametrize("framework", GUESTS)
def test_each_lock_holds_what_is_asked_for_with_its_hash_and_names_no_registry(framework: str) -> None:
    asked, lock = npm.files(locks.ROOT, framework)
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    assert npm.unlocked(locks.ROOT, framework) == ""
    assert set(json.loads(asked.read_text(encoding="utf-8"))["dependencies"]) <= {
        name.removeprefix("node_modules/") for name in packages
    }
    for name, package in packages.items():
        assert not name or package["integrity"].startswith("sha512-")
        assert "resolved" not in package
    urls = re.findall(r"https?://([^/\"]+)", lock.read_text(encoding="utf-8"))
    donations = {"github.com", "opencollective.com", "www.patreon.com", "feross.org"}  # where authors ask for them
    assert set(urls) <= donations


def test_there_is_a_guest_in_node() -> None:
    assert "onnxruntime_node" in GUESTS
    assert npm.files(locks.ROOT, "numpy") == ()


def test_an_environment_has_the_packages_for_node_as_well_and_its_name_follows_their_lock(root: Path) -> None:
    run = Npm()
    made = environments(root, run)
    assert made.make(["mine", "numpy"], lambda line: None) == {}
    folder = made.folder("mine")
    assert [call[0] for call in run.calls] == ["ci", "run"]
    assert "--ignore-scripts" in run.calls[0]
    assert (folder / MODULE).read_text() == "run()"
    assert not (made.folder("numpy") / "node_modules").exists()
    assert made.folder("numpy").name.rpartition("-")[2] == locks.digest(root / "images/locks/numpy.cpu-py311.txt")
    assert made.folder("mine").name.rpartition("-")[2] != made.folder("numpy").name.rpartition("-")[2]
    lock = npm.lock_file(root, "mine")
    lock.write_text(lock.read_text() + " ")
    assert made.folder("mine") != folder


@pytest.mark.parametrize(
    ("damaged", "found"),
    [
        (lambda file: file.unlink(), f"{MODULE} is not there"),
        (lambda file: file.write_text("ran()s"), f"{MODULE} has 6 bytes instead of 5"),
        (lambda file: file.write_text("ran()"), f"{MODULE} was changed"),
        (lambda file: (file.parents[2] / npm.FILES).unlink(), f"{npm.FILES} cannot be read"),
        (lambda file: file.touch(), ""),
    ],
    ids=["gone", "longer", "other", "without its list", "touched"],
)
def test_a_package_that_was_damaged_is_installed_again(damaged: object, found: str, root: Path) -> None:
    assert callable(damaged)
    run = Npm()
    made = environments(root, run)
    made.make(["mine"], lambda line: None)
    folder = made.folder("mine")
    marker = folder / MARKER
    damaged(folder / MODULE)
    later = marker.stat().st_mtime_ns - 1_000_000_000
    os.utime(marker, ns=(later, later))
    assert made._damage("mine") == (Damage(found) if found else None)
    lines: list[str] = []
    assert made.make(["mine"], lines.append) == {}
    assert (len(run.calls), any(found in line for line in lines)) == ((4, True) if found else (2, False))
    assert (folder / MODULE).read_text() == "run()"


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("npm error code EUSAGE\nnpm error `npm ci` can only install with a lock", "npm ci: `npm ci` can only install"),
        (
            "npm error code ENOTFOUND\nnpm error request to https://x failed",
            "npm ci: request to https://x failed: check the network, its proxy and its certificates, and run again",
        ),
        (" ", "npm ci: exit code 1"),
    ],
)
def test_what_npm_cannot_do_is_one_sentence(stderr: str, reason: str, root: Path) -> None:
    failed = environments(root, Npm(stderr)).make(["mine"], lambda line: None)
    assert failed["mine"].startswith(reason)
    assert "\n" not in failed["mine"]


def test_without_npm_the_sentence_has_the_remedy(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    made = Environments(root, "cpu", lambda version: Path("/usr/bin/python"), uv, lambda *_: None)
    assert made.make(["mine"], lambda line: None) == {"mine": npm.MISSING}
    assert npm.MISSING.endswith(": apt-get install npm")


def test_a_guest_without_a_lock_is_told_what_is_missing(root: Path) -> None:
    npm.lock_file(root, "mine").unlink()
    with pytest.raises(SetupError, match=r"^mine has no lock file mine\.package-lock\.json in images/locks"):
        npm.install(root, "mine", root, Npm())
    failed = environments(root, Npm()).make(["mine"], lambda line: None)
    assert failed == {"mine": f"mine has no lock file mine.package-lock.json in images/locks: make -C {root} lock"}


def test_a_lock_is_written_anew_or_kept_where_it_fits(root: Path) -> None:
    npm.resolve(root, "mine", upgrade=True, npm=(run := Npm()))
    assert npm.unlocked(root, "mine") == ""
    (call,) = run.calls
    assert {"--package-lock-only", "--omit-lockfile-registry-resolved", "--ignore-scripts"} <= set(call)
    npm.requirements(root, "mine").write_text('{"dependencies": {"engine": "2.0.0"}}')
    assert npm.unlocked(root, "mine") == "engine@2.0.0"


def test_guests_and_their_locks_are_part_of_the_code_of_a_run_and_of_its_snapshot() -> None:
    with checkout.snapshot() as copy:
        for root in (locks.ROOT, copy):
            files = dict(checkout.code(["onnxruntime_node"], "cpu", root=root))
            assert {
                "bench/guests/onnxruntime_node.mjs",
                "bench/guests/serve.mjs",
                "images/onnxruntime_node.package.json",
                "images/locks/onnxruntime_node.package-lock.json",
            } <= files.keys()
        assert "images/onnxruntime_node.package.json" not in dict(checkout.code(["numpy"], "cpu", root=copy))
