"""What a comparison is asked for, as it is typed."""

import pytest

from harness.compare.choice import Choice, parsed
from harness.errors import SelectionError
from tests.factories import cell


@pytest.mark.parametrize(
    ("typed", "choice"),
    [
        ("latest", Choice("latest")),
        ("/a/path:with/colon", Choice("/a/path:with/colon")),
        ("latest:mode=eager", Choice("latest", {"mode": ("eager",)})),
        (":mode=eager", Choice("", {"mode": ("eager",)})),
        (
            "a/run:framework=torch, jax,mode=eager,op-by-op",
            Choice("a/run", {"framework": ("torch", "jax"), "mode": ("eager", "op-by-op")}),
        ),
    ],
)
def test_a_run_and_what_is_chosen_of_it(typed: str, choice: Choice) -> None:
    assert parsed(typed) == choice


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("run:moed=eager", "There is no field 'moed'. Did you mean mode"),
        ("run:eager,mode=x", "write what to compare as RUN:field=value"),
        ("run:mode=", "write what to compare as RUN:field=value"),
    ],
)
def test_what_cannot_be_read_is_named(typed: str, sentence: str) -> None:
    with pytest.raises(SelectionError, match=sentence.replace("?", r"\?")):
        parsed(typed)


def test_a_choice_has_the_cells_that_agree_in_every_field_it_names() -> None:
    choice = Choice("run", {"framework": ("torch", "jax"), "mode": ("eager",)})
    assert choice.has(cell())
    assert not choice.has(cell(mode="compile"))
    assert not choice.has(cell(framework="flax"))
    assert choice.label == "torch/jax eager"


def test_a_value_that_no_cell_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(SelectionError, match=r"no mode 'eagre'. Did you mean eager\? Valid: eager, compile"):
        Choice("run", {"mode": ("eagre",)}).require([cell(), cell(mode="compile")], "run")
    both = Choice("run", {"framework": ("jax",), "mode": ("eager",)})
    with pytest.raises(SelectionError, match="run has no cell with jax eager"):
        both.require([cell(), cell(framework="jax", mode="jit")], "run")
