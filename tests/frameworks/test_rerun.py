"""A run with a wheel of one's own, really made again elsewhere: from its folder alone, in an identical environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.environments import locks, pins
from harness.environments.checkout import ROOT
from harness.environments.venvs import Environments
from harness.store.folder import RunFolder, find
from tests.wheels import wheel

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

PACKAGE = "iniconfig"  # of numpy's lock: pure Python, and what a replicate needs to start
OPTIONS = ("--mode", "eager", "--optimizer", "adam", "--measure", "time", "--profile", "look", "--blocks", "1")


def samestep(*arguments: str, code: int = 0) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == code, said
    return said


def patched(folder: Path) -> Path:
    """A wheel of the locked version, whose module says that it is another."""
    version = pins.of(locks.lock_file(ROOT, "numpy", "cpu").read_text())[PACKAGE]
    environments = Environments(ROOT, "cpu")
    assert environments.make(["numpy"], print) == {}
    (source,) = environments.folder("numpy").glob(f"lib/python*/site-packages/{PACKAGE}")
    files = {f"{PACKAGE}/{path.name}": path.read_text() for path in source.iterdir() if path.is_file()}
    files[f"{PACKAGE}/__init__.py"] += "PATCHED = True\n"
    return wheel(folder, PACKAGE, version, files=files)


def environment_of(run: RunFolder) -> Path:
    (variant,) = run.facts().variants
    lock = run.path / "locks" / variant.lock
    return Environments(ROOT, "cpu", variants={variant.framework_id: lock}).folder(variant.framework_id)


def test_a_run_with_a_wheel_is_made_again_from_its_folder_on_another_machine(tmp_path: Path) -> None:
    given = patched(tmp_path / "wheels")
    spec = f"numpy@{given}"
    samestep("run", "--framework", f"{spec},numpy", *OPTIONS, "--launcher", "venv", "--results", str(tmp_path / "here"))
    here = find(tmp_path / "here", "latest")
    site = next(environment_of(here).glob("lib/python*/site-packages"))
    assert "PATCHED" in (site / PACKAGE / "__init__.py").read_text()
    (variant,) = here.facts().variants
    everything = "".join(path.read_text() for path in (*here.path.glob("*.json*"), *here.path.glob("locks/*.txt")))
    assert str(tmp_path) not in everything.replace(str(here.path), "")

    there = tmp_path / "there" / here.id  # another machine has the folder alone: no wheel, no environment
    shutil.copytree(here.path, there)
    shutil.rmtree(environment_of(here))
    shutil.rmtree(tmp_path / "wheels")
    said = samestep("rerun", str(there), "--results", str(tmp_path / "again"))
    again = find(tmp_path / "again", "latest")

    assert f"what is installed for numpy and {variant.framework_id}." in " ".join(said.split())
    assert "is not the same" not in said
    assert again.facts().environments == here.facts().environments
    assert len(again.facts().environments) == 2
    assert again.facts().selection == here.facts().selection
    assert (again.facts().seed, again.plan()) == (here.facts().seed, here.plan())
    assert again.facts().again == here.id
    assert {record.status for record in again.records()} == {"ok"}

    (there / "locks" / variant.lock).write_text("iniconfig==0.1\n")
    said = samestep("rerun", str(there), "--results", str(tmp_path / "again"), code=1)
    assert "is not the lock that the run began with" in said
    shutil.rmtree(environment_of(here))
