"""Export the regression in this interpreter and print what the file says of itself as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_export.py FRAMEWORK FILE [unknown]

With "unknown" the model ends in an operator that ONNX does not have; printed is then the error.
"""

import dataclasses
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from bench.exports.onnx import ExportError
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA, Workload
from bench.workloads import regression


def trained(workload: Workload) -> dict[str, Any]:
    """The reference's parameters after its last step, as a framework would hold them."""
    parameters = reference(workload, workload.formula(KINGMA_BA)).parameters
    return {name: array.astype("float32") for name, array in parameters.items()}


def bessel_torch() -> object:
    torch = importlib.import_module("torch")

    class Bessel(torch.nn.Linear):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return torch.special.bessel_j0(super().forward(x))

    return lambda: Bessel(1, 1)


def bessel_keras() -> object:
    keras, special = importlib.import_module("keras"), importlib.import_module("tensorflow").math.special

    class Bessel(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return special.bessel_j0(x)

    return lambda: [keras.layers.Dense(1), Bessel()]


def callback_jax() -> object:
    jax = importlib.import_module("jax")
    return lambda parameters, x: jax.pure_callback(lambda value: value, x, x @ parameters["weight"])


UNKNOWN = {"torch": bessel_torch, "keras_tensorflow": bessel_keras, "jax": callback_jax}


def main(framework: str, file: str, fault: str = "") -> None:
    exporter = importlib.import_module(f"bench.exports.onnx.{framework}")
    workload = regression.make("base", "adam")
    # as in the process that trained: what it set must not hinder the export
    importlib.import_module(f"bench.frameworks.{framework}").start("cpu", 1)
    if fault == "unknown":
        exporter.FORWARD["regression"] = UNKNOWN[framework]()
    try:
        model = exporter.export(workload, trained(workload))
    except ExportError as error:
        print(json.dumps({"error": str(error)}))
        return
    Path(file).write_bytes(model)
    print(json.dumps(dataclasses.asdict(importlib.import_module("bench.exports.onnx.describe").describe(model))))


if __name__ == "__main__":
    main(*sys.argv[1:])
