"""Two runs on different accelerators are not compared; where one is not known, nothing is claimed."""

import dataclasses

import pytest

from harness.compare.compare import compare
from harness.validity.results import Run
from tests import factories

STEPS_US = (100.0, 101, 99, 100, 102, 98)


def made(device_name: str, gpu: str, *, device: str = "cuda", seed: int = 42) -> Run:
    """A run on a GPU whose records name `device_name`, and whose facts name `gpu`."""
    cell, environment = factories.cell(device=device), factories.environment(device_name=device_name)
    records = [
        factories.record(cell, block=block, round_ns=(round(step * 1000),) * 5, environment=environment)
        for block, step in enumerate(STEPS_US, start=1)
    ]
    host = dataclasses.replace(factories.run_facts().host, gpu=gpu)
    return factories.run(records, host=host, seed=seed, device=device)


def why(a: Run, b: Run) -> str:
    (cell,) = compare(a, b).cells
    return cell.why


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (("NVIDIA H100", "NVIDIA H100"), ("NVIDIA L4", "NVIDIA L4")),
        (("A processor", "NVIDIA H100"), ("A processor", "NVIDIA L4")),  # both written before the name was mended
        (("A processor", "NVIDIA H100"), ("NVIDIA L4", "NVIDIA L4")),
        (("NVIDIA H100", ""), ("", "NVIDIA L4")),
    ],
)
def test_another_accelerator_is_not_comparable(a: tuple[str, str], b: tuple[str, str]) -> None:
    assert why(made(*a), made(*b)) == "other accelerator: NVIDIA H100 (A), NVIDIA L4 (B)"


@pytest.mark.parametrize(
    "b",
    [
        ("NVIDIA H100", "NVIDIA H100"),
        ("A processor", "NVIDIA H100"),
        ("A processor", ""),
        ("A processor", "NVIDIA A400, NVIDIA H100"),  # which of them is not known
        ("", ""),
    ],
)
def test_the_same_accelerator_or_an_unknown_one_is_no_obstacle(b: tuple[str, str]) -> None:
    assert "accelerator" not in why(made("NVIDIA H100", "NVIDIA H100"), made(*b))


def test_on_the_processor_the_hosts_gpu_says_nothing() -> None:
    a, b = (made("A processor", gpu, device="cpu") for gpu in ("NVIDIA H100", "NVIDIA L4"))
    assert "accelerator" not in why(a, b)
