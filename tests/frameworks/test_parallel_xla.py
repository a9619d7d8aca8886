"""Strategies of JAX, Flax, Keras and TensorFlow compute the global batch's step; faults between ranks are found out."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

ONE_PROCESS = [
    ("jax", "sharded-jit"),
    ("jax", "shard-map"),
    ("flax", "sharded-jit"),
    ("keras_jax", "data-parallel"),
    ("tensorflow", "mirrored"),
]
PROCESSES = [("jax", "multi-process"), ("tensorflow", "multi-worker")]
LOSS_BYTES = 4  # which JAX exchanges together with the gradient
DIFFER = r"^rank 1 has other parameters than rank 0"
GRADIENT = r"^the gradient of .* differs from the float64 reference by 1\.00e\+00 of its norm"
LOSSES = r"^the losses differ from the float64 reference"


def trained(scratch: Path, framework: str, strategy: str, *rest: str, ranks: int = 2) -> dict[str, Any]:
    script = str(ROOT / "tests" / "frameworks" / "check_parallel_xla.py")
    given = rest or ("mlp", "tiny")
    found: dict[str, Any] = json.loads(
        run_in(framework, scratch, script, framework, strategy, str(ranks), *given).splitlines()[-1]
    )
    return found


def of_processes(scratch: Path, framework: str, strategy: str, fault: str = "") -> list[dict[str, Any]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"

    def of_rank(rank: int) -> dict[str, Any]:
        folder = scratch / str(rank)
        folder.mkdir()
        return trained(folder, framework, strategy, "mlp", "tiny", fault, str(rank), address)

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(of_rank, range(2)))


@pytest.mark.parametrize(
    ("framework", "strategy", "workload"),
    sampled(
        [(*each, workload) for each in ONE_PROCESS for workload in ("mlp", "convnet", "transformer")],
        ("jax", "shard-map", "mlp"),
    ),
)
def test_two_devices_make_the_step_of_the_global_batch(
    framework: str, strategy: str, workload: str, tmp_path: Path
) -> None:
    found = trained(tmp_path, framework, strategy, workload, "tiny")

    assert found["fault"] == ""
    assert len(found["copies"]) == 2
    assert (found["recompiled"], found["proof"]["guard_failures"]) == (0, 0)
    assert (found["proof"]["mode"], found["proof"]["device"], found["proof"]["threads"]) == (strategy, "cpu", 2)
    assert found["devices"] == ["cpu", "cpu"]
    assert (found["exchange"]["ranks"], found["exchange"]["operations"]) == (2, ["all-reduce"])
    assert found["exchange"]["count"] >= 1
    assert found["exchange"]["bytes"] - found["parameter_bytes"] in (0, LOSS_BYTES)
    assert found["restored"] == [found["initial"]] * 2
    assert bool(found["apart_why"]) == ("apart" not in found)
    assert len(set(found.get("apart", ("one", "other")))) == 2, "without the exchange each goes its own way"


@pytest.mark.parametrize(("framework", "strategy"), sampled(PROCESSES))
def test_two_processes_make_the_step_of_the_global_batch(framework: str, strategy: str, tmp_path: Path) -> None:
    first, second = of_processes(tmp_path, framework, strategy)

    assert (first["fault"], second["fault"]) == ("", "")
    assert first["copies"] == second["copies"]
    assert first["apart"] != second["apart"]
    assert first["proof"]["compilations"] == second["proof"]["compilations"]
    for found in (first, second):
        assert (found["proof"]["mode"], found["proof"]["threads"], found["recompiled"]) == (strategy, 1, 0)
        assert found["exchange"]["backend"] == {"jax": "gloo", "tensorflow": "ring"}[framework]
        assert (found["exchange"]["ranks"], found["exchange"]["operations"]) == (2, ["all-reduce"])
        assert found["exchange"]["bytes"] - found["parameter_bytes"] in (0, LOSS_BYTES)


@pytest.mark.parametrize(("framework", "strategy"), sampled(ONE_PROCESS))
def test_a_single_rank_makes_the_plain_step(framework: str, strategy: str, tmp_path: Path) -> None:
    found = trained(tmp_path, framework, strategy, ranks=1)

    assert (found["fault"], found["proof"]["mode"], len(found["copies"])) == ("", strategy, 1)
    assert not found["proof"]["guard_failures"]


@pytest.mark.parametrize(
    ("framework", "strategy", "fault", "sentence"),
    sampled(
        [
            *((*each, "wrong shard", LOSSES) for each in ONE_PROCESS),
            # Adam does not notice a sum in place of the mean: only the gradient shows it
            ("jax", "shard-map", "jax: sum", GRADIENT),
            ("tensorflow", "mirrored", "tensorflow: sum", GRADIENT),
            ("jax", "shard-map", "jax: no exchange", DIFFER),
            ("tensorflow", "mirrored", "tensorflow: no exchange", DIFFER),
            ("jax", "sharded-jit", "drift", DIFFER),
        ],
        ("jax", "shard-map", "jax: sum", GRADIENT),
    ),
)
def test_a_fault_between_two_devices_is_found_out(
    framework: str, strategy: str, fault: str, sentence: str, tmp_path: Path
) -> None:
    found = trained(tmp_path, framework, strategy, "mlp", "tiny", fault)

    assert_told(found["fault"], sentence)


@pytest.mark.parametrize(
    ("framework", "strategy", "fault"),
    sampled(
        [
            ("jax", "multi-process", "wrong shard"),
            ("jax", "multi-process", "jax: sum"),
            ("jax", "multi-process", "jax: no exchange"),
            ("tensorflow", "multi-worker", "wrong shard"),
            ("tensorflow", "multi-worker", "tensorflow: sum"),
            ("tensorflow", "multi-worker", "tensorflow: no exchange"),
        ]
    ),
)
def test_a_fault_between_two_processes_is_found_out(framework: str, strategy: str, fault: str, tmp_path: Path) -> None:
    first, second = of_processes(tmp_path, framework, strategy, fault)

    differ = first["copies"] != second["copies"]
    assert differ == fault.endswith("no exchange")
    if not differ:
        assert_told(first["fault"], r"^(the gradient of .*|a trained parameter) differs from the .*reference")


def assert_told(fault: str, sentence: str) -> None:
    """Assert that what the gate says is this sentence."""
    assert re.search(sentence, fault), fault


@pytest.mark.parametrize(
    ("framework", "reason"),
    sampled(
        [
            (
                "keras_tensorflow",
                "Keras' DataParallel on TensorFlow is accepted and splits nothing: of 2 devices all weights lie on"
                " cpu:0",
            ),
            ("keras_torch", "Keras has no distribution API on PyTorch ('NoneType' object has no attribute"),
        ],
    ),
)
def test_keras_splits_a_step_on_jax_alone(framework: str, reason: str, tmp_path: Path) -> None:
    assert trained(tmp_path, framework, "data-parallel")["skipped"].startswith(reason)
