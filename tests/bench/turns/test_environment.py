"""The name of what a replicate computed on is the accelerator's on a GPU, never the processor's."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.records import codec
from bench.records.record import Environment, Record
from bench.turns.environment import accelerator_name, cpu_model
from harness.run.runner import named
from tests import factories
from tests.bench.protocol.test_replicate import fake, run
from tests.bench.protocol.test_replicate import turn as a_turn


class Driver:
    """The calls of libcuda that name a GPU."""

    def __init__(self, *names: str, error: int = 0) -> None:
        self.names = names
        self.error = error

    def cuInit(self, flags: int) -> int:  # noqa: N802 # here and below: the library's names
        assert flags == 0
        return self.error

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        if self.error or index >= len(self.names):
            return 101
        device._obj.value = 40 + index
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:  # noqa: N802
        name.value = self.names[device.value - 40].encode()[: length - 1]
        return 0


def no_library() -> Driver:
    raise OSError("libcuda.so.1: cannot open shared object file")


def measured(monkeypatch: pytest.MonkeyPatch, driver: Callable[[], object], device: str) -> Environment:
    """The environment of a replicate, as its process writes it and the harness reads it."""
    monkeypatch.setattr("bench.turns.environment.ctypes.CDLL", lambda name: driver())
    record = run(fake(device=device), a_turn(cell=factories.cell(device=device)))
    assert record.status == "ok"
    read = codec.from_json(codec.to_json(record))
    assert read.environment
    return read.environment


def test_on_a_gpu_it_is_the_first_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = measured(monkeypatch, lambda: Driver("NVIDIA H100 80GB HBM3", "NVIDIA A400"), "cuda")
    assert (seen.device_name, seen.cpu) == ("NVIDIA H100 80GB HBM3", cpu_model())


@pytest.mark.parametrize(
    "driver",
    [no_library, Driver, lambda: Driver("NVIDIA H100", error=100), object],
    ids=["no driver", "no GPU", "not initialised", "another library"],
)
def test_a_gpu_without_a_name_has_not_the_processors(
    monkeypatch: pytest.MonkeyPatch, driver: Callable[[], object]
) -> None:
    assert measured(monkeypatch, driver, "cuda").device_name == ""


def test_on_the_processor_it_is_the_processors_and_no_gpu_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> Driver:
        raise AssertionError("a run on the processor asks no GPU")

    assert measured(monkeypatch, asked, "cpu").device_name == cpu_model()


def test_where_the_real_library_is_missing_the_name_is_empty() -> None:
    if not Path("/dev/nvidiactl").exists():
        assert accelerator_name() == ""


def test_the_harness_names_the_gpu_where_the_process_could_not() -> None:
    def on(device: str, name: str) -> Record:
        record = factories.record(factories.cell(device=device))
        return dataclasses.replace(record, environment=factories.environment(device_name=name))

    def name(record: Record) -> str:
        assert record.environment
        return record.environment.device_name

    assert name(named(on("cuda", ""), "NVIDIA H100")) == "NVIDIA H100"
    assert name(named(on("cuda", "NVIDIA L4"), "NVIDIA H100")) == "NVIDIA L4"
    assert name(named(on("cpu", ""), "NVIDIA H100")) == ""
    assert named(dataclasses.replace(on("cuda", ""), environment=None), "NVIDIA H100").environment is None
