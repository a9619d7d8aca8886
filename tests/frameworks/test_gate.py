"""Every mode of every framework does the same arithmetic, proves its mode, and a spoiled one is found out."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import catalogue, plain_mode
from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in, skip_without_programs
from tests.frameworks.sampling import EVERY_FRAMEWORK, sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

OFFERS = {offer.name: offer for offer in catalogue().frameworks if not offer.exhibit}
CELLS = [(name, mode.name) for name, offer in OFFERS.items() for mode in offer.modes if not mode.source]
PLAIN = {name: plain_mode(offer) for name, offer in OFFERS.items() if not offer.modes[0].source}
COMPILED = {"compile", "reduce-overhead", "max-autotune", "fit-compile", "fit-jit"}  # ten seconds and more each
TOLERANCE = 1e-4  # float32 against float64: 2e-5 where 1 - 0.999^t is formed in float32


def gate(scratch: Path, *cell: str, **environment: str) -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_gate.py"
    printed = run_in(cell[0], scratch, str(script), *cell, **environment)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("framework", "mode", "optimizer"),
    sampled(
        [(*cell, "adam") for cell in CELLS] + [(*cell, "sgd") for cell in CELLS if cell[1] not in COMPILED],
        *((*cell, "adam") for cell in EVERY_FRAMEWORK),
        ("numpy", "eager", "sgd"),
        ("jax", "scan", "sgd"),
    ),
)
def test_a_mode_follows_the_reference_and_proves_itself(
    framework: str, mode: str, optimizer: str, tmp_path: Path
) -> None:
    skip_without_programs(framework)
    found = gate(tmp_path, framework, mode, optimizer)

    if "skipped" in found:
        assert (mode, found["skipped"]) == ("cuda-graph", "a CUDA graph needs an NVIDIA GPU; this is the CPU")
        return
    assert found["loss_deviation"] <= TOLERANCE
    assert found["parameter_deviation"] <= TOLERANCE
    assert found["built_sha256"] == found["restored_sha256"] == found["initial_sha256"]
    proof = found["proof"]
    assert (proof["mode"], proof["device"], proof["precision"]) == (mode, "cpu", "float32")
    assert proof["threads"] in (None, 1)
    assert found["recompiled"] == 0, "after the first 200 steps nothing is traced or compiled again"
    assert re.search("TF32|tf32", found["tf32"]), "a CPU must refuse TF32"
    assert (proof["graph_breaks"] or 0) <= proof["graph_breaks_declared"]
    assert not proof["guard_failures"]
    assert found["cuda"], "a build for the CPU must refuse CUDA"


@pytest.mark.parametrize(
    ("framework", "fault"),
    sampled(
        itertools.product(PLAIN, ["rate", "order", "zeros"]),
        ("torch", "rate"),
        ("tensorflow", "order"),
        ("jax", "zeros"),
    ),
)
def test_a_wrong_step_is_far_from_the_reference(framework: str, fault: str, tmp_path: Path) -> None:
    assert gate(tmp_path, framework, PLAIN[framework], "adam", fault)["loss_deviation"] > 10 * TOLERANCE


@pytest.mark.parametrize("framework", sampled(PLAIN, "flax"))
def test_other_initial_parameters_have_another_hash(framework: str, tmp_path: Path) -> None:
    found = gate(tmp_path, framework, PLAIN[framework], "sgd", "start")

    assert found["built_sha256"] != found["initial_sha256"]


@pytest.mark.parametrize(
    ("framework", "mode", "switch", "ran"),
    sampled(
        [
            ("torch", "compile", "TORCHDYNAMO_DISABLE", "eager"),
            ("jax", "jit", "JAX_DISABLE_JIT", "op-by-op"),
            ("jax", "scan", "JAX_DISABLE_JIT", "op-by-op"),
        ],
        ("jax", "jit", "JAX_DISABLE_JIT", "op-by-op"),
    ),
)
def test_a_mode_that_was_switched_off_is_not_claimed(
    framework: str, mode: str, switch: str, ran: str, tmp_path: Path
) -> None:
    found = gate(tmp_path, framework, mode, "sgd", **{switch: "1"})

    assert found["proof"]["mode"] == ran
    assert found["loss_deviation"] <= TOLERANCE, "it computes the same, in another mode"


@pytest.mark.parametrize(
    ("framework", "mode"),
    sampled([("tensorflow", "xla"), ("keras_tensorflow", "batch-jit")], ("tensorflow", "xla")),
)
def test_a_function_that_was_never_traced_is_called_eager(framework: str, mode: str, tmp_path: Path) -> None:
    found = gate(tmp_path, framework, mode, "sgd", "eagerly")

    assert found["proof"]["mode"] in ("eager", "batch-eager")
    assert found["loss_deviation"] <= TOLERANCE, "it computes the same, in another mode"
