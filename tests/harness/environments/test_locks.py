"""The lock files, and what is asked for in the .in files: complete, hashed, free of hosts, and agreeing."""

import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from bench.catalogue import packages_of
from bench.frameworks import FRAMEWORKS
from harness.environments import guests, locks

DEVICES = tuple(locks.PYTHONS)
ASKED = {device: locks.asked_for(device) for device in DEVICES}
EVERY = [(framework, device) for device in DEVICES for framework in ASKED[device]]
LOCKS = sorted((locks.ROOT / "images" / "locks").glob("*.txt"))


def pins(lock: Path) -> dict[str, str]:
    """Name and version of each package of a lock; a universal lock may hold a package twice, the last one counts."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def frameworks_pins(framework: str, device: str) -> dict[str, str]:
    return pins(locks.lock_file(locks.ROOT, framework, device))


@pytest.mark.parametrize(("framework", "device"), EVERY)
def test_what_is_asked_for_is_locked(framework: str, device: str) -> None:
    assert locks.lock_file(locks.ROOT, framework, device).is_file()


def test_every_framework_asks_for_something_on_the_cpu() -> None:
    """A GPU's lock is optional."""
    assert ASKED["cpu"] == FRAMEWORKS


def test_what_uv_says_of_a_lock_is_printed_without_its_escape_sequences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\nprintf '\\033[31merror\\033[0m: no\\007\\n  caf\\351\\n' >&2; exit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(program))
    assert locks._compile(tmp_path, tmp_path / "numpy.txt", []) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no\\x07\n  caf\ufffd\n")
    assert "\x1b" not in said


def test_no_lock_and_no_requirement_is_left_over() -> None:
    expected = {locks.lock_file(locks.ROOT, framework, device).name for framework, device in EVERY}
    expected |= {locks.lock_file(locks.ROOT, "peers", "cpu").name}
    older = {name: guests.lock_file(locks.ROOT, name) for name in FRAMEWORKS}
    expected |= {lock.name for lock in older.values() if lock}
    assert {lock.name for lock in LOCKS} == expected | {"harness.txt", "dev.txt", "docs.txt"}
    asked = {path.relative_to(locks.ROOT / "images").parts for path in (locks.ROOT / "images").rglob("*.in")}
    owners = {packages_of(name) for name in FRAMEWORKS}
    assert {name for *_, name in asked} == {f"{name}.in" for name in (*owners, "bench", "harness", "peers")}
    assert {folder for *folders, _ in asked for folder in folders} <= {*DEVICES, "py27", "py36", "py37", "py38"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_is_pinned_and_hashed_and_nothing_else_is_said(lock: Path) -> None:
    text = lock.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        assert re.fullmatch(
            r"[a-z0-9._-]+(\[[a-z0-9,_-]+\])?==[^\s;]+( ; [^\\]+?)?\s+(--hash=sha256:[0-9a-f]{64}\s*)+", line
        ), line


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_names_a_host_or_a_path(lock: Path) -> None:
    assert not re.search(r"://|/|@", lock.read_text())


@pytest.mark.parametrize(("framework", "device"), EVERY)
def test_a_framework_keeps_every_pin_of_the_one_it_builds_on_so_that_layers_are_shared(
    framework: str, device: str
) -> None:
    base = locks.parent(locks.ROOT, framework, device) or locks.BASE
    assert frameworks_pins(base, device).items() <= frameworks_pins(framework, device).items()


@pytest.mark.parametrize(("device", "version"), [("cpu", "2.13.0+cpu"), ("cuda", "2.13.0")])
def test_all_locks_that_hold_torch_hold_the_same_one(device: str, version: str) -> None:
    found = {frameworks_pins(framework, device).get("torch") for framework in ASKED[device]}
    assert found == {None, version}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_cpu_locks_hold_nothing_of_cuda(framework: str) -> None:
    assert not [name for name in frameworks_pins(framework, "cpu") if name.startswith(("nvidia", "cuda", "triton"))]


def chain(framework: str | None, device: str) -> list[str]:
    """The framework, the one that it builds on, and so on to the root."""
    return [framework, *chain(locks.parent(locks.ROOT, framework, device), device)] if framework else []


@pytest.mark.parametrize("framework", ASKED["cuda"])
def test_the_locks_of_what_asks_for_other_packages_on_cuda_bring_the_cuda_libraries(framework: str) -> None:
    asked = [locks.requirements(locks.ROOT, name, "cuda").parent.name for name in chain(framework, "cuda")]
    found = [name for name in frameworks_pins(framework, "cuda") if name.startswith("nvidia-cudnn-cu1")]
    assert len(found) == ("cuda" in asked)


def test_the_harness_lock_holds_every_dependency_of_pyproject_and_the_dev_lock_the_same_pins() -> None:
    project = tomllib.loads((locks.ROOT / "pyproject.toml").read_text())
    harness, dev = (pins(locks.ROOT / "images" / "locks" / name) for name in ("harness.txt", "dev.txt"))
    wanted = {re.split(r"[<>=~!\[]", line)[0] for line in project["project"]["dependencies"]}
    assert wanted <= harness.keys()
    assert {re.split(r"[<>=~!\[]", line)[0] for line in project["dependency-groups"]["dev"]} <= dev.keys()
    assert harness.items() <= dev.items()


def test_the_docs_lock_holds_what_pyproject_asks_for_and_shares_its_environment_with_the_dev_lock() -> None:
    project = tomllib.loads((locks.ROOT / "pyproject.toml").read_text())
    dev, docs = (pins(locks.ROOT / "images" / "locks" / name) for name in ("dev.txt", "docs.txt"))
    assert {re.split(r"[<>=~!\[]", line)[0] for line in project["dependency-groups"]["docs"]} <= docs.keys()
    assert [name for name in docs.keys() & dev.keys() if docs[name] != dev[name]] == []


def test_the_digest_follows_the_content_of_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "a.txt"
    lock.write_text("numpy==1\n")
    before = locks.digest(lock)
    lock.write_text("numpy==2\n")
    assert (len(before), before == locks.digest(lock)) == (8, False)


def test_wheels_of_the_index_need_no_other_source() -> None:
    assert locks.find_links("torch==2.13.0", {"PIP_FIND_LINKS": "/"}) == []


def test_the_torch_of_the_cpu_comes_from_pytorchs_page_where_no_folder_holds_it(tmp_path: Path) -> None:
    assert locks.wheel_sources({"PIP_FIND_LINKS": str(tmp_path)}, []) == [str(tmp_path), locks.CPU_TORCH_PAGE]


def test_a_folder_that_pip_was_told_of_serves_the_torch_of_the_cpu(tmp_path: Path) -> None:
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").write_text("")
    assert locks.wheel_sources({"PIP_FIND_LINKS": str(tmp_path)}, []) == [str(tmp_path)]
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nfind-links =\n    /nonexistent/folder\n    {tmp_path}\n")
    assert locks.wheel_sources({}, [config]) == [str(tmp_path)]


class Shelf:
    """A repository whose wheels lie in a folder of it, and nothing else that uv could find."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        for folder in (self.wheels, root / "images" / "locks", root / "images" / "cpu", root / "images" / "cuda"):
            folder.mkdir(parents=True)
        project = '[project]\nname = "ours"\nversion = "1"\nrequires-python = ">=3.11"\n'
        (root / "pyproject.toml").write_text(project + "[dependency-groups]\ndev = []\ndocs = []\n")
        (root / "uv.toml").write_text('no-index = true\nfind-links = ["wheels"]\n')
        for name, asked in (("bench", "np"), ("harness", ""), ("numpy", "-r bench.in")):
            self.ask(name, asked)
        self.put("np", "1")

    def put(self, name: str, version: str, needs: str = "") -> None:
        """Add a wheel."""
        info = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        with zipfile.ZipFile(self.wheels / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {needs}\n" if needs else ""))
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")

    def ask(self, name: str, asked: str) -> None:
        """Write an .in file; its name may begin with a device's folder."""
        (self.root / "images" / f"{name}.in").write_text(asked + "\n")

    def pins(self, framework: str, device: str = "cpu") -> dict[str, str]:
        return pins(locks.lock_file(self.root, framework, device))

    def lock(self, *names: str, frameworks: tuple[str, ...] = ("numpy",)) -> int:
        return locks.main(names, self.root, frameworks)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_one_in_file_is_for_both_devices_and_a_devices_own_takes_its_place(shelf: Shelf) -> None:
    for version in ("1", "2"):
        shelf.put("lib", version)
    shelf.put("top", "1", needs="lib")
    shelf.ask("lib", "-r bench.in\nlib==1")
    shelf.ask("cuda/lib", "-r bench.in\nlib==2")
    shelf.ask("top", "-r lib.in\ntop")
    assert shelf.lock(frameworks=("top", "lib", "numpy")) == 0
    assert shelf.pins("top", "cpu") == {"np": "1", "lib": "1", "top": "1"}
    assert shelf.pins("top", "cuda") == {"np": "1", "lib": "2", "top": "1"}
    assert {locks.parent(shelf.root, "top", device) for device in DEVICES} == {"lib"}
    assert [locks.parent(shelf.root, name, "cpu") for name in ("lib", "numpy")] == ["numpy", None]


def test_a_named_framework_is_locked_with_all_that_build_on_it_and_no_pin_changes_without_need(shelf: Shelf) -> None:
    for name in ("lib", "top", "other"):
        shelf.put(name, "1")
    for name, asked in (("lib", "-r bench.in\nlib"), ("top", "-r lib.in\ntop"), ("other", "-r bench.in\nother")):
        shelf.ask(name, asked)
    every = ("lib", "numpy", "other", "top")
    assert shelf.lock(frameworks=every) == 0
    for name in ("np", "lib", "top", "other"):
        shelf.put(name, "2")
    shelf.put("new", "2")
    shelf.ask("lib", "-r bench.in\nlib\nnew")
    assert shelf.lock("lib", frameworks=every) == 0
    assert shelf.pins("lib") == {"np": "1", "lib": "1", "new": "2"}
    assert shelf.pins("top") == {"np": "1", "lib": "1", "new": "2", "top": "1"}
    assert shelf.lock(frameworks=every) == 0
    assert shelf.pins("top") == {"np": "2", "lib": "2", "new": "2", "top": "2"}
    assert shelf.pins("other") == {"np": "2", "other": "2"}


def test_a_lock_that_another_one_takes_its_constraints_of_is_made_before_it(shelf: Shelf) -> None:
    shelf.put("shared", "1")
    shelf.put("shared", "2")
    shelf.ask("zebra", "-r bench.in\nshared<2")
    shelf.ask("ant", "-r bench.in\nshared\n-c locks/zebra.cpu-py311.txt")
    assert shelf.lock(frameworks=("ant", "zebra", "numpy")) == 0
    assert shelf.pins("ant") == {"np": "1", "shared": "1"}


def test_a_framework_that_asks_for_nothing_is_one_sentence_and_nothing_is_locked(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shelf.lock("toy") == 1
    assert capsys.readouterr().err == "Nothing to lock for toy: images/toy.in with its requirements is missing\n"
    assert not list((shelf.root / "images" / "locks").iterdir())


def test_a_framework_may_be_for_one_device(shelf: Shelf) -> None:
    shelf.ask("cpu/toy", "-r bench.in")
    assert shelf.lock(frameworks=("numpy", "toy")) == 0
    assert [path.name for path in (shelf.root / "images" / "locks").iterdir() if "toy" in path.name] == [
        "toy.cpu-py311.txt"
    ]


def test_what_is_no_framework_may_be_for_one_device_and_is_locked_with_what_it_builds_on(shelf: Shelf) -> None:
    shelf.put("lib", "1")
    shelf.ask("lib", "-r bench.in\nlib")
    shelf.put("tool", "1")
    shelf.ask("cpu/beside", "-r lib.in\ntool")
    assert shelf.lock(frameworks=("lib", "numpy")) == 0
    assert shelf.pins("beside") == {"np": "1", "lib": "1", "tool": "1"}
    assert shelf.lock("beside", frameworks=("lib", "numpy")) == 0
    assert not locks.lock_file(shelf.root, "beside", "cuda").exists()


def test_what_cannot_be_resolved_is_an_exit_code_and_the_others_are_locked(shelf: Shelf) -> None:
    shelf.put("lib", "1")
    shelf.ask("lib", "-r bench.in\nlib")
    shelf.ask("bad", "-r bench.in\nnowhere")
    assert shelf.lock(frameworks=("bad", "lib", "numpy")) == 1
    assert shelf.pins("lib") == {"np": "1", "lib": "1"}
    assert not locks.lock_file(shelf.root, "bad", "cpu").exists()
