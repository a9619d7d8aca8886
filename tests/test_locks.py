"""The lock files, and what is asked for in the .in files: complete, hashed, free of hosts, and agreeing."""

import re
import tomllib
from pathlib import Path

import pytest

from bench.frameworks import FRAMEWORKS
from harness import locks

DEVICES = tuple(locks.PYTHONS)
EVERY = [(framework, device) for framework in FRAMEWORKS for device in DEVICES]
LOCKS = sorted((locks.ROOT / "images" / "locks").glob("*.txt"))


def pins(lock: Path) -> dict[str, str]:
    """Name and version of each package of a lock; a universal lock may hold a package twice, the last one counts."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def frameworks_pins(framework: str, device: str) -> dict[str, str]:
    return pins(locks.lock_file(locks.ROOT, framework, device))


@pytest.mark.parametrize(("framework", "device"), EVERY)
def test_every_framework_asks_for_something_and_is_locked(framework: str, device: str) -> None:
    assert (locks.ROOT / "images" / device / f"{framework}.in").is_file()
    assert locks.lock_file(locks.ROOT, framework, device).is_file()


def test_no_lock_is_left_over() -> None:
    expected = {locks.lock_file(locks.ROOT, framework, device).name for framework, device in EVERY}
    assert {lock.name for lock in LOCKS} == expected | {"harness.txt", "dev.txt"}


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
    base = locks.parent(locks.ROOT, framework, device) or "numpy"
    assert frameworks_pins(base, device).items() <= frameworks_pins(framework, device).items()


@pytest.mark.parametrize(("device", "version"), [("cpu", "2.13.0+cpu"), ("cuda", "2.13.0")])
def test_all_locks_that_hold_torch_hold_the_same_one(device: str, version: str) -> None:
    found = {frameworks_pins(framework, device).get("torch") for framework in FRAMEWORKS}
    assert found == {None, version}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_cpu_locks_hold_nothing_of_cuda(framework: str) -> None:
    assert not [name for name in frameworks_pins(framework, "cpu") if name.startswith(("nvidia", "cuda", "triton"))]


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "keras", "jax", "fastai"])
def test_the_cuda_locks_bring_the_cuda_libraries(framework: str) -> None:
    assert [name for name in frameworks_pins(framework, "cuda") if name.startswith("nvidia-cudnn-cu1")]


def test_the_harness_lock_holds_every_dependency_of_pyproject_and_the_dev_lock_the_same_pins() -> None:
    project = tomllib.loads((locks.ROOT / "pyproject.toml").read_text())
    harness, dev = (pins(locks.ROOT / "images" / "locks" / name) for name in ("harness.txt", "dev.txt"))
    wanted = {re.split(r"[<>=~!\[]", line)[0] for line in project["project"]["dependencies"]}
    assert wanted <= harness.keys()
    assert {re.split(r"[<>=~!\[]", line)[0] for line in project["dependency-groups"]["dev"]} <= dev.keys()
    assert harness.items() <= dev.items()


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
