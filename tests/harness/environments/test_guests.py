"""What a guest of the past is installed into: which files, which commands, and what is said where it cannot be."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.catalogue import framework_offer
from bench.frameworks import FRAMEWORKS
from harness.environments import checkout, guests, interpreters, locks, venvs
from harness.errors import SetupError

LOCK = (
    "future==1.0.0 \\\n    --hash=sha256:aa\n"
    "setuptools==59.8.0 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    "theano==1.0.5 \\\n    --hash=sha256:dd\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a framework whose guest runs in Python 3.7, and one in 2.7."""
    for folder in ("locks", "py37", "py27"):
        (tmp_path / "images" / folder).mkdir(parents=True)
    (tmp_path / "images" / "py37" / "theano.in").write_text("theano==1.0.5\n")
    (tmp_path / "images" / "py27" / "old.in").write_text("six\n")
    (tmp_path / "images" / "locks" / "theano.py37.txt").write_text(LOCK)
    (tmp_path / "images" / "locks" / "theano.cpu-py311.txt").write_text("numpy==2.4.6\n")
    return tmp_path


def test_the_files_of_a_guest_say_its_python(root: Path) -> None:
    (lock,) = guests.files(root, "theano")
    assert lock.name == "theano.py37.txt", "and not that of its host"
    assert guests.version(lock) == "3.7"
    asked = guests.requirements(root, "old")
    assert asked
    assert (guests.version(asked), guests.context(root, "old")) == ("2.7", "python27")
    lock_of_old = guests.lock_file(root, "old")
    assert lock_of_old
    assert lock_of_old.name == "old.py27.txt"
    assert guests.files(root, "old") == (), "it is not locked yet"
    assert (guests.requirements(root, "torch"), guests.lock_file(root, "torch")) == (None, None)
    assert (guests.files(root, "torch"), guests.context(root, "torch")) == ((), "")


def test_packages_without_a_wheel_are_built_by_what_is_locked(root: Path, tmp_path: Path) -> None:
    ran: list[tuple[str, ...]] = []
    builders: list[str] = []

    def run_uv(*arguments: str) -> None:
        ran.append(arguments)
        if "--no-build" in arguments:
            builders.append(Path(arguments[-1]).read_text())

    guests.install(guests.files(root, "theano")[0], tmp_path / "env", lambda version: Path(f"/python{version}"), run_uv)
    assert ran[0][:2] == ("venv", "--quiet")
    assert ran[0][-2:] == ("/python3.7", str(tmp_path / "env" / "guest"))
    assert builders == ["setuptools==59.8.0 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"]
    assert {"--require-hashes", "--no-deps", "--no-build-isolation", "--compile-bytecode"} <= set(ran[2])
    assert ran[2][-1] == str(guests.files(root, "theano")[0])


def test_without_builders_nothing_is_built(root: Path, tmp_path: Path) -> None:
    (lock,) = guests.files(root, "theano")
    lock.write_text("numpy==1.19.5 \\\n    --hash=sha256:aa\n")
    ran: list[tuple[str, ...]] = []
    guests.install(lock, tmp_path, lambda version: Path("/python"), lambda *arguments: ran.append(arguments))
    assert [words[:2] for words in ran] == [("venv", "--quiet"), ("pip", "install")]
    assert "--no-build" in ran[1]


def test_python_2_is_served_by_our_pip_and_its_namespaces_are_packages(root: Path, tmp_path: Path) -> None:
    lock = root / "images" / "locks" / "old.py27.txt"
    lock.write_text("six==1.17.0 \\\n    --hash=sha256:aa\n")
    ran: list[Sequence[str]] = []
    site = tmp_path / "env" / "guest" / "lib" / "python2.7" / "site-packages"

    def run_pip(arguments: Sequence[str]) -> str:
        ran.append(arguments)
        (site / "google").mkdir(parents=True)
        (site / "bin").mkdir()
        (site / "protobuf-nspkg.pth").write_text(
            "p = os.path.join(sys._getframe(1).f_locals['sitedir'], *('google',));"
        )
        return ""

    guests.install(lock, tmp_path / "env", lambda version: Path("/bin/true"), lambda *arguments: None, run_pip)
    assert {"--require-hashes", "cp27mu", "2.7", ":all:"} <= set(ran[0])
    assert (tmp_path / "env" / "guest" / "bin" / "python").readlink() == Path("/bin/true")
    assert (site / "google" / "__init__.py").is_file()
    assert (site.parents[1] / "bin").is_dir(), "where RECORD has the programs of packages"


def test_a_lock_for_python_2_has_what_pip_would_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"metadata": {"name": "Six", "version": "1.17.0"}}
    archive = {"download_info": {"archive_info": {"hashes": {"sha256": "ab"}}}}
    monkeypatch.setattr(guests, "pip", lambda arguments: json.dumps({"install": [{**found, **archive}]}))
    assert guests.resolve(root, "old", lambda lock, options: 1, upgrade=False) == 0
    lock = guests.lock_file(root, "old")
    assert lock
    assert lock.read_text() == "six==1.17.0 \\\n    --hash=sha256:ab\n"


def test_another_lock_is_resolved_by_uv_for_that_python(root: Path) -> None:
    asked: list[Sequence[str]] = []

    def compile_(lock: Path, options: Sequence[str]) -> int:
        asked.append([lock.name, *options])
        return 7

    assert guests.resolve(root, "theano", compile_, upgrade=True) == 7
    assert guests.resolve(root, "torch", compile_, upgrade=True) == 0
    assert asked[0][:3] == ["theano.py37.txt", "--python-version", "3.7"]
    assert "--upgrade" in asked[0]


def test_a_missing_interpreter_is_said_with_the_remedy_and_the_others_are_made(root: Path) -> None:
    (root / "images" / "locks" / "numpy.cpu-py311.txt").write_text("numpy==2.4.6\n")
    (root / "images" / "theano.in").write_text("-r bench.in\n")

    def find(version: str) -> Path:
        return interpreters.find(version, {}, lambda command: "") if version == "3.7" else Path("/python")

    made = venvs.Environments(root, "cpu", find, lambda arguments: _made(arguments), lambda *files: None)
    failed = made.make(["theano", "numpy"], lambda text: None)
    assert set(failed) == {"theano"}
    assert failed["theano"].startswith("Python 3.7 is needed for the locked environments and was not found")
    assert "pyenv install 3.7" in failed["theano"]
    assert made.python("numpy")


def test_of_an_interpreter_that_uv_has_not_it_is_not_the_remedy() -> None:
    said = []
    for version in ("2.7", "3.7"):
        with pytest.raises(SetupError) as error:
            interpreters.find(version, {}, lambda command: "")
        said.append(str(error.value))
    assert "install it (pyenv install 2.7, or the system's package python2.7)" in said[0]
    assert "install it (pyenv install 3.7, uv python install 3.7, or the system's package python3.7)" in said[1]


def _made(arguments: Sequence[str]) -> tuple[int, str]:
    if arguments[0] == "venv":
        Path(arguments[-1]).mkdir(parents=True)
    return 0, ""


def test_the_lock_of_a_guest_names_its_environment_and_is_part_of_the_code(root: Path) -> None:
    made = venvs.Environments(root, "cpu")
    before, (lock,) = made.folder("theano"), guests.files(root, "theano")
    (root / "bench").mkdir()
    assert "images/locks/theano.py37.txt" in dict(checkout.code(["theano"], "cpu", root=root))
    lock.write_text(LOCK.replace("dd", "ee"))
    assert made.folder("theano") != before


def test_python_2_is_asked_in_its_own_words(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []

    def output(command: Sequence[str]) -> str:
        asked.append(command)
        return "cpython\n2.7\n/opt/python2.7\n"

    assert interpreters.find("2.7", {}, output) == Path("/opt/python2.7")
    assert "-I" not in asked[0], "which it does not know"


def test_what_fails_in_pip_is_its_last_error() -> None:
    with pytest.raises(SetupError, match=r"^pip install: "):
        guests.pip(["install", "--no-index", "--dry-run", "samestep-has-no-such-package"])


@pytest.mark.parametrize("name", [name for name in FRAMEWORKS if guests.requirements(locks.ROOT, name)])
def test_a_framework_of_the_past_is_locked_and_takes_part_where_it_is_named(name: str) -> None:
    offer = framework_offer(name)
    assert (offer.exhibit, offer.devices) == (True, ("cpu",))
    assert 2000 < offer.era < 2030
    assert offer.period
    (lock,) = guests.files(locks.ROOT, name)
    assert lock == guests.lock_file(locks.ROOT, name)
