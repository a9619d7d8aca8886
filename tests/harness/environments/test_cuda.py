"""Which CUDA the locks bring, and which driver that needs: one table for images, doctor and the pages."""

import re
from pathlib import Path

import pytest

from bench.frameworks import FRAMEWORKS
from harness.environments import cuda, locks

ON_GPUS = tuple(name for name in locks.asked_for("cuda"))


@pytest.mark.parametrize(
    ("lock", "major"),
    [
        ("nvidia-cublas-cu12==12.9.3.13 \\\nnvidia-cuda-runtime-cu12==12.9.79 \\\n", 12),
        ("torch==2.13.0\nnvidia-cuda-runtime==13.0.96 \\\n", 13),
        ("numpy==2.4.6\n", None),
    ],
)
def test_reads_from_a_lock_which_cuda_it_brings(lock: str, major: int | None) -> None:
    assert cuda.major(lock) == major


def test_every_cuda_in_the_locks_has_its_least_driver() -> None:
    assert set(cuda.of_all()) >= {"torch", "tensorflow", "jax", "onnxruntime"}
    assert set(cuda.of_all().values()) <= set(cuda.LEAST_DRIVER)


@pytest.mark.parametrize("framework", [*ON_GPUS, "harness"])
def test_an_image_demands_no_newer_cuda_than_its_lock_brings(framework: str) -> None:
    brings = cuda.of(framework)
    assert cuda.requirement(framework) == f"cuda>={brings or 12}.0"


def test_a_framework_without_a_lock_demands_what_every_image_can(tmp_path: Path) -> None:
    assert cuda.of("torch", tmp_path) is None
    assert cuda.requirement("torch", tmp_path) == "cuda>=12.0"


@pytest.mark.parametrize(
    ("driver", "short"),
    [(580, {}), (579, {"torch": 580}), (525, {"torch": 580}), (524, {"torch": 580, "tensorflow": 525})],
)
def test_a_driver_is_old_for_what_needs_a_newer_one(driver: int, short: dict[str, int]) -> None:
    assert cuda.too_old(driver, {"torch": 13, "tensorflow": 12}) == short


def test_what_is_written_beside_the_requirements_and_in_the_pages_is_what_the_locks_need() -> None:
    for path in (locks.ROOT / "images" / "cuda").glob("*.in"):
        (said,) = re.findall(r"wants driver (\d+) or newer", path.read_text())
        assert int(said) == cuda.LEAST_DRIVER[cuda.of_all()[path.stem]], path.name
    page = " ".join((locks.ROOT / "docs" / "containers.md").read_text().split())
    table = {
        name: int(driver)
        for driver, names in re.findall(r"\| (\d+) or newer \| \d+ \| ([^|]+) \|", page)
        for name in re.findall(r"`(\w+)`", names)
    }
    needed = {name: cuda.LEAST_DRIVER[cuda.of(name) or min(cuda.LEAST_DRIVER)] for name in ON_GPUS}
    needed["harness"] = min(cuda.LEAST_DRIVER.values())
    assert table == {name: needed[name] for name in table}  # a framework that was just added may not be in it
    assert {"torch", "tensorflow", "jax", "harness"} <= set(table)
    assert set(ON_GPUS) <= set(FRAMEWORKS)


def test_a_driver_that_is_too_old_for_frameworks_of_a_run_is_said_in_one_sentence() -> None:
    said = cuda.warning("550.54.15", ["numpy", "torch", "tensorflow"])
    assert said == (
        "The NVIDIA driver 550.54.15 is too old for the CUDA of torch (CUDA 13: 580): install 580 or newer, or leave"
        " them out."
    )
    assert cuda.warning("470.1-emulated", ["tensorflow"]).startswith("The NVIDIA driver 470.1-emulated is too old")
    assert cuda.warning("580.95.05", ["torch", "tensorflow"]) == ""
    assert cuda.warning("550.54.15", ["tensorflow", "numpy"]) == ""
    assert cuda.warning("", ["torch"]) == cuda.warning("unknown", ["torch"]) == ""
