"""How many calls a round has: the median of three decides, and what two have decided is not made a third time."""

import pytest

from bench.interface import Step
from bench.protocol.rounds import RoundTimer
from bench.workloads import make
from tests.fakes import FakeClock, FakeFramework

FLOOR = 1000


@pytest.mark.parametrize(
    ("took", "calls", "made"),
    [
        ([50_000], 1, 1),
        ([49_999, 1000], 1, 2),
        ([49_999, 999, 999, 1000, 1000], 2, 5),
        ([999, 1000, 1001], 1, 3),
        ([1000, 999, 1000], 1, 3),
        ([1000, 999, 999, 1000, 1000], 2, 5),
        ([999, 999, 999, 2000, 999, 1000, 1000], 4, 7),
    ],
)
def test_calibration_is_the_median_of_three(
    took: list[int], calls: int, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    framework = FakeFramework(clock)
    step = framework.build(make("regression", size="base", optimizer="adam"), "eager", "float32")
    assert isinstance(step, Step)
    asked: list[int] = []

    def time(_: RoundTimer, of: int) -> int:
        asked.append(of)
        return took[len(asked) - 1]

    monkeypatch.setattr(RoundTimer, "time", time)
    assert RoundTimer(framework, step, clock).calibrate(FLOOR) == calls
    assert len(asked) == made
