"""The self-tests find what is planted, and say which target they hold it to."""

import dataclasses
import itertools
import random

import pytest

from harness.selftest import allocation
from harness.selftest.sampler import Cost, Stretch, cost

MS = 1_000_000


def steps(slower: float, *, pairs: int = 20, noise: float = 0.01, drift: float = 0.5) -> Cost:
    """A process of 100 µs steps that drifts, `slower` by so much while the sampler is on; one step in 50 takes long."""
    rng = random.Random(1)
    begun, stretches, now = [0], [], 0
    for pair, on in itertools.product(range(pairs), (True, False)):
        begin = now
        for _ in range(200):
            usual = 100_000 * (1 + drift * pair / pairs) * (1 + slower * on) * rng.gauss(1, noise)
            now += round(usual * (20 if rng.random() < 0.02 else 1))
            begun.append(now)
        stretches.append(Stretch(on=on, begin_ns=begin, end_ns=now))
    return cost(begun, stretches, cpu_share=0.004)


@pytest.mark.parametrize(("slower", "verdict"), [(0.0, "met"), (0.002, "met"), (0.02, "missed"), (0.1, "missed")])
def test_a_planted_cost_of_the_sampler_is_found(slower: float, verdict: str) -> None:
    found = steps(slower)
    assert found.change == pytest.approx(slower, abs=0.003)
    assert found.low <= slower <= found.high
    assert found.verdict() == verdict


def test_too_much_noise_is_undetermined() -> None:
    found = steps(0.0, pairs=3, noise=0.3)
    assert found.verdict() == "undetermined"


def test_a_long_step_is_held_to_a_microsecond_and_the_sampler_to_a_hundredth_of_a_processor() -> None:
    found = Cost(pairs=20, step_ns=10 * MS, change=0.0002, low=0.00015, high=0.00025, cpu_share=0.004)
    assert found.change_ns == pytest.approx(2000)
    assert found.verdict() == "missed"  # 2 µs, although 0.02 %
    short = dataclasses.replace(found, step_ns=100_000)
    assert short.verdict() == "met"
    assert dataclasses.replace(short, cpu_share=0.011).verdict() == "missed"


def test_steps_at_the_edge_of_a_stretch_belong_to_none() -> None:
    begun = [0, 10, 20, 1000, 1011, 5000]
    found = cost(
        begun,
        [Stretch(on=False, begin_ns=5, end_ns=25), Stretch(on=True, begin_ns=995, end_ns=1040)] * 2,
        cpu_share=0.0,
    )
    assert found.step_ns == 10
    assert found.change == pytest.approx(0.1)


def test_a_known_pattern_of_allocations_is_reported_with_its_peak() -> None:
    """Steps of 64 MiB, 512 MiB more for a millisecond, a release: exact from inside, a lower bound by samples."""
    found = allocation.measure()
    assert found.is_exact
    assert found.is_bound
    assert found.left_bytes < 2 << 20


def test_a_wrong_peak_is_seen() -> None:
    good = allocation.Peaks(
        known_peak_bytes=780 << 20, own_peak_bytes=781 << 20, sampled_peak_bytes=300 << 20, left_bytes=0
    )
    assert good.is_exact
    assert good.is_bound
    assert not dataclasses.replace(good, own_peak_bytes=268 << 20).is_exact  # the spike was missed
    assert not dataclasses.replace(good, sampled_peak_bytes=200 << 20).is_bound  # so were the steps
    assert not dataclasses.replace(good, sampled_peak_bytes=900 << 20).is_bound  # more than there was
