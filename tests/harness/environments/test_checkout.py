"""The checkout: its commit, and what a resumed run must find unchanged: all that its replicates execute."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.environments import checkout


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
