"""The steps of the Dockerfile that need no image: run by a shell in a folder, with programs that say what they got."""

import subprocess
from pathlib import Path

import pytest

from harness.environments import locks

RECIPE = (locks.ROOT / "images" / "recipe.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "installed"),
    [("theano", "theano.cpu-py311.txt"), ("harness", "harness.txt"), ("torch", "torch.cpu-py311.txt")],
)
def test_the_packages_of_an_image_are_those_of_its_own_lock_not_of_its_guest(
    name: str, installed: str, tmp_path: Path
) -> None:
    for lock in ("theano.cpu-py311.txt", "theano.py37.txt", "theano.package-lock.json", "harness.txt"):
        (tmp_path / "locks").mkdir(exist_ok=True)
        (tmp_path / "locks" / lock).touch()
    (tmp_path / "locks" / "torch.cpu-py311.txt").write_text("numpy==2.4.6\n", encoding="utf-8")
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    script = tmp_path / "recipe.sh"
    script.write_text(RECIPE.replace("/opt/", f"{tmp_path}/"), encoding="utf-8")
    done = subprocess.run(["sh", script, "packages", name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[-2:] == ["-r", f"{tmp_path}/locks/{installed}"]
