"""The truth of the loop against fractions, planted faults, and the words about stops."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from harness.loops import truth
from harness.loops.programs import Loop
from harness.loops.truth import LOOPS, Stops, fault


def in_float32(steps: int, x: float, w: float) -> list[float]:
    product, found = np.float32(x), []
    for _ in range(steps):
        product = product * np.float32(w)
        found.append(float(product))
    return found


@pytest.mark.parametrize("loop", LOOPS)
def test_the_products_are_those_of_exact_arithmetic(loop: Loop) -> None:
    x, w = Fraction(float(np.float32(loop.x))), Fraction(float(np.float32(loop.w)))
    exact = [float(x * w**number) for number in range(1, loop.steps + 1)]
    assert truth.products(loop) == pytest.approx(exact, rel=1e-13)


def test_five_times_two() -> None:
    assert truth.products(LOOPS[0]) == (6, 12, 24, 48, 96)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_float32_gives_passes(loop: Loop) -> None:
    found = in_float32(loop.steps, loop.x, loop.w)
    assert np.isfinite(found).all()
    assert fault(found, loop) == ""
    assert fault(found[-1:], loop, last=True) == ""


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("at", [0, 2, -1])
def test_a_planted_intermediate_is_found_and_named(loop: Loop, at: int) -> None:
    found = in_float32(loop.steps, loop.x, loop.w)
    found[at] *= 1 + 1e-4
    assert fault(found, loop).startswith(f"product {at % loop.steps + 1} of {loop.steps} is ")


@pytest.mark.parametrize("loop", LOOPS)
def test_products_that_begin_a_step_late_or_are_too_few_are_found(loop: Loop) -> None:
    found = in_float32(loop.steps, loop.x, loop.w)
    assert fault([loop.x, *found[:-1]], loop).startswith("product 1 of")
    assert fault(found[:-1], loop) == f"{loop.steps - 1} products of {loop.steps} steps, not {loop.steps}"
    assert fault([float("nan"), *found[1:]], loop).startswith("product 1 of")
    assert fault(found[-2:-1], loop, last=True).startswith(f"product {loop.steps} of")


def test_five_times_two_has_no_rounding() -> None:
    assert fault([6, 12, 24, 48, float(np.nextafter(np.float32(96), np.float32(97)))], LOOPS[0])


@pytest.mark.parametrize(
    ("first", "later", "words"),
    [
        (5, 5, "each step"),
        (1, 0, "once, in the trace"),
        (5, 0, "5 times, in the trace"),
        (0, 0, "never"),
        (1, 1, "1 times a call"),
    ],
)
def test_stops_in_words(first: int, later: int, words: str) -> None:
    assert Stops(steps=5, first=first, later=later).words == words


def told(every: list[int], last: list[int], calls: tuple[int, int] = (1, 1)) -> dict[str, Any]:
    half = [ns // 2 for ns in every], [ns // 2 for ns in last]
    return {
        "steps": 5,
        "every": {
            "round_ns": every,
            "cpu_ns": half[0],
            "calls": calls[0],
            "first_ns": 7,
            "values": [[6, 12, 24, 48, 96]] * 2,
        },
        "last": {"round_ns": last, "cpu_ns": half[1], "calls": calls[1], "first_ns": 8, "values": [[96]] * 2},
    }


def test_a_ratio_is_that_of_neighbouring_rounds_for_each_call() -> None:
    cost = truth.cost(told([200, 400, 900], [200, 400, 300], (2, 4)))
    assert (cost.every_ns, cost.last_ns) == (200, 75)
    assert cost.ratio == 2  # of 2, 2 and 6
    assert cost.low <= cost.ratio <= cost.high
    assert cost.cpu_share == 0.5


@pytest.mark.parametrize("name", ["every", "last"])
@pytest.mark.parametrize("when", [0, 1])
def test_the_values_of_before_and_after_the_rounds_are_held_to_the_truth(name: str, when: int) -> None:
    values = told([1, 1], [1, 1])
    assert truth.faults_of_times(values, LOOPS[0]) == ""
    values[name]["values"] = [list(each) for each in values[name]["values"]]
    values[name]["values"][when][-1] = 95
    assert truth.faults_of_times(values, LOOPS[0]) == "product 5 of 5 is 95, not 96.0"
