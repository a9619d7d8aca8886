"""Put one cell through the gate in this interpreter and print what was found as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_gate.py FRAMEWORK MODE OPTIMIZER [FAULT]

A script, since it runs in a framework's own environment, where no pytest is needed. It sets the framework's ENVIRONMENT
before importing it, as the runner does. FAULT spoils the run on purpose: one of `SPOILED`, or "eagerly", which makes
TensorFlow run traced functions without tracing them.
"""

import dataclasses
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from bench.catalogue import framework_offer
from bench.interface import Framework, Skip, Step
from bench.reference.inputs import Resident
from bench.reference.trajectory import Trajectory, reference
from bench.reference.workload import Array32, Workload, sha256
from bench.workloads import regression

THREADS: Final = 1
TIMED_STEPS: Final = 400


def slower_by_one_percent(workload: Workload) -> Workload:
    optimizer = workload.optimizer
    return dataclasses.replace(
        workload, update=dataclasses.replace(optimizer, learning_rate=0.99 * optimizer.learning_rate)
    )


def shuffled(workload: Workload) -> Workload:
    return dataclasses.replace(workload, inputs=Resident(x=workload.batch.x, y=workload.batch.y[::-1].copy()))


def zeroed(workload: Workload) -> Workload:
    return dataclasses.replace(workload, inputs=Resident(**_zeros(workload.batch.by_name())))


def started_elsewhere(workload: Workload) -> Workload:
    return dataclasses.replace(workload, parameters=_zeros(workload.parameters))


def _zeros(arrays: Mapping[str, Array32]) -> dict[str, Array32]:
    return {name: np.zeros_like(array) for name, array in arrays.items()}


SPOILED: Final[Mapping[str, Callable[[Workload], Workload]]] = {
    "rate": slower_by_one_percent,
    "order": shuffled,
    "zeros": zeroed,
    "start": started_elsewhere,
}


@dataclasses.dataclass(frozen=True)
class Gate:
    """A built step beside what the reference expects of it."""

    framework: Framework
    step: Step
    expected: Trajectory

    def loss_deviation(self, outputs: Sequence[Any]) -> float:
        losses, target = self.framework.to_numpy(outputs), np.asarray(self.expected.losses)
        assert losses.shape == target.shape, f"{losses.shape} losses"
        return float(np.max(np.abs(losses - target) / np.maximum(1, np.abs(target))))

    def parameter_deviation(self) -> float:
        now = self.step.parameters()
        return max(float(np.max(np.abs(now[name] - value))) for name, value in self.expected.parameters.items())

    def run(self, updates: int) -> Sequence[Any]:
        outputs = self.step.run(updates // self.step.steps_per_call)
        self.framework.wait(outputs)
        return outputs


def check(framework: Framework, mode: str, optimizer: str, fault: str) -> dict[str, object]:
    """Train from the start three times: at once, after a reset in two parts, and after a reset and further steps."""
    workload = regression.make("base", optimizer)
    given = SPOILED[fault](workload) if fault in SPOILED else workload
    framework.start("cpu", THREADS)
    step = framework.build(given, mode, "float32")
    if isinstance(step, Skip):
        return {"skipped": step.reason}
    gate = Gate(framework, step, reference(workload, workload.formula(framework.ADAM)))
    built = sha256(step.parameters())
    first_ns = timed(lambda: gate.run(step.steps_per_call))
    step.reset()
    restored = sha256(step.parameters())
    deviations = [gate.loss_deviation(gate.run(workload.steps))]
    parameter_deviations = [gate.parameter_deviation()]
    before = step.proof()

    step.reset()
    half = workload.steps // 2 if step.steps_per_call == 1 and step.guest is None else 0
    deviations.append(gate.loss_deviation([*gate.run(half), *gate.run(workload.steps - half)]))
    steps = TIMED_STEPS if step.fit is None else TIMED_STEPS // 20  # an epoch of Keras takes up to 60 ms
    steps_ns = timed(lambda: gate.run(steps))

    step.reset()
    deviations.append(gate.loss_deviation(gate.run(workload.steps)))
    parameter_deviations.append(gate.parameter_deviation())
    proof = step.proof()
    return {
        "loss_deviation": max(deviations),
        "parameter_deviation": max(parameter_deviations),
        "initial_sha256": sha256(workload.parameters),
        "built_sha256": built,
        "restored_sha256": restored,
        "proof": dataclasses.asdict(proof),
        "recompiled": (proof.compilations or 0) - (before.compilations or 0),
        "memory": dataclasses.asdict(framework.memory()),
        "versions": list(framework.versions()),
        "tf32": reason_to_skip(framework.build(workload, mode, "tf32")),
        "cuda": reason_against_cuda(framework),
        "first_ms": first_ns / 1e6,
        "step_us": steps_ns / steps / 1e3,
    }


def timed(run: Callable[[], object]) -> int:
    begin = time.perf_counter_ns()
    run()
    return time.perf_counter_ns() - begin


def reason_to_skip(built: Step | Skip) -> str:
    return built.reason if isinstance(built, Skip) else ""


def reason_against_cuda(framework: Framework) -> str:
    """Return what `start` says of the device that a build for the CPU does not have."""
    try:
        framework.start("cuda", THREADS)
    except RuntimeError as error:
        return str(error)
    return ""


def main(name: str, mode: str, optimizer: str, fault: str = "") -> None:
    with tempfile.TemporaryDirectory(prefix="samestep-gate-") as scratch:
        for variable, value in framework_offer(name).environment:
            os.environ[variable] = value.format(threads=THREADS, scratch=scratch)
        framework: Framework = importlib.import_module(f"bench.frameworks.{name}")
        if fault == "eagerly":
            importlib.import_module("tensorflow").config.run_functions_eagerly(True)
        print(json.dumps(check(framework, mode, optimizer, fault)))


if __name__ == "__main__":
    main(*sys.argv[1:])
