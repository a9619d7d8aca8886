"""The checkout: its commit, and what a resumed run must find unchanged: all that its replicates execute."""

import os
import subprocess
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from bench.turns import variables
from harness.environments import checkout
from harness.errors import SetupError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("bench/a.py", "bench/frameworks/jax.py", "bench/hello/jax.py", "bench/hello/torch.py", "harness/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(root: Path, *hello: str) -> list[str]:
    return [name for name, _ in checkout.code(["jax"], "cpu", hello=hello, root=root)]


def test_branch_and_times_are_those_of_the_commit(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        when = {"GIT_AUTHOR_DATE": "2026-11-27T08:00:00+01:00", "GIT_COMMITTER_DATE": "2026-11-28T09:30:00+00:00"}
        subprocess.run(["git", "-C", str(tmp_path), *arguments], env={**os.environ, **who, **when}, check=True)

    assert checkout.history(tmp_path / "nothing") == ("", "", "")
    git("init", "--quiet", "--initial-branch", "feature")
    git("commit", "--quiet", "--allow-empty", "--message", "one")
    times = ("2026-11-28T09:30:00+00:00", "2026-11-27T08:00:00+01:00")
    assert checkout.history(tmp_path) == ("feature", *times)
    git("checkout", "--quiet", "--detach")
    assert checkout.history(tmp_path) == ("", *times)


def test_the_code_is_what_a_replicate_runs(root: Path) -> None:
    assert names(root) == ["bench/a.py", "bench/frameworks/jax.py"]


def test_a_hello_world_counts_where_the_run_has_it(root: Path) -> None:
    assert names(root, "jax") == ["bench/a.py", "bench/frameworks/jax.py", "bench/hello/jax.py"]


def test_a_changed_file_has_another_hash(root: Path) -> None:
    before = checkout.code(["jax"], "cpu", root=root)
    (root / "bench" / "hello" / "torch.py").write_text("changed")
    assert checkout.code(["jax"], "cpu", root=root) == before
    (root / "bench" / "a.py").write_text("changed")
    assert checkout.code(["jax"], "cpu", root=root) != before


def test_an_edit_under_a_run_does_not_reach_its_snapshot(root: Path) -> None:
    (root / "images" / "locks").mkdir(parents=True)
    (root / "images" / "locks" / "jax.cpu-py311.txt").write_text("jax==1")
    (root / "bench" / "a.py").chmod(0o600)
    with checkout.snapshot(root) as copy:
        before = checkout.code(["jax"], "cpu", root=root)
        (root / "bench" / "a.py").write_text("changed")
        assert checkout.code(["jax"], "cpu", root=copy) == before
        assert ("images/locks/jax.cpu-py311.txt", mock.ANY) in before
        assert (copy / "bench" / "a.py").stat().st_mode & 0o777 == 0o644  # for the user of a container
    assert not copy.exists()


def test_the_snapshot_of_a_samestep_that_was_killed_is_removed(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    of_nobody, of_this = (temporary / f"{checkout.PREFIX}{pid}-x" for pid in (2**22 + 1, os.getpid()))
    of_nobody.mkdir()
    of_this.mkdir()
    (root / "images" / "locks").mkdir(parents=True)
    with checkout.snapshot(root):
        assert not of_nobody.exists()
        assert of_this.exists()


def test_a_checkout_that_cannot_be_copied_is_said_in_one_sentence(root: Path) -> None:
    (root / "bench" / "broken.py").symlink_to("nowhere")
    with pytest.raises(SetupError, match="; free some space, or name another TMPDIR"):
        checkout.snapshot(root).__enter__()


def repository(folder: Path) -> str:
    """Make a repository with one commit; return the commit."""
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text(str(folder))
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    environment = variables.of_tools(os.environ)
    for words in (["init", "--quiet"], ["add", "file"], [*who, "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", "-C", folder, *words], check=True, env=environment)
    said = subprocess.run(
        ["git", "-C", folder, "rev-parse", "HEAD"], check=True, env=environment, capture_output=True, text=True
    )
    return said.stdout.strip()


def test_the_commit_is_the_checkouts_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook has GIT_DIR set; a folder of a person's own may be a repository."""
    ours, other = repository(tmp_path / "ours"), repository(tmp_path / "other")
    assert ours != other
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert checkout.commit(tmp_path / "ours") == (ours, False)
    unpacked = tmp_path / "other" / "samestep"
    unpacked.mkdir()
    monkeypatch.setenv("SAMESTEP_COMMIT", "given")
    assert checkout.commit(unpacked) == ("given", False)
