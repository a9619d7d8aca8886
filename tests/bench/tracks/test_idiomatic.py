"""The hello world's own process: what it is given, and what becomes of what it prints."""

import os
import subprocess
from typing import Any

import pytest

from bench.tracks import idiomatic
from tests import factories
from tests.bench.protocol.test_replicate import turn


@pytest.mark.parametrize(("device", "gpus"), [("cpu", ""), ("cuda", "1")])
def test_a_hello_world_finds_a_gpu_only_where_its_cell_is_on_one(
    device: str, gpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, str] = {}

    def run(command: list[str], env: dict[str, str] | None = None, **options: Any) -> Any:
        given.update(env or {})
        return subprocess.CompletedProcess(command, 0, stdout="Using cpu\nweight=3.0012 bias=1.9988\n")

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setattr(subprocess, "run", run)
    cell = factories.cell(framework="torch", mode="hello", track="idiomatic", device=device)

    record = idiomatic.run(turn(cell=cell), lambda phase: None, 0)

    of_the_cpu = {"JAX_PLATFORMS": "cpu"} if device == "cpu" else {}  # JAX would look for /dev/nvidia* alone
    assert given == {**os.environ, "CUDA_VISIBLE_DEVICES": gpus, **of_the_cpu}
    assert record.status == "ok"
    assert record.idiomatic is not None
    assert (record.idiomatic.weight, record.idiomatic.bias) == (3.0012, 1.9988)
