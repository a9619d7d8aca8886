"""The size of the packages of an environment, by the lists that they brought."""

from pathlib import Path

from bench.turns.installed import installed_bytes


def package(site: Path, name: str, text: str) -> None:
    (site / f"{name}.dist-info").mkdir(parents=True)
    (site / f"{name}.dist-info" / "RECORD").write_text(text, encoding="utf-8")


def test_is_the_sum_of_the_sizes_without_bytecode(tmp_path: Path) -> None:
    package(tmp_path, "a-1.0", 'a/__init__.py,sha256=x,100\n"a/with, comma.py",sha256=y,20\na/__pycache__/a.pyc,,\n')
    package(tmp_path, "b-1.0", "b.py,sha256=z,3\nb-1.0.dist-info/RECORD,,\n")
    assert installed_bytes([str(tmp_path)]) == 123


def test_a_folder_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    package(tmp_path, "a-1.0", "a.py,sha256=x,100\n")
    assert installed_bytes([str(tmp_path), str(tmp_path)]) == 100


def test_is_unknown_without_a_list(tmp_path: Path) -> None:
    assert installed_bytes([str(tmp_path)]) is None


def test_of_this_interpreter_it_has_the_packages_of_the_tests() -> None:
    assert (installed_bytes() or 0) > 1 << 20
