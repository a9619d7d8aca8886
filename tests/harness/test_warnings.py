"""What a run says before it begins."""

import dataclasses

import pytest

from harness.session import _warnings
from tests.factories import cell, record, run


@pytest.mark.parametrize(
    ("launcher", "device", "driver", "said"),
    [
        ("venv", "cuda", "550.54.15", True),
        ("docker", "cuda", "550.54.15", True),
        ("workers", "cuda", "550.54.15", True),
        ("here", "cuda", "550.54.15", False),  # its libraries are not those of the locks
        ("venv", "cpu", "550.54.15", False),
        ("venv", "cuda", "580.95.05", False),
        ("venv", "cuda", "", False),
    ],
)
def test_a_driver_too_old_for_a_framework_of_the_run_is_said(
    launcher: str, device: str, driver: str, said: bool
) -> None:
    facts = run([record(cell(framework="torch", device=device))]).facts
    host = dataclasses.replace(facts.host, driver=driver)
    told = _warnings(dataclasses.replace(facts, launcher=launcher, device=device, host=host))
    assert any("too old for the CUDA of torch" in line for line in told) == said
