"""The locks of variants in a run's folder: kept there, and refused when they are others than those it began with."""

import dataclasses
import hashlib
import shutil
from pathlib import Path

import pytest

from harness.environments.variants import Resolved
from harness.errors import StoreError
from harness.store import locks
from tests import factories

LOCK = "jax==0.9.2 \\\n    --hash=sha256:00\n"
RESOLVED = Resolved(
    framework="jax",
    name="0.9.2",
    python="3.11",
    lock="jax@0.9.2.cpu-py311.txt",
    sha256=hashlib.sha256(LOCK.encode()).hexdigest(),
)


OWN = "images/locks/jax.cpu-py311.txt"
FACTS = factories.run_facts(variants=(RESOLVED,), code=(("bench/a.py", "00"), (OWN, "11")))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A snapshot with the lock of a framework, that of its variant, and a wheel."""
    code = tmp_path / "code"
    (code / "images" / "locks").mkdir(parents=True)
    (code / OWN).write_text("jax==0.10.2\n")
    (code / "locks" / "wheels").mkdir(parents=True)
    (code / "locks" / RESOLVED.lock).write_text(LOCK)
    (code / "locks" / "wheels" / "a.whl").write_bytes(b"wheel")
    return code


@pytest.fixture
def run(tmp_path: Path, code: Path) -> Path:
    """The folder of a run that keeps them."""
    run = tmp_path / "run"
    run.mkdir()
    locks.keep(code, FACTS, run)
    return run


def test_locks_and_wheels_are_kept_and_found_by_their_variants(run: Path) -> None:
    assert locks.kept([RESOLVED], run) == {"jax@0.9.2": run / "locks" / RESOLVED.lock}
    assert (run / "locks" / RESOLVED.lock).read_text() == LOCK
    assert (run / "locks" / "jax.cpu-py311.txt").read_text() == "jax==0.10.2\n"
    assert (run / "locks" / "wheels" / "a.whl").read_bytes() == b"wheel"


def test_without_variants_there_are_the_locks_of_the_frameworks_alone(tmp_path: Path, code: Path) -> None:
    shutil.rmtree(code / "locks")
    locks.keep(code, dataclasses.replace(FACTS, variants=()), tmp_path)
    assert [path.name for path in (tmp_path / "locks").iterdir()] == ["jax.cpu-py311.txt"]
    assert locks.kept([], tmp_path) == {}


def test_a_lock_that_was_changed_is_refused(run: Path) -> None:
    (run / "locks" / RESOLVED.lock).write_text(LOCK + "# seen\n")
    with pytest.raises(StoreError, match=r"jax@0\.9\.2\.cpu-py311\.txt is not the lock that the run began with"):
        locks.kept([RESOLVED], run)


def test_a_lock_that_is_gone_is_named_with_its_variant(run: Path) -> None:
    (run / "locks" / RESOLVED.lock).unlink()
    with pytest.raises(StoreError, match=r"No such file or directory\. The environment of jax@0\.9\.2 is made from it"):
        locks.kept([RESOLVED], run)


def test_locks_that_cannot_be_written_are_a_sentence(tmp_path: Path, code: Path) -> None:
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(StoreError, match=r"run/locks cannot be written: Not a directory\.$"):
        locks.keep(code, FACTS, tmp_path / "run")
