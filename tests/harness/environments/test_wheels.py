"""A wheel that is given as a file: what it is, and which environments take it."""

import hashlib
from pathlib import Path

import pytest

from harness.environments import wheels
from harness.errors import SelectionError
from tests.wheels import wheel

LINUX = "x86_64-manylinux_2_28"


def test_a_wheel_is_known_by_its_file_and_its_hash(tmp_path: Path) -> None:
    path = wheel(tmp_path, "My_Jax", "0.9.2", requires_python=">=3.11")
    found = wheels.read(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.name, found.version, found.sha256) == ("my-jax", "0.9.2", digest)
    assert found.label == f"0.9.2.{digest[:8]}"
    assert found.requires_python == ">=3.11"


@pytest.mark.parametrize(
    "tag",
    [
        "py3-none-any",
        "cp311-cp311-manylinux_2_28_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp311-abi3-manylinux1_x86_64",
        "cp39-abi3-manylinux2014_x86_64",
        "cp311-cp311-linux_x86_64",
    ],
)
def test_what_installers_take_fits(tmp_path: Path, tag: str) -> None:
    wheels.require_fit(wheels.read(wheel(tmp_path, "jax", "1", tag=tag)), "3.11", LINUX)


@pytest.mark.parametrize(
    "tag",
    [
        "cp311-cp311-win_amd64",
        "cp311-cp311-macosx_11_0_arm64",
        "cp311-cp311-manylinux_2_28_aarch64",
        "cp311-cp311-manylinux_2_35_x86_64",
        "cp39-cp39-manylinux_2_28_x86_64",
        "cp312-abi3-manylinux_2_28_x86_64",
        "py2-none-any",
    ],
)
def test_a_wheel_of_another_platform_or_python_is_refused_with_both(tmp_path: Path, tag: str) -> None:
    found = wheels.read(wheel(tmp_path, "jax", "1", tag=tag))
    with pytest.raises(SelectionError) as error:
        wheels.require_fit(found, "3.11", LINUX)
    assert str(error.value) == f"jax-1-{tag}.whl is for {tag}: the environment has CPython 3.11 on {LINUX}."


def test_a_newer_platform_takes_newer_wheels(tmp_path: Path) -> None:
    found = wheels.read(wheel(tmp_path, "mlx", "1", tag="cp311-cp311-manylinux_2_35_x86_64"))
    wheels.require_fit(found, "3.11", "x86_64-manylinux_2_35")


@pytest.mark.parametrize(
    ("requires", "python", "expected"),
    [
        ("", "3.11", True),
        (">=3.11", "3.11", True),
        (">=3.11.4", "3.11", True),
        (">=3.9,<3.13", "3.12", True),
        (">=3.9,<3.13", "3.13", False),
        ("==3.11.*", "3.12", False),
        ("what?", "3.11", True),
    ],
)
def test_both_bounds_of_requires_python_count(requires: str, python: str, expected: bool) -> None:
    assert wheels.allows(requires, python) is expected


def test_a_wheel_for_another_python_by_its_metadata_is_refused(tmp_path: Path) -> None:
    found = wheels.read(wheel(tmp_path, "jax", "1", requires_python=">=3.12"))
    with pytest.raises(SelectionError, match=r"requires Python >=3\.12: the environment has 3\.11\.$"):
        wheels.require_fit(found, "3.11", LINUX)


def test_what_is_no_wheel_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=r"jax-1-py3-none-any\.whl cannot be read: No such file or directory\.$"):
        wheels.read(tmp_path / "jax-1-py3-none-any.whl")
    with pytest.raises(SelectionError, match=r"^jax\.whl is not named as a wheel is: such as jax-0\.9\.2-"):
        wheels.read(tmp_path / "jax.whl")
    (tmp_path / "jax-2-py3-none-any.whl").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(SelectionError, match=r"is not a wheel: it has no metadata of a package, or is cut\.$"):
        wheels.read(tmp_path / "jax-2-py3-none-any.whl")
