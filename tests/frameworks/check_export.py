"""Export a model in this interpreter and print what the file says of itself as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_export.py FRAMEWORK FILE [FAULT] [WORKLOAD BATCH]

FAULT: "unknown": the model ends in an operator that ONNX does not have, printed is then the error; "transposed": a
square weight of the model is transposed; "no bias": a bias of it is zero. Without WORKLOAD it is the regression.
"""

import dataclasses
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.exports.onnx import ExportError
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA, Workload
from bench.workloads import regression
from tests.frameworks.check_inference import at_batch


def trained(workload: Workload) -> dict[str, Any]:
    """The reference's parameters after its last step, as a framework would hold them."""
    parameters = reference(workload, workload.formula(KINGMA_BA)).parameters
    return {name: array.astype("float32") for name, array in parameters.items()}


def bessel_torch() -> object:
    torch = importlib.import_module("torch")

    class Bessel(torch.nn.Linear):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return torch.special.bessel_j0(super().forward(x))

    return lambda workload: Bessel(1, 1)


def bessel_keras() -> object:
    keras, special = importlib.import_module("keras"), importlib.import_module("tensorflow").math.special

    class Bessel(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return special.bessel_j0(x)

    return lambda workload: keras.Sequential([keras.Input((1,)), keras.layers.Dense(1), Bessel()])


def callback_jax() -> object:
    jax = importlib.import_module("jax")
    return lambda parameters, x: jax.pure_callback(lambda value: value, x, x @ parameters["weight"])


UNKNOWN = {"torch": bessel_torch, "keras_tensorflow": bessel_keras, "jax": callback_jax}


def planted(parameters: dict[str, Any], fault: str) -> dict[str, Any]:
    """The parameters of a model with a fault."""
    names = sorted(parameters)
    if fault == "transposed":
        square = next(
            name for name in names if parameters[name].ndim > 1 and len(set(parameters[name].shape[-2:])) == 1
        )
        return {**parameters, square: np.ascontiguousarray(np.swapaxes(parameters[square], -1, -2))}
    if fault == "no bias":
        bias = next(name for name in names if name.endswith("bias"))
        return {**parameters, bias: np.zeros_like(parameters[bias])}
    return parameters


def main(framework: str, file: str, fault: str = "", name: str = "", batch: str = "0") -> None:
    exporter = importlib.import_module(f"bench.exports.onnx.{framework}")
    workload = at_batch(name, int(batch)) if name else regression.make("base", "adam")
    parameters = dict(workload.parameters) if name else trained(workload)
    # as in the process that trained: what it set must not hinder the export
    importlib.import_module(f"bench.frameworks.{framework}").start("cpu", 1)
    if fault == "unknown":
        exporter.FORWARD["regression"] = UNKNOWN[framework]()
    try:
        model = exporter.export(workload, planted(parameters, fault))
    except ExportError as error:
        print(json.dumps({"error": str(error)}))
        return
    Path(file).write_bytes(model)
    print(json.dumps(dataclasses.asdict(importlib.import_module("bench.exports.onnx.describe").describe(model))))


if __name__ == "__main__":
    main(*sys.argv[1:])
