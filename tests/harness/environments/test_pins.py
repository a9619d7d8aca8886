"""The pins of a lock: read, compared, and replaced in the requirements that they came from."""

from pathlib import Path

import pytest

from harness.environments import pins

LOCK = "jax==0.10.2 \\\n    --hash=sha256:00\nml_dtypes==0.5.4 \\\n    --hash=sha256:01\ntorch==2.13.0+cpu \\\n"


def test_the_pins_of_a_lock_are_by_their_normal_names() -> None:
    assert pins.of(LOCK) == {"jax": "0.10.2", "ml-dtypes": "0.5.4", "torch": "2.13.0+cpu"}


def test_changes_begin_with_the_frameworks_own_and_name_what_only_one_lock_has() -> None:
    before = {"a": "1", "jax": "0.10.2", "old": "3", "same": "1"}
    after = {"a": "2", "jax": "0.9.2", "new": "4", "same": "1"}
    found = pins.changes(before, after, "jax")
    assert found == ("jax 0.10.2 -> 0.9.2", "a 1 -> 2", "new none -> 4", "old 3 -> none")


@pytest.mark.parametrize(
    ("requirements", "first"),
    [
        ("-r jax.in\n# a comment\nkeras==3.15.1\noptax==1\n", "keras"),
        ("-r bench.in\njax[cuda13]==0.12.0.1\n", "jax"),
        ("-r bench.in\nML_Dtypes; python_version < '3.12'\n", "ml-dtypes"),
        ("-r bench.in\n# What trains is a guest.\n", ""),
    ],
    ids=["after a file and a comment", "extras", "marker", "none"],
)
def test_the_first_requirement_is_the_frameworks_own(requirements: str, first: str) -> None:
    assert pins.first_asked(requirements) == first


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("jax==0.10.2", "jax==0.9.2"),
        ("jax[cuda13]==0.12.0.1", "jax[cuda13]==0.9.2"),
        ('jax==0.10.2; python_version < "3.12"', 'jax==0.9.2 ; python_version < "3.12"'),
        ("optax==0.2.8", "optax"),
        ("mlx[cpu]==0.32.4", "mlx[cpu]"),
        ('flax==0.12.8; python_version < "3.12"', 'flax ; python_version < "3.12"'),
        ("torch==2.13.0+cpu", "torch==2.13.0+cpu"),
        ("nvidia-cublas==13.2.*", "nvidia-cublas==13.2.*"),
        ("numpy>=2.2", "numpy>=2.2"),
        ("backports-strenum<1.3", "backports-strenum<1.3"),
        ("-r bench.in", "-r bench.in"),
        ("-c locks/jax.cpu-py311.txt", "-c locks/jax.cpu-py311.txt"),
        ("# jax==0.10.2", "# jax==0.10.2"),
        ("", ""),
    ],
)
def test_only_what_is_wanted_is_pinned_and_what_is_needed_stays(line: str, expected: str) -> None:
    assert pins.replaced(line, {"jax": "==0.9.2"}) == expected


def test_a_range_stays_beside_the_version_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "bench.in").write_text("numpy>=2.2\n")
    (tmp_path / "jax.in").write_text("-r bench.in\njax==0.10.2\n")
    asked = pins.write(tmp_path, "jax", {"jax": "==0.9.2", "numpy": "==2.3.5"})
    assert (tmp_path / "bench.in").read_text() == "numpy>=2.2\n"
    assert (tmp_path / "jax.in").read_text() == "-r bench.in\njax==0.9.2\n"
    assert asked.read_text() == "-r jax.in\njax==0.9.2\nnumpy==2.3.5\n"
