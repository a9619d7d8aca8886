"""Frameworks judge one another where no reference can be computed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from bench.records.record import Record
from harness.validity import agreement, validity
from tests.factories import accuracy, cell, record, run_facts


def judged(records: Sequence[Record]) -> tuple[Record, ...]:
    return validity.judged(records, run_facts(), stages=((agreement.disagreeing,),)).records


def by(framework: str, *, block: int = 1, status: str = "ok", **changes: object) -> Record:
    told = {"losses": (2.5, 2.3, 2.1), "gradient_norm": 3.0, "formula": "kingma-ba", **changes}
    of = cell(framework=framework, workload="mlp", size="XL")
    return record(of, block=block, status=status, accuracy=accuracy(**told))


def verdicts(*records: Record) -> dict[str, str]:
    return {one.cell.framework: one.reason if one.status == "invalid" else "" for one in judged(records)}


def test_who_agrees_stays_as_it_is() -> None:
    records = (by("torch"), by("jax", losses=(2.50001, 2.3, 2.1001)), by("tensorflow", gradient_norm=3.0001))
    assert judged(records) == records


def test_who_is_apart_is_invalid_with_the_figures_and_the_others_are_not() -> None:
    found = verdicts(by("torch"), by("jax"), by("tensorflow", losses=(2.6, 2.3, 2.1)))
    assert found == {
        "torch": "", "jax": "", "tensorflow": "its first loss is 2.6, the median of 3 frameworks 2.5",
    }  # fmt: skip
    assert "norm of the gradient is 3.2" in verdicts(by("torch"), by("jax"), by("flax", gradient_norm=3.2))["flax"]
    assert "last loss is 2.2" in verdicts(by("torch"), by("jax"), by("flax", losses=(2.5, 2.3, 2.2)))["flax"]


def test_of_two_that_differ_nobody_knows_which() -> None:
    assert all(verdicts(by("torch"), by("jax", gradient_norm=6.0)).values())


def test_the_two_formulas_of_adam_may_end_apart() -> None:
    hat: dict[str, Any] = {"losses": (2.5, 2.3, 2.11), "formula": "epsilon-hat"}
    assert not any(verdicts(by("torch"), by("jax"), by("keras_jax", **hat), by("tensorflow", **hat)).values())


def test_all_replicates_of_one_that_is_apart_are_invalid_and_what_failed_judges_nobody() -> None:
    wrong = [by("torch", block=block, losses=(9.0, 9.0, 9.0)) for block in (1, 2)]
    right = [by(name, block=block) for name in ("jax", "flax") for block in (1, 2)]
    failed = by("tensorflow", status="failed", losses=(7.0, 7.0, 7.0))
    found = judged([*wrong, *right, failed])
    assert [one.status for one in found] == ["invalid", "invalid", "ok", "ok", "ok", "ok", "failed"]


def test_a_number_that_is_none_is_not_agreed_in() -> None:
    assert "nan" in verdicts(by("torch"), by("jax"), by("flax", gradient_norm=float("nan")))["flax"]


def test_one_mode_that_is_apart_does_not_hide_behind_the_others_of_its_framework() -> None:
    modes = [
        record(cell(framework="torch", mode=mode, workload="mlp", size="XL"), accuracy=accuracy(losses=losses))
        for mode, losses in (("eager", (2.5, 2.1)), ("fused", (2.5, 2.1)), ("compile", (2.6, 2.1)))
    ]
    others = [by(name, losses=(2.5, 2.1), gradient_norm=None) for name in ("jax", "flax")]
    found = judged([*modes, *others])
    assert [one.cell.mode for one in found if one.status == "invalid"] == ["compile"]


def test_a_small_parameter_does_not_hide_in_the_norm_of_all() -> None:
    def told(framework: str, bias: float, precision: str = "float32") -> Record:
        of = cell(framework=framework, workload="convnet", size="L", precision=precision)
        norms = {"parameters": ("stem.bias", "stem.weight"), "gradient_norms": (bias, 50.0), "gradient_norm": 50.0}
        return record(of, accuracy=accuracy(losses=(2.5, 2.1), **norms))

    found = verdicts(told("torch", 0.3), told("jax", 0.3), told("keras_jax", 0.2))
    assert found["keras_jax"] == ("its norm of the gradient of stem.bias is 0.2, the median of 3 frameworks 0.3")
    assert not any(verdicts(told("torch", 0.3), told("jax", 0.3), told("flax", 0.3002)).values())
    rough = [told(name, bias, "bfloat16") for name, bias in (("torch", 0.3), ("jax", 0.26), ("keras_jax", 0.03))]
    assert [name for name, reason in verdicts(*rough).items() if reason] == ["keras_jax"]
    assert not any(verdicts(told("torch", 3e-4), told("jax", 1e-4)).values()), "rounding alone"


def test_a_coarse_precision_is_given_more_room_and_predictions_are_compared_too() -> None:
    def rough(framework: str, **changes: Any) -> Record:
        of = cell(framework=framework, workload="mlp", size="XL", precision="bfloat16")
        return record(of, accuracy=accuracy(**{"losses": (2.5, 2.1), "gradient_norm": 3.0, **changes}))

    assert not any(verdicts(rough("torch"), rough("jax"), rough("flax", gradient_norm=3.1)).values())
    assert "norm of the gradient" in verdicts(rough("torch"), rough("jax"), rough("flax", gradient_norm=3.2))["flax"]
    forward: dict[str, Any] = {"losses": (), "gradient_norm": None}
    found = verdicts(
        by("torch", prediction_norm=17.0, **forward),
        by("jax", prediction_norm=17.0, **forward),
        by("flax", prediction_norm=17.1, **forward),
    )
    assert found["flax"] == "its norm of the predictions is 17.1, the median of 3 frameworks 17"


def ranks(scaling: str, **changes: Any) -> Record:
    """Two ranks of PyTorch on the same problem."""
    found = by("torch", **changes)
    return dataclasses.replace(found, cell=dataclasses.replace(found.cell, mode="ddp", ranks=2, scaling=scaling))


def test_weak_scaling_has_another_batch_and_is_judged_among_its_like() -> None:
    other: dict[str, Any] = {"losses": (9.0, 8.0, 7.0), "gradient_norm": 5.0}
    plain = [by("torch"), by("jax")]
    assert not any(one.status == "invalid" for one in judged([*plain, ranks("weak", **other)]))
    found = judged([*plain, ranks("strong", **other), by("flax")])
    assert [one.status for one in found] == ["ok", "ok", "invalid", "ok"]
