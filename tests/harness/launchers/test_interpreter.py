"""The interpreter of a framework, started as a replicate is; what changes in its packages under a run is noticed."""

import sys
from pathlib import Path

import pytest

from harness.errors import SetupError
from harness.launchers.interpreter import Interpreter, look, packages


def test_it_is_started_with_the_variables_of_a_replicate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # with it, it would not start
    found = look(Path(sys.executable))
    assert any(folder.name == "site-packages" for folder in found.libraries)
    assert found.changed() == ""


def test_one_that_needs_the_loaders_path_says_how_to_hand_it_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\n[ -n "$LD_LIBRARY_PATH" ] || { echo "libpython: cannot open" >&2; exit 127; }\n')
    python.chmod(0o755)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/python/lib")
    with pytest.raises(SetupError, match="variables of a replicate: libpython: cannot open; --env LD_LIBRARY_PATH"):
        look(python)
    look(python, named=("LD_LIBRARY_PATH=/opt/python/lib",))
    with pytest.raises(SetupError, match="does not run as a Python interpreter"):
        look(tmp_path / "none")


def test_what_it_says_is_one_line_without_escape_sequences(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf '\\033[31mno \\033[0mlibpython\\007 caf\\351\\n\\n' >&2; exit 1\n")
    python.chmod(0o755)
    with pytest.raises(SetupError, match="variables of a replicate: no libpython") as raised:
        look(python)
    assert str(raised.value).isprintable()


def test_a_package_that_is_installed_replaced_or_removed_is_named(tmp_path: Path) -> None:
    python, numpy = tmp_path / "python", tmp_path / "numpy-2.4.6.dist-info"
    python.touch()
    numpy.mkdir()
    found = Interpreter(path=python, libraries=(tmp_path,), packages=packages(python, (tmp_path,)))
    (tmp_path / "__pycache__").mkdir()
    assert found.changed() == ""
    other = tmp_path / "torch-2.13.0.dist-info"
    other.mkdir()
    assert found.changed() == "torch-2.13.0.dist-info"
    other.rmdir()
    numpy.rename(tmp_path / "numpy-2.4.7.dist-info")
    assert found.changed() == "numpy-2.4.6.dist-info"
