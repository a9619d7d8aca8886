"""What the state of the machine says about a time: nothing on a clean replicate, each fault by its name."""

import dataclasses
from typing import Any

import pytest

from bench.records.observation import Observation
from harness.validity.machine import disturbances, sampler_share

CLEAN = Observation(
    gpu="GPU-1",
    sampler_cpu_ns=4_000_000,
    sampler_wall_ns=1_000_000_000,
    sm_clock_median_mhz=1980,
    sm_clock_least_mhz=1980,
    clock_events=("applications clocks setting", "gpu idle"),
    power_limit_mw=700_000,
    ecc_corrected=0,
    ecc_uncorrected=0,
    throttled_periods=0,
    thermal_violation_ns=0,
    power_violation_ns=0,
)


def named(**changes: Any) -> list[tuple[str, str]]:
    seen = dataclasses.replace(CLEAN, **changes)
    return [(one.severity, one.name) for one in disturbances(seen, [CLEAN, CLEAN, seen])]


def test_a_clean_replicate_has_no_finding_and_neither_has_one_of_which_nothing_is_known() -> None:
    assert disturbances(CLEAN, [CLEAN] * 3) == ()
    assert disturbances(Observation(), [Observation()]) == ()


@pytest.mark.parametrize(
    ("changes", "severity", "name"),
    [
        ({"foreign": ("python (4711)",)}, "invalid", "foreign process"),
        ({"foreign": ("python (4711)",), "shared_gpu": True}, "warn", "shared gpu"),
        ({"throttled_periods": 1}, "invalid", "cpu throttled"),
        ({"clock_events": ("applications clocks setting", "hw thermal slowdown")}, "invalid", "gpu throttled"),
        ({"clock_events": ("applications clocks setting", "hw power brake slowdown")}, "invalid", "gpu throttled"),
        ({"clock_events": ("applications clocks setting", "sw thermal slowdown")}, "invalid", "gpu throttled"),
        ({"thermal_violation_ns": 1}, "invalid", "gpu too hot"),
        ({"ecc_corrected": 1}, "invalid", "memory errors"),
        ({"ecc_uncorrected": 2}, "invalid", "memory errors"),
        ({"xids": (31,)}, "invalid", "gpu error"),
        ({"clock_events": ("hw slowdown", "hw thermal slowdown")}, "invalid", "gpu throttled"),
        ({"sm_clock_median_mhz": 1920}, "invalid", "low clock"),
        ({"clock_events": ("applications clocks setting", "sw power cap")}, "warn", "power cap"),
        ({"power_violation_ns": 5}, "warn", "power cap"),
        ({"clock_events": ("sw power cap",), "sm_clock_least_mhz": 1500}, "warn", "power cap"),
        ({"clock_events": (), "sm_clock_least_mhz": 1900}, "warn", "unlocked clocks"),
        ({"clock_events": ("gpu idle", "sync boost")}, "warn", "unlocked clocks"),
        ({"sampler_cpu_ns": 5_100_000}, "warn", "sampler"),
    ],
)
def test_each_fault_is_found_and_nothing_else(changes: dict[str, Any], severity: str, name: str) -> None:
    assert named(**changes) == [(severity, name)]


@pytest.mark.parametrize(
    "events",
    [
        (),  # locked clocks give no reason on some GPUs, and that of applications on others
        ("hw slowdown",),  # without heat and brake it comes with every change of clocks
        ("gpu idle",),
        ("display clock setting",),
        ("board limit", "reliability"),
        ("reason 0x100000",),
    ],
)
def test_reasons_that_say_nothing_against_a_time(events: tuple[str, ...]) -> None:
    assert named(clock_events=events) == []


def test_clocks_are_called_unlocked_where_they_changed() -> None:
    assert named(clock_events=(), sm_clock_least_mhz=1965) == []  # the next step of the clocks
    assert named(clock_events=(), sm_clock_least_mhz=1964) == [("warn", "unlocked clocks")]
    assert named(clock_events=(), sm_clock_least_mhz=None) == []
    assert named(sm_clock_least_mhz=1500) == []  # a person set them


def test_a_clock_at_97_percent_of_the_blocks_median_will_do() -> None:
    assert named(sm_clock_median_mhz=1921) == []  # 0.97 × 1980 = 1920.6


def test_a_clock_is_held_to_replicates_on_the_same_gpu() -> None:
    slow = dataclasses.replace(CLEAN, gpu="GPU-2", sm_clock_median_mhz=1200)
    assert disturbances(slow, [CLEAN, CLEAN, slow]) == ()


def test_a_finding_is_a_sentence_with_its_figure() -> None:
    seen = dataclasses.replace(CLEAN, sm_clock_median_mhz=1485, foreign=("python (4711)", "Xorg (812)"))
    assert [one.sentence for one in disturbances(seen, [CLEAN, CLEAN, seen])] == [
        "python (4711), Xorg (812) used the GPU as well",
        "the GPU ran at 1485 MHz, 75% of its block's median",
    ]


def test_the_share_of_a_sampler_that_was_not_there_is_unknown() -> None:
    assert sampler_share(Observation()) is None
    assert sampler_share(CLEAN) == pytest.approx(0.004)
