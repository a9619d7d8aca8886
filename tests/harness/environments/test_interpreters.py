"""Where the Python of a lock is looked for, in which order, and what is said when there is none."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.environments import interpreters
from harness.errors import SetupError


class Host:
    """A host on which some commands are Pythons; remembers what was asked of it."""

    def __init__(self, pythons: Mapping[Path | str, str], uv_has: str = "", uv_can_install: str = "") -> None:
        self.pythons = {str(path): version for path, version in pythons.items()}
        self.uv_has = uv_has
        self.uv_can_install = uv_can_install
        self.tried: list[str] = []

    def __call__(self, command: Sequence[str]) -> str:
        if command[1:3] == ["python", "find"]:
            return self.uv_has
        if command[1:3] == ["python", "install"]:
            self.uv_has = self.uv_can_install
            return ""
        self.tried.append(command[0])
        version = self.pythons.get(command[0])
        return f"cpython\n{version}\n{command[0]}\n" if version else ""


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        path.chmod(0o755)


def find(host: Host, **environ: str) -> Path:
    return interpreters.find("3.11", environ, host)


def test_the_interpreter_that_runs_us_comes_first(tmp_path: Path) -> None:
    put(tmp_path / "python3.11")
    host = Host({sys.executable: "3.11", tmp_path / "python3.11": "3.11"})
    assert find(host, PATH=str(tmp_path)) == Path(sys.executable)
    assert host.tried == [sys.executable]


def test_a_name_on_path_that_does_not_run_is_passed_over_as_a_shim_of_pyenv_may_be(tmp_path: Path) -> None:
    shim, real = tmp_path / "shims" / "python3.11", tmp_path / "bin" / "python3.11"
    put(shim, real)
    host = Host({sys.executable: "3.13", real: "3.11"})
    assert find(host, PATH=f"{shim.parent}:{real.parent}") == real
    assert host.tried == [sys.executable, str(shim), str(real)]


def test_pyenv_gives_its_newest_patch_by_number(tmp_path: Path) -> None:
    pythons = [
        tmp_path / "versions" / version / "bin" / "python" for version in ("3.11.9", "3.11.12", "3.11.10", "3.12.1")
    ]
    put(*pythons)
    host = Host(dict.fromkeys(pythons[:3], "3.11"))
    assert find(host, PYENV_ROOT=str(tmp_path)) == pythons[1]


def test_pyenv_is_found_in_the_home_folder(tmp_path: Path) -> None:
    python = tmp_path / ".pyenv" / "versions" / "3.11.7" / "bin" / "python"
    put(python)
    assert find(Host({python: "3.11"}), HOME=str(tmp_path)) == python


def test_another_implementation_is_not_taken(tmp_path: Path) -> None:
    python = tmp_path / "python3.11"
    put(python)

    def pypy(command: Sequence[str]) -> str:
        return f"pypy\n3.11\n{python}\n" if command[0] == str(python) else ""

    with pytest.raises(SetupError):
        interpreters.find("3.11", {"PATH": str(tmp_path)}, pypy)


def test_uv_gives_the_one_it_has_and_else_installs_one() -> None:
    assert find(Host({"/uv/3.11": "3.11"}, uv_has="/uv/3.11\n")) == Path("/uv/3.11")
    assert find(Host({"/uv/3.11": "3.11"}, uv_can_install="/uv/3.11\n")) == Path("/uv/3.11")


def test_none_at_all_is_one_sentence_with_the_version_and_the_remedy() -> None:
    with pytest.raises(SetupError, match=r"Python 3\.11 is needed .*pyenv install 3\.11, uv python install 3\.11"):
        find(Host({}))


def test_a_real_interpreter_is_verified_by_running_it() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert interpreters.find(version) == Path(sys.executable)


def test_a_command_that_fails_or_is_missing_prints_nothing() -> None:
    assert interpreters.run([sys.executable, "-c", "print(1); raise SystemExit(1)"]) == ""
    assert interpreters.run(["/nonexistent/python3.11"]) == ""
