"""Which versions are walked, and what a bad end gets."""

import pytest

from harness.bisect.candidates import candidates
from harness.errors import SelectionError

PUBLISHED = ("0.8.0", "0.10.0rc1", "0.9.0", "0.8.1", "0.10.0", "0.9.0.post1", "0.10.1.dev3", "0.10.2", "junk")


def test_versions_are_walked_by_number_without_pre_releases() -> None:
    assert candidates("jax", PUBLISHED, "0.8.0", "0.10.2") == (
        "0.8.0", "0.8.1", "0.9.0", "0.9.0.post1", "0.10.0", "0.10.2",
    )  # fmt: skip


def test_either_end_may_be_typed_first() -> None:
    assert candidates("jax", PUBLISHED, "0.9.0", "0.8.0") == ("0.8.0", "0.8.1", "0.9.0")


def test_two_ways_of_writing_a_version_are_one() -> None:
    assert candidates("jax", PUBLISHED, "0.8", "0.8.1.0") == ("0.8.0", "0.8.1")


def test_builds_of_a_version_are_one_version() -> None:
    published = ("2.11.0", "2.12.0", "2.12.0+cpu", "2.13.0+cpu")
    assert candidates("torch", published, "2.11.0", "2.13.0") == ("2.11.0", "2.12.0+cpu", "2.13.0+cpu")
    assert candidates("torch", published, "2.12.0+cpu", "2.13.0+cpu") == ("2.12.0+cpu", "2.13.0+cpu")


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        ("0.9.0", "0.10.7", r"^jax 0\.10\.7 was not published\. The nearest: 0\.10\.0, 0\.10\.2\.$"),
        ("0.9.0", "0.10.0rc1", r"^jax 0\.10\.0rc1 is a pre-release, and releases are bisected\. The nearest: "),
        ("0.8.5", "0.10.2", r"^jax 0\.8\.5 was not published\. The nearest: 0\.8\.0, 0\.8\.1, 0\.9\.0\.$"),
        ("0.9,0", "0.10.2", r"^jax 0\.9,0 was not published\. The nearest: 0\.9\.0"),
        ("0.9.0", "0.9.0.0", r"^0\.9\.0 and 0\.9\.0\.0 are one version of jax: name two"),
    ],
)
def test_a_bad_end_gets_a_sentence(one: str, other: str, sentence: str) -> None:
    with pytest.raises(SelectionError, match=sentence):
        candidates("jax", PUBLISHED, one, other)
