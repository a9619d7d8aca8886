"""Train the regression in a framework of the past, in its environment, and print what was found as one line of JSON.

PYTHONPATH=<repository> python tests/frameworks/check_era.py FRAMEWORK MODE
"""

import dataclasses
import importlib
import json
import os
import sys
from typing import Any

from bench.catalogue import framework_offer
from bench.interface import Skip
from bench.protocol import formula
from bench.protocol.gate import Gate
from bench.protocol.required import InvalidResultError
from bench.reference.precision import PRECISIONS
from bench.workloads import regression


def main(name: str, mode: str) -> None:
    for variable, value in framework_offer(name).environment:
        os.environ[variable] = value.format(threads=1, scratch=os.environ["TMPDIR"])
    framework: Any = importlib.import_module(f"bench.frameworks.{name}")
    framework.start("cpu", 1)
    found: dict[str, Any] = {"formula": framework.ADAM, "versions": framework.versions()}
    for optimizer in ("adam", "sgd"):
        found[optimizer], found["planted"] = trained(framework, mode, optimizer)
    fits = formula.fits(framework, regression.make("base", "adam"), mode, "float32")
    print(json.dumps({**found, "fits": {fit.formula: fit.deviation for fit in fits}}))


def trained(framework: Any, mode: str, optimizer: str) -> tuple[dict[str, Any], str]:
    """What the gate says of a run, and of one whose learning rate is wrong by one percent."""
    workload = regression.make("base", optimizer)
    update = dataclasses.replace(workload.optimizer, learning_rate=0.99 * workload.optimizer.learning_rate)
    wrong = gate_of(framework, workload, dataclasses.replace(workload, update=update), mode)
    try:
        wrong.whole("planted")
        planted = ""
    except InvalidResultError as error:
        planted = f"the rate is wrong: {error}"
    wrong.step.release()
    right = gate_of(framework, workload, workload, mode)
    whole, first = right.whole("whole"), right.start("first")
    right.step.run(200)
    again = right.start("again")
    found = {
        "loss_deviation": whole.max_loss_deviation,
        "parameter_deviation": whole.max_parameter_deviation,
        "repeats": first.fingerprint == again.fingerprint,
        "proof": dataclasses.asdict(right.step.proof()),
    }
    right.step.release()
    return found, planted


def gate_of(framework: Any, workload: Any, built: Any, mode: str) -> Gate:
    """Gate for `workload` of a step that was built from `built`."""
    step = framework.build(built, mode, "float32")
    assert not isinstance(step, Skip), step
    return Gate(
        framework=framework,
        workload=workload,
        formula=workload.formula(framework.ADAM),
        step=step,
        precision=PRECISIONS["float32"],
        initial=step.parameters(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
