"""A remedy for each cell that does not work, from its status and from what frameworks and drivers say."""

from typing import Any

import pytest

from bench.records.record import Record
from harness.doctor.deep.remedies import OWN, Place, remedy
from tests import factories

HERE = Place(device="cuda", launcher="venv", in_container=False)
CONTAINER = Place(device="cuda", launcher="docker", in_container=True)


def failed(reason: str, **changes: Any) -> Record:
    failure = changes.pop("failure", factories.failure(phase="first_step"))
    return factories.record(status="failed", reason=reason, failure=failure, **changes)


def said(record: Record, place: Place = HERE) -> str:
    return remedy(record, place, limit_s=60)


@pytest.mark.parametrize(
    ("reason", "helps"),
    [
        ("CUDA error: no kernel image is available for execution on the device", "has no code for this GPU"),
        ("The NVIDIA driver on your system is too old (found version 12020)", "install a newer NVIDIA driver"),
        ("CUDA driver version is insufficient for CUDA runtime version", "install a newer NVIDIA driver"),
        ("RuntimeError: PyTorch finds no CUDA device", "check that nvidia-smi shows the GPU"),
        ("RuntimeError: Unknown backend: 'cuda' requested", "check that nvidia-smi shows the GPU"),
        ("fatal error: Python.h: No such file or directory", "apt install g++ libpython3-dev"),
        ("OSError: [Errno 28] No space left on device", "TMPDIR"),
        ("ModuleNotFoundError: No module named 'torch'", "make its environment again"),
        ("Segmentation fault", OWN),
    ],
)
def test_known_words_have_their_remedy_and_all_else_is_reported(reason: str, helps: str) -> None:
    assert helps in said(failed(reason))


def test_the_last_lines_of_a_failure_are_looked_at_too() -> None:
    failure = factories.failure(phase="first_step", tail=("RuntimeError", "libcuda.so.1: cannot open shared object"))
    assert "nvidia-smi" in said(failed("it broke", failure=failure))


def test_in_a_container_the_remedy_is_one_for_containers() -> None:
    assert "NVIDIA Container Toolkit" in said(failed("PyTorch finds no CUDA device"), CONTAINER)
    assert "build torch --device cuda" in said(failed("No module named 'torch'"), CONTAINER)


def test_a_cell_that_was_out_of_time_says_how_long_it_had_and_how_it_gets_more() -> None:
    text = said(factories.record(status="timeout", reason="first_step: still running after 60 s"))
    assert text.startswith("it was given 60 s; with more time: ")
    assert text.endswith("--framework torch --mode eager --minutes 10")


def test_memory_that_is_used_up_is_the_gpus_or_the_containers() -> None:
    oom = factories.record(status="oom", reason="x")
    assert "nvidia-smi" in said(oom)
    assert "SAMESTEP_MEMORY" in said(oom, Place(device="cpu", launcher="docker", in_container=True))


def test_what_works_was_skipped_or_says_it_itself_has_none() -> None:
    model = "launch: there is no model from torch: import: it broke"
    assert said(failed(model, failure=factories.failure(phase="export"))) == ""
    launch = factories.failure(phase="launch")
    assert said(factories.record()) == ""
    assert said(factories.record(status="skipped", reason="a CUDA graph needs a GPU")) == ""
    assert said(failed("launch: there is no image x: samestep build x", failure=launch)) == ""
    assert said(failed("launch: no process", failure=launch)) == "samestep doctor says what it lacks"
