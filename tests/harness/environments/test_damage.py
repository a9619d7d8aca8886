"""An environment that was damaged after it was made: noticed by its interpreter, its packages and its files."""

import base64
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from harness.environments import locks
from harness.environments.damage import look
from harness.environments.venvs import MARKER, Environments

FILES = {"torch/__init__.py": b"import x\n", "torch/lib/a, b.so": b"\x7fELF" * 50, "../../../bin/run": b"#!"}
VERSION = "{}.{}".format(*sys.version_info[:2])


def install(folder: Path) -> None:
    """What uv leaves: an interpreter, files, and the list of them."""
    site = folder / "lib" / f"python{VERSION}" / "site-packages"
    info = site / "py_torch-2.0+cpu.dist-info"
    info.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    # The second is bytecode that the wheel brought, as numpy 2.3's does; it was compiled anew, to another size.
    lines = ["torch/__pycache__/x.pyc,,", "torch/__pycache__/y.pyc,sha256=0,999", f"{info.name}/RECORD,,"]
    for name, content in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(
            f'"{name}",sha256={digest},{len(content)}' if "," in name else f"{name},sha256={digest},{len(content)}"
        )
    (info / "RECORD").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "env"
    install(made)
    (tmp_path / "lock").write_text("Py.Torch==2.0+cpu \\\n    --hash=sha256:0\n")
    (made / MARKER).write_text("1")
    os.utime(made / MARKER, (2e9, 2e9))
    return made


def site(folder: Path) -> Path:
    return folder / "lib" / f"python{VERSION}" / "site-packages"


def test_one_that_is_as_it_was_made_is_whole(folder: Path) -> None:
    assert look(folder, folder.parent / "lock", folder / MARKER) is None


def cut(folder: Path) -> None:
    os.truncate(site(folder) / "torch/lib/a, b.so", 7)


def change(folder: Path) -> None:
    """The same size, another byte, later."""
    path = site(folder) / "torch/__init__.py"
    path.write_bytes(b"import y\n")
    os.utime(path, (3e9, 3e9))


def upgrade(folder: Path) -> None:
    (folder / "lib" / f"python{VERSION}").rename(folder / "lib" / "python3.1")


def no_interpreter(folder: Path) -> None:
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nonexistent/python3.11")


def broken_interpreter(folder: Path) -> None:
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").write_text("#!/bin/sh\nexit 3\n")
    (folder / "bin" / "python").chmod(0o755)


def no_list(folder: Path) -> None:
    (site(folder) / "py_torch-2.0+cpu.dist-info").rename(folder / "elsewhere")


def cut_list(folder: Path) -> None:
    record = site(folder) / "py_torch-2.0+cpu.dist-info" / "RECORD"
    record.write_text(record.read_text()[:20])


def lost_site(folder: Path) -> None:
    (folder / "lib").rename(folder / "lob")


DAMAGES: dict[Callable[[Path], object], str] = {
    lambda folder: (site(folder) / "torch/__init__.py").unlink(): "torch/__init__.py is not there",
    lambda folder: (folder / "bin/run").unlink(): "../../../bin/run is not there",
    cut: "torch/lib/a, b.so has 7 bytes instead of 200",
    change: "torch/__init__.py was changed",
    no_interpreter: "its interpreter is not there (it was /nonexistent/python3.11)",
    broken_interpreter: "its interpreter does not start",
    upgrade: f"its interpreter is now Python {VERSION}, the packages are for 3.1",
    no_list: "the package py-torch is not installed",
    cut_list: "py_torch-2.0+cpu.dist-info/RECORD is cut",
    lost_site: "it has no site-packages",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_noticed_and_named(folder: Path, damage: Callable[[Path], object]) -> None:
    damage(folder)
    found = look(folder, folder.parent / "lock", folder / MARKER)
    assert found is not None
    assert found.text.startswith(DAMAGES[damage])


class Uv:
    """A uv whose cache may hold a damaged file, which it links into every environment until the cache is cleaned."""

    def __init__(self, *, cached_damage: bool = False) -> None:
        self.calls: list[Sequence[str]] = []
        self.cached_damage = cached_damage
        self.folder = Path()

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.calls.append(arguments)
        if arguments[0] == "venv":
            self.folder = Path(arguments[-1])
            install(self.folder)
        elif arguments[0] == "cache":
            self.cached_damage = False
        elif self.cached_damage:
            cut(self.folder)
        return 0, ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images" / "locks").mkdir(parents=True)
    locks.lock_file(tmp_path, "torch", "cpu").write_text("py-torch==2.0+cpu\n")
    return tmp_path


def environments(root: Path, uv: Uv) -> Environments:
    return Environments(root, "cpu", lambda version: Path("/usr/bin/python"), uv)


def test_a_run_makes_a_damaged_environment_again_and_says_what_was_wrong(root: Path) -> None:
    uv, said = Uv(), list[str]()
    made = environments(root, uv)
    assert made.make(["torch"], said.append) == {}
    assert made.damage("torch") == ""
    cut(made.folder("torch"))
    assert "a, b.so has 7 bytes" in made.damage("torch")
    assert f"rm -rf {made.folder('torch')}" in made.damage("torch")

    assert made.make(["torch"], said.append) == {}

    assert "The environment of torch is damaged and is made again: torch/lib/a, b.so has 7 bytes instead of 200" in said
    assert made.damage("torch") == ""
    uv.calls.clear()
    assert made.make(["torch"], said.append) == {}
    assert uv.calls == []


def test_a_damage_that_uvs_cache_shares_is_cleaned_there(root: Path) -> None:
    """uv links its cache's files into the environments: what cuts one file cuts it for the next environment, too."""
    uv = Uv(cached_damage=True)
    made = environments(root, uv)
    assert made.make(["torch"], lambda line: None) == {}
    assert ["cache", "clean", "--quiet", "py-torch"] in [list(call) for call in uv.calls]
    assert made.damage("torch") == ""


def test_one_that_stays_damaged_is_a_reason(root: Path) -> None:
    class Broken(Uv):
        def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
            super().__call__(arguments)
            self.cached_damage = True
            return 0, ""

    made = environments(root, Broken(cached_damage=True))
    assert "it was made and is not whole: torch/lib/a, b.so" in made.make(["torch"], lambda line: None)["torch"]
    assert made.python("torch") is None
