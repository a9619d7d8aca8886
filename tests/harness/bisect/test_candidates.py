"""Which versions are walked, and what else differs between the environments of two of them."""

import pytest

from harness.bisect.candidates import candidates
from harness.bisect.changes import changed, packages
from harness.errors import SelectionError

PUBLISHED = ("0.8.0", "0.10.0rc1", "0.9.0", "0.8.1", "0.10.0", "0.9.0.post1", "0.10.1.dev3", "0.10.2", "junk")


def test_versions_are_walked_by_number_without_pre_releases() -> None:
    assert candidates("jax", PUBLISHED, "0.8.0", "0.10.2") == (
        "0.8.0", "0.8.1", "0.9.0", "0.9.0.post1", "0.10.0", "0.10.2",
    )  # fmt: skip


def test_either_end_may_be_typed_first() -> None:
    assert candidates("jax", PUBLISHED, "0.9.0", "0.8.0") == ("0.8.0", "0.8.1", "0.9.0")


def test_a_pre_release_may_be_an_end() -> None:
    assert candidates("jax", PUBLISHED, "0.9.0", "0.10.0rc1") == ("0.9.0", "0.9.0.post1", "0.10.0rc1")


def test_two_ways_of_writing_a_version_are_one() -> None:
    assert candidates("jax", PUBLISHED, "0.8", "0.8.1.0") == ("0.8.0", "0.8.1")


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        ("0.9.0", "0.10.7", r"^jax 0\.10\.7 was not published\. The nearest: 0\.10\.1\.dev3, 0\.10\.2\.$"),
        ("0.8.5", "0.10.2", r"^jax 0\.8\.5 was not published\. The nearest: 0\.8\.0, 0\.8\.1, 0\.9\.0\.$"),
        ("0.9,0", "0.10.2", r"^jax 0\.9,0 was not published\. The nearest: 0\.9\.0"),
        ("0.9.0", "0.9.0.0", r"^0\.9\.0 and 0\.9\.0\.0 are one version of jax: name two"),
    ],
)
def test_a_bad_end_gets_a_sentence(one: str, other: str, sentence: str) -> None:
    with pytest.raises(SelectionError, match=sentence):
        candidates("jax", PUBLISHED, one, other)


LOCK = """\
attrs==26.1.0 \\
    --hash=sha256:00
jax==0.9.0 \\
    --hash=sha256:11 \\
    --hash=sha256:22
ml_dtypes==0.5.3 ; python_version >= "3.11" \\
    --hash=sha256:33
jaxlib==0.9.0 --hash=sha256:44
"""


def test_a_lock_says_which_versions_it_pins() -> None:
    assert packages(LOCK) == {"attrs": "26.1.0", "jax": "0.9.0", "ml-dtypes": "0.5.3", "jaxlib": "0.9.0"}


def test_what_else_differs_is_named_without_what_is_bisected() -> None:
    newer = LOCK.replace("0.9.0", "0.9.1").replace("ml_dtypes==0.5.3", "scipy==1.17")
    assert changed(packages(LOCK), packages(newer), "JAX") == (
        "jaxlib 0.9.0 -> 0.9.1",
        "ml-dtypes 0.5.3 is gone",
        "scipy 1.17 is new",
    )
    assert changed(packages(LOCK), packages(LOCK), "jax") == ()
