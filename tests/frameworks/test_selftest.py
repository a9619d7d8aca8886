"""The metronome runs like any framework, through samestep's own command."""

import pytest

from harness.selftest.checkout import checkout
from harness.selftest.clock import TICK_US, step_us
from harness.selftest.pairs import MODES

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]


def test_every_mode_of_the_metronome_passes_the_gate() -> None:
    modes = [*TICK_US, *MODES]
    with checkout(lambda line: None) as made:
        records = made.metronome(modes, profile="quick", blocks=1, seed=1).records()
    assert {record.cell.mode: record.status for record in records} == dict.fromkeys(modes, "ok")
    for mode, tick in TICK_US.items():
        step = step_us(records, mode)
        assert step is not None
        assert step >= tick  # the raw clock has moved by so much, whatever else ran
