"""Frameworks with variants, as they are typed: what is one name, and which environments it asks for."""

import pytest

from harness.errors import SelectionError
from harness.plan import selection, specs


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("numpy,jax@0.9.2,jax@0.10.2", ("numpy", "jax@0.9.2", "jax@0.10.2")),
        ("keras_jax@keras==3.14,jax==0.10.2", ("keras_jax@keras==3.14,jax==0.10.2",)),
        ("numpy@2.2.0, py3.12 ,torch", ("numpy@2.2.0,py3.12", "torch")),
        ("jax@0.9.2,./new-jaxlib-1-py3-none-any.whl,flax", ("jax@0.9.2,./new-jaxlib-1-py3-none-any.whl", "flax")),
        ("a@1,b==2,c@3,b==2", ("a@1,b==2", "c@3,b==2")),
        ("numpy,py3.12", ("numpy", "py3.12")),
        ("jax==0.9.2", ("jax==0.9.2",)),
        ("jax@0.9.2,jax@0.9.2,jax", ("jax@0.9.2", "jax")),
    ],
)
def test_a_spec_goes_on_with_pins_wheels_and_a_python(typed: str, expected: tuple[str, ...]) -> None:
    assert selection.names(typed) == expected


def test_the_locked_environment_is_the_first_and_the_others_are_as_typed() -> None:
    typed = ("jax@0.10.2", "numpy", "jax@0.9.2", "jax", "jax@0.10.2")
    assert specs.variants("jax", typed) == ("", "0.10.2", "0.9.2")
    assert specs.variants("numpy", typed) == ("",)
    assert specs.variants("torch", ()) == ("",)


def test_a_framework_may_be_typed_with_hyphens_and_its_versions_keep_theirs() -> None:
    assert specs.with_underscores("keras-jax@keras==3.14") == "keras_jax@keras==3.14"
    assert specs.variants("keras_jax", ("keras-jax@keras==3.14",)) == ("keras==3.14",)
    assert specs.with_underscores("torch@./a-b.whl") == "torch@./a-b.whl"


def test_more_environments_than_a_group_has_seats_for_are_refused() -> None:
    many = [f"jax@0.9.{number}" for number in range(specs.MOST)]
    assert len(specs.variants("jax", many)) == specs.MOST
    with pytest.raises(SelectionError, match=r"^jax has 8 environments in this selection: at most 7 are measured"):
        specs.variants("jax", ["jax", *many])


def test_whoever_has_no_variants_says_so() -> None:
    specs.require_locked(["jax", "numpy"], whom="a fleet")
    with pytest.raises(SelectionError, match=r"^jax@0\.9: a fleet knows the locked environments alone; name jax"):
        specs.require_locked(["numpy", "jax@0.9"], whom="a fleet")
