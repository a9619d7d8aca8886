"""Run an exported model in ONNX Runtime and print what was found as one line of JSON.

SAMESTEP_MODEL=<file> PYTHONPATH=<repository> python tests/frameworks/check_inference.py MODE THREADS [WORKLOAD BATCH]

Without WORKLOAD it is the regression.
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

from bench.interface import Skip, Step
from bench.records.record import FORWARD_ONLY
from bench.reference import inference
from bench.reference.workload import Workload
from bench.workloads import make, regression


def tasks() -> int:
    """How many threads this process has."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def at_batch(name: str, batch: int) -> Workload:
    """A workload at its smallest size and at a batch, trained."""
    parameters = inference.trained(make(name, size="tiny", optimizer="adam"))
    return inference.at_batch(make(name, size="tiny", optimizer=FORWARD_ONLY), batch, parameters)


def main(mode: str, threads: str, name: str = "", batch: str = "0") -> None:
    from bench.frameworks import onnxruntime as framework

    workload = at_batch(name, int(batch)) if name else regression.make("base", "adam")
    framework.start("cpu", int(threads))
    before = tasks()
    step = framework.build(workload, mode, "float32")
    assert isinstance(step, Step)
    pool = tasks() - before
    outputs = step.run(3)
    framework.wait(outputs)
    bfloat16 = framework.build(workload, mode, "bfloat16")
    try:
        framework.start("cuda", 1)
        cuda = ""
    except RuntimeError as error:
        cuda = str(error)
    found = {
        "predictions": framework.to_numpy(outputs).tolist(),
        "parameters": {name: np.asarray(array).tolist() for name, array in step.parameters().items()},
        "proof": dataclasses.asdict(step.proof()),
        "inference": step.inference,
        "pool_threads": pool,
        "bfloat16": bfloat16.reason if isinstance(bfloat16, Skip) else "",
        "cuda": cuda,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
