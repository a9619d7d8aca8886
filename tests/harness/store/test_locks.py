"""The locks in a run's folder: kept there, put back from there, and refused when they are others than it began with."""

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
FILES = {
    "images/locks/jax.cpu-py311.txt": "jax==0.10.2\n",
    "images/locks/tfjs.cpu-py311.txt": "numpy==2.4.6\n",
    "images/tfjs.package.json": "{}",
    "images/locks/tfjs.package-lock.json": "{} ",
}
FACTS = factories.run_facts(
    variants=(dataclasses.replace(RESOLVED, wheels=("a.whl",)),),
    code=(
        ("bench/a.py", "00"),
        *((name, hashlib.sha256(text.encode()).hexdigest()) for name, text in FILES.items()),
    ),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that keeps a lock and a wheel."""
    code, run = tmp_path / "code", tmp_path / "run"
    made = code / "locks"
    (made / "wheels").mkdir(parents=True)
    run.mkdir()
    (made / RESOLVED.lock).write_text(LOCK)
    (made / "wheels" / "a.whl").write_bytes(b"wheel")
    for name, text in FILES.items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(text)
    locks.keep(code, FACTS, run)
    return run


def test_locks_and_wheels_are_kept_and_found_by_their_variants(run: Path) -> None:
    assert locks.kept([RESOLVED], run) == {"jax@0.9.2": run / "locks" / RESOLVED.lock}
    assert (run / "locks" / RESOLVED.lock).read_text() == LOCK
    assert (run / "locks" / "wheels" / "a.whl").read_bytes() == b"wheel"


def test_without_variants_and_locks_a_run_has_no_such_folder(tmp_path: Path) -> None:
    locks.keep(tmp_path / "nothing", factories.run_facts(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert locks.kept([], tmp_path) == {}


def test_without_variants_there_are_the_locks_of_the_frameworks_alone(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "code" / "locks")
    (tmp_path / "other").mkdir()
    locks.keep(tmp_path / "code", dataclasses.replace(FACTS, variants=()), tmp_path / "other")
    found = {path.name for path in (tmp_path / "other" / "locks").iterdir()}
    assert found == {Path(name).name for name in FILES}


def test_a_lock_that_was_changed_is_refused(run: Path) -> None:
    (run / "locks" / RESOLVED.lock).write_text(LOCK + "# seen\n")
    with pytest.raises(StoreError, match=r"jax@0\.9\.2\.cpu-py311\.txt is not the lock that the run began with"):
        locks.kept([RESOLVED], run)


def test_a_lock_that_is_gone_is_named_with_its_variant(run: Path) -> None:
    (run / "locks" / RESOLVED.lock).unlink()
    with pytest.raises(StoreError, match=r"No such file or directory\. The environment of jax@0\.9\.2 is made from it"):
        locks.kept([RESOLVED], run)


def test_locks_that_cannot_be_written_are_a_sentence(tmp_path: Path) -> None:
    made = tmp_path / "code" / "locks"
    made.mkdir(parents=True)
    (made / "a.txt").write_text("")
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(StoreError, match=r"run/locks cannot be written: Not a directory\.$"):
        locks.keep(tmp_path / "code", factories.run_facts(), tmp_path / "run")


def test_the_locks_of_all_frameworks_are_kept_and_put_back_in_place_of_the_present_ones(
    run: Path, tmp_path: Path
) -> None:
    now = tmp_path / "now"
    (now / "images" / "locks").mkdir(parents=True)
    for name in ("jax.cpu-py311.txt", "jax.py38.txt", "tfjs.cpu-py311.txt", "torch.cpu-py311.txt"):
        (now / "images" / "locks" / name).write_text("of today")
    assert locks.put_back(FACTS, run, now) == FACTS.variants
    found = {path.name: path.read_text() for path in (now / "images").rglob("*.*") if path.is_file()}
    assert found == {**{Path(name).name: text for name, text in FILES.items()}, "torch.cpu-py311.txt": "of today"}
    assert (now / "images" / "tfjs.package.json").is_file()
    assert (now / "locks" / RESOLVED.lock).read_text() == LOCK
    assert (now / "locks" / "wheels" / "a.whl").read_bytes() == b"wheel"


def test_a_framework_whose_lock_was_changed_in_the_folder_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "locks" / "jax.cpu-py311.txt").write_text("jax==9\n")
    with pytest.raises(StoreError, match=r"jax\.cpu-py311\.txt is not the lock that the run began with"):
        locks.put_back(FACTS, run, tmp_path / "now")
    assert not (tmp_path / "now").exists()


def test_a_wheel_that_is_gone_is_named_with_its_variant(run: Path, tmp_path: Path) -> None:
    (run / "locks" / "wheels" / "a.whl").unlink()
    with pytest.raises(StoreError, match=r"wheels/a\.whl is not there, from which jax@0\.9\.2 is made\."):
        locks.put_back(FACTS, run, tmp_path / "now")


def test_locks_for_another_python_than_todays_are_refused_with_the_commit(tmp_path: Path) -> None:
    text = "jax==0.10.2\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    facts = factories.run_facts(code=(("images/locks/jax.cpu-py39.txt", digest),), commit="0123abc")
    (tmp_path / "run" / "locks").mkdir(parents=True)
    (tmp_path / "run" / "locks" / "jax.cpu-py39.txt").write_text(text)
    with pytest.raises(StoreError, match=r"lock of jax in .* is not for cpu-py311, .* git checkout 0123abc\."):
        locks.put_back(facts, tmp_path / "run", tmp_path / "now")
