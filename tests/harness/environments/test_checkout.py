"""What a resumed run must find unchanged: all that its replicates execute, and nothing else."""

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
