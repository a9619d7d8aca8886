"""Run an exported model in an engine and print what was found as one line of JSON.

    SAMESTEP_MODEL=FILE PYTHONPATH=<repository> python tests/frameworks/check_engine.py ENGINE MODE WORKLOAD SIZE BATCH

"deviation" is the largest |prediction - reference| / rms(reference), with float64 NumPy's predictions.
"""

import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

from bench.interface import Skip, Step
from bench.reference.accuracy import prediction_deviation
from bench.reference.inference import predictions
from tests.frameworks.check_artifact import inferred


def main(engine: str, mode: str, name: str, size: str, batch: str, threads: str = "1") -> None:
    folder = Path(os.environ["SAMESTEP_MODEL"]).parent.parent
    workload = inferred(name, size, batch, folder / f"{name}-{size}.npz")
    framework = importlib.import_module(f"bench.frameworks.{engine}")
    framework.start("cpu", int(threads))
    step = framework.build(workload, mode, "float32")
    assert isinstance(step, Step)
    outputs = step.run(3)
    framework.wait(outputs)
    found = framework.to_numpy(outputs)[-int(batch) * predictions(workload).size // int(batch) :]
    refused = framework.build(workload, mode, "int8")
    print(
        json.dumps(
            {
                "deviation": prediction_deviation(found, expected=predictions(workload)),
                "proof": dataclasses.asdict(step.proof()),
                "inference": step.inference,
                "versions": list(framework.versions()),
                "int8": refused.reason if isinstance(refused, Skip) else "",
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
