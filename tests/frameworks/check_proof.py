"""Spoil one mode of a framework on PyTorch, run a few steps and print its proof, or why it was skipped, as JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_proof.py FRAMEWORK MODE [FAULT]

A script for the framework's own environment, as `check_gate.py` is. FAULT is one of `FAULTS`;
without one, nothing is spoiled.
"""

import dataclasses
import importlib
import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Final

from bench.catalogue import framework_offer
from bench.interface import Framework, Skip
from bench.workloads import regression

STEPS: Final = 3

_inputs: list[Any] = []  # the tensors that the step closes over


def break_the_graph() -> None:
    """Give the regression a model that returns to Python in the middle of its forward pass."""
    import torch

    from bench.frameworks._torch import models

    class Broken(torch.nn.Linear):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            prediction = super().forward(x)
            torch._dynamo.graph_break()
            return prediction + 0

    models.FORWARD["regression"] = dataclasses.replace(
        models.FORWARD["regression"], model=lambda workload: Broken(1, 1)
    )


def take_the_default_optimizer() -> None:
    """Let the fused mode fall back to the optimiser that PyTorch chooses on a CPU."""
    module = importlib.import_module("bench.frameworks.torch")
    module.OPTIMIZER["fused"] = {}


def hide_the_headers() -> None:
    """Say, as Python does on a Debian without python3-dev, that its headers lie in a folder that is not there."""
    told = sysconfig.get_path

    def get_path(name: str, *arguments: Any, **options: Any) -> str:
        return "/nonexistent/include" if name == "include" else told(name, *arguments, **options)

    sysconfig.get_path = get_path


def shrink_the_inputs() -> None:
    """Cut the inputs, in place, after the first step."""
    for tensor in _inputs:
        tensor.resize_(100, 1)


def take_another_thread() -> None:
    """Change the thread count behind the suite's back."""
    importlib.import_module("torch").set_num_threads(2)


BEFORE_BUILD: Final[Mapping[str, Callable[[], None]]] = {
    "break": break_the_graph,
    "default-optimizer": take_the_default_optimizer,
    "no-headers": hide_the_headers,
}
AFTER_FIRST_STEP: Final[Mapping[str, Callable[[], None]]] = {"shape": shrink_the_inputs, "threads": take_another_thread}
FAULTS: Final = {"": None, **BEFORE_BUILD, **AFTER_FIRST_STEP}


def _remember_the_inputs() -> None:
    """Note the tensors that the step will close over."""
    from bench.frameworks._torch import training

    placed = training.placed

    def remembering(workload: Any, precision: str) -> Any:
        model, *tensors = placed(workload, precision)
        _inputs.extend(tensors)
        return model, *tensors

    training.placed = remembering


def check(framework: Framework, mode: str, fault: str) -> dict[str, Any]:
    assert fault in FAULTS, fault
    framework.start("cpu", 1)
    _remember_the_inputs()
    BEFORE_BUILD.get(fault, lambda: None)()
    step = framework.build(regression.make("base", "adam"), mode, "float32")
    if isinstance(step, Skip):
        return {"skipped": step.reason}
    framework.wait(step.run(STEPS))
    before = step.proof()
    AFTER_FIRST_STEP.get(fault, lambda: None)()
    framework.wait(step.run(STEPS))
    return {"before": dataclasses.asdict(before), "after": dataclasses.asdict(step.proof())}


def main(name: str, mode: str, fault: str = "") -> None:
    with tempfile.TemporaryDirectory(prefix="samestep-proof-") as scratch:
        for variable, value in framework_offer(name).environment:
            os.environ[variable] = value.format(threads=1, scratch=scratch)
        print(json.dumps(check(importlib.import_module(f"bench.frameworks.{name}"), mode, fault)))


if __name__ == "__main__":
    main(*sys.argv[1:])
