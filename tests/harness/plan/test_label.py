"""The name of a cell in sentences."""

from typing import Any

import pytest

from harness.plan.label import name, ranks
from tests.factories import cell


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "torch eager regression adam"),
        (
            {"mode": "ddp", "workload": "mlp", "size": "S", "ranks": 1, "scaling": "strong"},
            "torch ddp mlp S adam, 1 rank",
        ),
        (
            {"mode": "ddp", "workload": "mlp", "size": "S", "ranks": 2, "scaling": "weak"},
            "torch ddp mlp S adam, 2 ranks, weak",
        ),
    ],
)
def test_says_what_differs_from_the_defaults(changes: dict[str, Any], expected: str) -> None:
    assert name(cell(**changes)) == expected
    assert expected.endswith(ranks(cell(**changes)))
