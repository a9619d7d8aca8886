"""What was named and is not in the plan is said, by kind and in one line."""

from collections.abc import Mapping

import pytest

from bench.catalogue import catalogue
from harness.errors import SelectionError
from harness.plan import left_out, selection
from harness.plan.planner import planned_run
from harness.plan.profiles import PROFILES
from harness.plan.request import parsed
from harness.plan.selection import Selection


def said(fields: Mapping[str, str], measured: tuple[str, ...] = ("time", "memory")) -> str:
    requested = Selection(**{field: selection.names(typed) for field, typed in fields.items()})
    offer = catalogue()
    cells = selection.cells(offer, requested, PROFILES["quick"], "cpu")
    return left_out.sentence(offer, requested, cells, measured)


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"workload": "mlp,regression", "size": "S"}, "workload regression (it has size base)"),
        (
            {"workload": "mlp,regression", "size": "S,base", "framework": "numpy"},
            "mlp with size base (it has tiny, S, M, L, XL); regression with size S (it has base)",
        ),
        ({"workload": "mlp,regression", "optimizer": "none"}, "workload regression (it has optimizers adam, sgd)"),
        ({"workload": "mlp,regression", "optimizer": "none,adam"}, "regression with optimizer none (it has adam, sgd)"),
        ({"framework": "numpy,jax", "mode": "eager,jit,xla"}, "mode xla"),
        ({"framework": "numpy,jax", "mode": "jit"}, "framework numpy"),
        ({"workload": "mlp,regression", "mode": "from-torch"}, "workload mlp"),
        (
            {"framework": "numpy,torch", "allocator": "default,expandable_segments", "mode": "eager"},
            "numpy with allocator expandable_segments",
        ),
        (
            {"workload": "mlp,regression-wide", "size": "widest", "framework": "numpy"},
            "workload mlp (it has sizes tiny",
        ),
    ],
)
def test_each_kind_is_said_once(fields: dict[str, str], left: str) -> None:
    sentence = said(fields)
    assert sentence.startswith(f"Left out, named but not there: {left}")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"workload": "mlp,regression"},
        {"framework": "torch,jax", "mode": "eager,jit"},  # a mode is looked for in all
        {"framework": "torch", "mode": "eager,hello"},
        {"size": "base", "workload": "regression"},
        {"precision": "float32,bfloat16"},
    ],
)
def test_nothing_is_said_where_all_that_was_named_is_there(fields: dict[str, str]) -> None:
    assert said(fields) == ""


def test_hello_worlds_that_were_named_have_no_memory() -> None:
    assert said({"framework": "torch", "mode": "eager,hello"}, ("memory",)).endswith(
        "there: mode hello with measure memory (it has time)."
    )
    with pytest.raises(SelectionError, match="hello worlds only, which have no memory"):
        planned_run(parsed(mode="hello", measure="memory"), launchers="venv", blocks=None, say=print)


def test_it_is_a_part_of_the_plan() -> None:
    planned = planned_run(
        parsed(workload="mlp,regression", size="S", framework="numpy"), launchers="venv", blocks=1, say=print
    )
    assert planned.left_out == "Left out, named but not there: workload regression (it has size base)."
