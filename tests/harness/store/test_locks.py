"""The locks of variants in a run's folder: kept there, and refused when they are others than those it began with."""

import hashlib
from pathlib import Path

import pytest

from harness.environments.variants import Resolved
from harness.errors import StoreError
from harness.store import locks

LOCK = "jax==0.9.2 \\\n    --hash=sha256:00\n"
RESOLVED = Resolved(
    framework="jax",
    name="0.9.2",
    python="3.11",
    lock="jax@0.9.2.cpu-py311.txt",
    sha256=hashlib.sha256(LOCK.encode()).hexdigest(),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that keeps a lock and a wheel."""
    made, run = tmp_path / "made", tmp_path / "run"
    (made / "wheels").mkdir(parents=True)
    run.mkdir()
    (made / RESOLVED.lock).write_text(LOCK)
    (made / "wheels" / "a.whl").write_bytes(b"wheel")
    locks.keep(made, run)
    return run


def test_locks_and_wheels_are_kept_and_found_by_their_variants(run: Path) -> None:
    assert locks.kept([RESOLVED], run) == {"jax@0.9.2": run / "locks" / RESOLVED.lock}
    assert (run / "locks" / RESOLVED.lock).read_text() == LOCK
    assert (run / "locks" / "wheels" / "a.whl").read_bytes() == b"wheel"


def test_without_variants_a_run_has_no_such_folder(tmp_path: Path) -> None:
    locks.keep(tmp_path / "nothing", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert locks.kept([], tmp_path) == {}


def test_a_lock_that_was_changed_is_refused(run: Path) -> None:
    (run / "locks" / RESOLVED.lock).write_text(LOCK + "# seen\n")
    with pytest.raises(StoreError, match=r"jax@0\.9\.2\.cpu-py311\.txt is not the lock that the run began with"):
        locks.kept([RESOLVED], run)


def test_a_lock_that_is_gone_is_named_with_its_variant(run: Path) -> None:
    (run / "locks" / RESOLVED.lock).unlink()
    with pytest.raises(StoreError, match=r"No such file or directory\. The environment of jax@0\.9\.2 is made from it"):
        locks.kept([RESOLVED], run)


def test_locks_that_cannot_be_written_are_a_sentence(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "a.txt").write_text("")
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(StoreError, match=r"run/locks cannot be written: Not a directory\.$"):
        locks.keep(made, tmp_path / "run")
