"""Why a variant has no lock: one sentence, from what is published and from what uv says."""

import pytest

from harness.environments import unresolved
from harness.errors import SelectionError, SetupError

# As uv 0.13 writes it.
CONFLICT = """\
error: No solution found when resolving dependencies
  cause: Because jax==0.9.2 depends on jaxlib>=0.9,<=0.9.2 and you require jax==0.9.2, we can conclude that you require jaxlib<=0.9.2.
         And because you require jaxlib==0.10.2, we can conclude that your requirements are unsatisfiable.

hint: something else
"""  # noqa: E501
OTHER_WAY_ROUND = """\
error: No solution found when resolving dependencies
  cause: Because fastai==2.7.0 depends on torch>=1.7.0,<1.12 and you require torch==2.13.0+cpu, we can conclude that your requirements and fastai==2.7.0 are incompatible.
         And because you require fastai==2.7.0, we can conclude that your requirements are unsatisfiable.
"""  # noqa: E501
DIRECT = """\
error: No solution found when resolving dependencies
  cause: Because you require numpy>=2.2 and numpy==2.1.0, we can conclude that your requirements are unsatisfiable.
"""
OFFLINE = "error: Failed to fetch: `index`\n  Caused by: dns error\n"
PUBLISHED = {
    ("jax", "3.11"): ("0.8.0", "0.9.0", "0.9.1", "0.9.2", "0.10.0", "0.10.2"),
    ("jax", "3.12"): ("0.9.2", "0.10.2", "0.11.0", "0.12.0"),
    ("jaxlib", "3.11"): ("0.9.2", "0.10.2"),
}


def versions(package: str, python: str) -> tuple[str, ...]:
    if (package, python) not in PUBLISHED:
        raise SetupError("No wheel is published.")
    return PUBLISHED[package, python]


def sentence(pin: str, stderr: str = CONFLICT, requires: str = ">=3.12") -> str:
    found = unresolved.explained(
        "jax@x", [pin], "3.11", stderr, versions=versions, requires=lambda name, version, python: requires
    )
    assert isinstance(found, SelectionError)
    return str(found)


def test_a_version_that_does_not_exist_is_said_with_the_nearest() -> None:
    expected = "jax@x: there is no jax 0.9.3 for Python 3.11 where packages come from."
    assert sentence("jax==0.9.3") == f"{expected} The nearest: 0.9.1, 0.9.2, 0.10.0, 0.10.2."


def test_a_version_for_another_python_is_said_with_its_requirement_and_that_python() -> None:
    said = sentence("jax==0.12.0")
    assert said == "jax@x: jax 0.12.0 requires Python >=3.12, and the environment has 3.11: add py3.12 to it."
    said = sentence("jax==0.12.0", requires="")
    assert said == "jax@x: jax 0.12.0 has no wheel for Python 3.11, and the environment has 3.11: add py3.12 to it."


def test_neighbours_that_do_not_fit_are_said_with_the_constraint() -> None:
    said = sentence("jaxlib==0.10.2")
    expected = "jax@x does not fit the other packages of its environment: jax==0.9.2 depends on jaxlib>=0.9,<=0.9.2,"
    assert said == f"{expected} and jaxlib==0.10.2 is asked for."
    said = sentence("jaxlib==0.10.2", stderr=OTHER_WAY_ROUND)
    assert said.endswith(": fastai==2.7.0 depends on torch>=1.7.0,<1.12, and torch==2.13.0+cpu is asked for.")
    assert sentence("jaxlib==0.10.2", stderr=DIRECT).endswith(": numpy>=2.2 and numpy==2.1.0 are asked for.")


def test_without_an_index_to_ask_uvs_own_words_are_said() -> None:
    assert sentence("other==1").endswith("jax==0.9.2 depends on jaxlib>=0.9,<=0.9.2, and jaxlib==0.10.2 is asked for.")
    assert sentence("other==1", stderr="error: strange\n").endswith("of its environment: error: strange.")


def test_without_a_network_the_remedy_is_the_network() -> None:
    found = unresolved.explained("jax@x", ["jax==1"], "3.11", OFFLINE, versions=versions)
    assert isinstance(found, SetupError)
    assert "check the network" in str(found)


@pytest.mark.parametrize(
    ("there", "version", "expected"),
    [
        (("1", "2", "3", "4", "5", "6"), "0.1", ("1", "2", "3", "4")),
        (("1", "2", "3", "4", "5", "6"), "9", ("3", "4", "5", "6")),
        (("1", "2", "3", "4", "5", "6"), "3.5", ("2", "3", "4", "5")),
        (("1", "2"), "3", ("1", "2")),
        ((), "3", ()),
        (("1", "1+cpu", "2", "2+cpu"), "3+cpu", ("1+cpu", "2+cpu")),
        (("1", "2"), "3+cpu", ("1", "2")),
    ],
)
def test_the_nearest_are_half_older_half_newer_and_of_the_same_build(
    there: tuple[str, ...], version: str, expected: tuple[str, ...]
) -> None:
    assert unresolved.nearest(there, version) == expected
