"""Run in a framework's own interpreter: workloads at their smallest size, in one mode, against the reference."""

import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

from bench.catalogue import framework_offer
from bench.interface import Framework, Skip
from bench.protocol.gate import Gate
from bench.protocol.required import InvalidResultError
from bench.reference.precision import PRECISIONS
from bench.workloads import WORKLOADS

KEPT = (
    "max_loss_deviation",
    "max_parameter_deviation",
    "max_gradient_deviation",
    "worst_gradient",
    "gradient_norm",
    "prediction_norm",
)


def check(framework_name: str, mode: str, optimizer: str, precision: str, *only: str) -> dict[str, object]:
    """Return, for each workload or for those named (as "mlp" at its smallest size, or "mlp:S"), what was found."""
    framework = importlib.import_module(f"bench.frameworks.{framework_name}")
    framework.start("cpu", 1)
    found: dict[str, object] = {}
    for asked in only or WORKLOADS:
        name, _, size = asked.partition(":")
        module = importlib.import_module(f"bench.workloads.{name}")
        if (size or "tiny") in module.SIZES and optimizer in module.OPTIMIZERS:
            found[asked] = told(framework, name, size or "tiny", mode, optimizer, precision)
    return found


def told(
    framework: Framework, name: str, size: str, mode: str, optimizer: str, precision: str
) -> dict[str, object] | str:
    """Return what the gate and the proof of mode say of one workload, or why they say nothing."""
    if name not in framework.FORWARD:
        return "not expressed"
    workload = importlib.import_module(f"bench.workloads.{name}").make(size, optimizer)
    step = framework.build(workload, mode, precision)
    if isinstance(step, Skip):
        return step.reason
    gate = Gate(
        framework=framework,
        workload=workload,
        formula=workload.formula(framework.ADAM),
        step=step,
        precision=PRECISIONS[precision],
        initial=step.parameters(),
    )
    framework.wait(step.run(1))
    try:
        accuracy = gate.whole(f"at {size}")
    except InvalidResultError as error:
        return str(error)
    proof = dataclasses.asdict(step.proof())
    keys = ("mode", "precision", "compute_precision", "output_precision", "graph_breaks", "graph_breaks_declared")
    seen = {key: proof[key] for key in keys}
    return {key: value for key, value in dataclasses.asdict(accuracy).items() if key in KEPT} | seen


if __name__ == "__main__":
    framework, mode, optimizer, precision, *only = sys.argv[1:]
    for variable, value in framework_offer(framework).environment:
        os.environ[variable] = value.format(threads=1, scratch=Path.cwd())
    print(json.dumps(check(framework, mode, optimizer, precision, *only)))
