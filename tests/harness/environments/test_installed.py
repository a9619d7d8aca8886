"""What is installed, as one hash: the same for the same files, wherever they lie; another for any other file."""

import shutil
import zipfile
from pathlib import Path

import pytest

from harness.environments import installed
from tests.wheels import wheel

SITE = Path("lib/python3.11/site-packages")


def environment(folder: Path, wheels: Path, *, requires: str = "", body: str = "1") -> Path:
    """An environment with one package, as an installer leaves it."""
    site = folder / SITE
    site.mkdir(parents=True)
    with zipfile.ZipFile(wheel(wheels, "toy", "1.0", requires_python=requires, files={"toy.py": body})) as archive:
        archive.extractall(site)
    listed = site / "toy-1.0.dist-info"
    (listed / "INSTALLER").write_text(folder.name)
    script = folder / "bin" / "toy"
    script.parent.mkdir()
    script.write_text(f"#!{folder}/bin/python\n")
    with (listed / "RECORD").open("a") as record:
        record.write(f"../../../bin/toy,sha256={hash(folder)},20\n")
        record.write(f"toy-1.0.dist-info/INSTALLER,sha256={hash(folder.name)},2\n__pycache__/toy.cpython-311.pyc,,\n")
    return folder


def test_the_same_packages_under_another_path_are_the_same_inventory(tmp_path: Path) -> None:
    one = environment(tmp_path / "one", tmp_path / "wheels")
    (one / SITE / "__pycache__").mkdir()
    (one / SITE / "__pycache__" / "toy.cpython-311.pyc").write_bytes(b"bytecode")
    two = environment(tmp_path / "another", tmp_path / "wheels")
    assert installed.inventory(one) == installed.inventory(two)
    assert len(installed.inventory(one)) == 64


def test_another_file_version_python_package_or_guest_is_another_inventory(tmp_path: Path) -> None:
    plain = environment(tmp_path / "plain", tmp_path / "wheels")
    other = environment(tmp_path / "other", tmp_path / "wheels", body="2")
    older = shutil.copytree(plain, tmp_path / "older")
    (older / SITE / "toy-1.0.dist-info").rename(older / SITE / "toy-0.9.dist-info")
    python = shutil.copytree(plain, tmp_path / "python")
    (python / "lib" / "python3.11").rename(python / "lib" / "python3.12")
    guest = shutil.copytree(plain, tmp_path / "guest")
    shutil.copytree(plain, guest / "guest")
    node = shutil.copytree(plain, tmp_path / "node")
    (node / "samestep-node-files").write_text("00 1 node_modules/a.js\n")
    folders = (plain, other, older, python, guest, node)
    assert len({installed.inventory(folder) for folder in folders}) == len(folders)


def test_a_binary_among_the_programs_counts_by_its_bytes(tmp_path: Path) -> None:
    found = []
    for digest in ("aa", "bb"):
        folder = environment(tmp_path / digest, tmp_path / "wheels")
        (folder / "bin" / "tool").write_bytes(b"\x7fELF")
        with (folder / SITE / "toy-1.0.dist-info" / "RECORD").open("a") as record:
            record.write(f"../../../bin/tool,sha256={digest},4\n")
        found.append(installed.inventory(folder))
    assert found[0] != found[1]


def test_a_package_that_excludes_the_python_is_named_with_one_that_would_do(tmp_path: Path) -> None:
    fits = environment(tmp_path / "fits", tmp_path / "wheels", requires=">=3.9")
    assert installed.misfit(fits) == ""
    narrow = environment(tmp_path / "narrow", tmp_path / "wheels", requires=">=3.12,<3.14")
    expected = "toy 1.0 requires Python >=3.12,<3.14, this is 3.11; py3.12 in the variant would do"
    assert installed.misfit(narrow) == expected


def test_an_environment_without_its_lists_has_no_inventory(tmp_path: Path) -> None:
    folder = environment(tmp_path / "cut", tmp_path / "wheels")
    (folder / SITE / "toy-1.0.dist-info" / "RECORD").unlink()
    with pytest.raises(FileNotFoundError):
        installed.inventory(folder)
