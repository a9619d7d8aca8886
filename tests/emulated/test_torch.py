"""The real PyTorch, eager on the processor, as a program on an emulated GPU."""

from typing import Final

import pytest

from harness.host.emulated import CAVEAT
from tests.emulated.host import MODEL, USED, WORK_MW, Host
from tests.frameworks.interpreters import python_of

pytestmark = pytest.mark.frameworks


STEP_UJ: Final = 400_000.0  # well above rest also where other work makes a step of PyTorch take milliseconds


def test_its_run_is_whole(host: Host) -> None:
    host.says(f"* step_uj {STEP_UJ:.0f}")
    words = ("--framework", "emulated_torch", "--measure", "time,memory,energy", "--python", str(python_of("torch")))
    ran = host.run(*words)
    assert ran.code == 0, ran.out + ran.said
    (record,) = host.records()
    assert record.observation is not None
    assert record.environment is not None
    assert record.environment.versions[0].startswith("torch==")
    assert record.environment.device_name == MODEL
    assert record.observation.power_median_mw == WORK_MW
    assert record.observation.device_after_bytes == USED
    assert host.has_right_energy(STEP_UJ), host.energy()
    assert CAVEAT in ran.out
