"""A record whose own figures contradict its status is judged by the gates that it says it passed."""

import math
from typing import Any

import pytest

from bench.records.codec import from_json, to_json
from bench.records.record import Memory, Record
from bench.reference.accuracy import Tolerances
from bench.workloads import WORKLOADS, load, make
from harness.validity.validity import judged
from tests import factories
from tests.factories import accuracy, cell, idiomatic, proof, record


def judge(*records: Record) -> list[Record]:
    return list(judged([from_json(to_json(one)) for one in records], factories.run_facts()).records)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_loss_deviation": 7.0}, "the losses differ from the float64 reference by 7.00e+00, more than 1e-04"),
        ({"losses": (4.0, 2.0, 8.0)}, "the losses differ from the float64 reference by 7.00e+00"),
        ({"losses": (4.0, 2.0)}, "the losses differ from the float64 reference by inf"),
        ({"max_parameter_deviation": 0.5}, "a trained parameter differs from the reference's by 5.00e-01"),
        ({"weight": 2.5, "within_tolerance": False}, "a trained parameter differs from the reference's by 4.92e-01"),
        ({"within_tolerance": False}, "weight 2.9919, bias 2.0018: within 0.05 of the truth"),
        (
            {"weight": 2.5, "reference_weight": 2.5},
            "weight 2.5, bias 2.0018: not within 0.05 of the truth",
        ),
    ],
)
def test_a_result_that_is_wrong_by_its_own_figures_is_invalid(changes: dict[str, Any], reason: str) -> None:
    good, wrong = judge(record(), record(block=2, accuracy=accuracy(**changes)))
    assert good.status == "ok"
    assert wrong.status == "invalid"
    assert wrong.reason.startswith(reason)
    assert wrong.reason.endswith("; its record contradicts itself, it says ok")


@pytest.mark.parametrize("deviation", [0.0, None])
def test_a_loss_that_is_no_number_is_invalid_before_it_is_written(deviation: float | None) -> None:
    changed = accuracy(losses=(4.0, math.nan, 1.0), max_loss_deviation=deviation)
    _, wrong = judge(record(), record(block=2, accuracy=changed))
    assert (wrong.status, wrong.reason) == ("invalid", "accuracy.losses[1] is not a finite number")


def test_a_gradient_that_is_wrong_by_its_own_figures_is_invalid() -> None:
    mlp = cell(workload="mlp", size="S")
    off = accuracy(max_gradient_deviation=0.9, worst_gradient="w1", within_tolerance=None)
    assert judge(record(mlp, accuracy=off))[0].reason.startswith(
        "the gradient of w1 differs from the float64 reference"
    )


@pytest.mark.parametrize("track", ["identical", "twin", "memory", "energy"])
def test_a_mode_that_was_not_the_one_is_invalid_on_every_track_that_proves_it(track: str) -> None:
    wrong = record(cell(track=track), proof=proof(mode="graph"))
    assert "the framework ran graph" in judge(wrong)[0].reason


@pytest.mark.parametrize(
    "changes",
    [
        {"proof": proof(graph_breaks=2)},
        {"proof": proof(guard_failures=1)},
        {"proof": proof(compilations_timed=1)},
        {"memory": Memory(device_allocations_timed=1)},
    ],
)
def test_each_gate_of_the_protocol_is_applied_once_more(changes: dict[str, Any]) -> None:
    assert judge(record(**changes))[0].status == "invalid"


def test_a_hello_world_that_found_no_line_cannot_say_that_it_did() -> None:
    assert judge(idiomatic())[0].status == "ok"
    assert judge(idiomatic(weight=1.0, within_tolerance=False))[0].status == "ok"  # it says so itself
    assert judge(idiomatic(weight=1.0))[0].reason.startswith("weight 1, bias 2: not within 0.05 of the truth")


def test_figures_that_were_not_recorded_accuse_nobody() -> None:
    old = accuracy(
        max_loss_deviation=None,
        reference_losses=(),
        reference_weight=None,
        reference_bias=None,
        within_tolerance=None,
        max_gradient_deviation=0.9,  # of a schema before 5: of the largest element, by another tolerance
    )
    unknown = record(cell(workload="of a plug-in"), accuracy=accuracy(max_loss_deviation=7.0))
    assert [one.status for one in judge(record(accuracy=old), unknown, record(block=2, status="failed"))] == [
        "ok",
        "ok",
        "failed",
    ]


def test_every_size_of_a_workload_has_the_tolerances_of_its_smallest() -> None:
    for name in WORKLOADS:
        module = load(name)
        small, *larger = list(module.SIZES)[:2]
        for optimizer in module.OPTIMIZERS:
            least = Tolerances.of(make(name, size=small, optimizer=optimizer))
            assert all(Tolerances.of(make(name, size=size, optimizer=optimizer)) == least for size in larger)
