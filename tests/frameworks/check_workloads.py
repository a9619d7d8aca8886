"""Run in a framework's own interpreter: every workload at its smallest size, in one mode, against the reference."""

import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

from bench.catalogue import framework_offer
from bench.framework import Skip
from bench.gate import Gate, InvalidResultError
from bench.workloads import WORKLOADS


def check(framework_name: str, mode: str, optimizer: str) -> dict[str, object]:
    """Return, for each workload, the deviations, or why there are none."""
    framework = importlib.import_module(f"bench.frameworks.{framework_name}")
    framework.start("cpu", 1)
    found: dict[str, object] = {}
    for name in WORKLOADS:
        module = importlib.import_module(f"bench.workloads.{name}")
        if "tiny" not in module.SIZES:
            continue
        if name not in framework.FORWARD:
            found[name] = "not expressed"
            continue
        workload = module.make("tiny", optimizer)
        step = framework.build(workload, mode, "float32")
        if isinstance(step, Skip):
            found[name] = step.reason
            continue
        gate = Gate(framework, workload, workload.formula(framework.ADAM), step, initial=step.parameters())
        try:
            accuracy = gate.whole("at tiny")
        except InvalidResultError as error:
            found[name] = str(error)
            continue
        kept = ("max_loss_deviation", "max_parameter_deviation", "max_gradient_deviation", "gradient_norm")
        found[name] = {key: value for key, value in dataclasses.asdict(accuracy).items() if key in kept}
    return found


if __name__ == "__main__":
    framework, mode, optimizer = sys.argv[1:]
    for variable, value in framework_offer(framework).environment:
        os.environ[variable] = value.format(threads=1, scratch=Path.cwd())
    print(json.dumps(check(framework, mode, optimizer)))
