"""Export a trained model in this interpreter and print what the artifact says of itself as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_artifact.py FRAMEWORK FORMAT WORKLOAD SIZE BATCH FILE [FAULT]

FAULT plants a fault: "transposed": the first square weight is transposed; "no-bias": the last bias is zero;
"unknown": the model has something that the format cannot hold, and the error is printed.
"""

import dataclasses
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import workloads
from bench.exports import ExportError
from bench.reference.inference import at_batch, from_bytes, to_bytes, trained
from bench.reference.workload import Workload


def inferred(name: str, size: str, batch: str, kept: Path) -> Workload:
    """The workload's trained model at a batch; the parameters are kept in a file, so that they are trained once."""
    if not kept.exists():
        kept.write_bytes(to_bytes(trained(workloads.make(name, size=size, optimizer="adam"))))
    return at_batch(workloads.make(name, size=size, optimizer="none"), int(batch), from_bytes(kept.read_bytes()))


def transposed(parameters: dict[str, Any]) -> dict[str, Any]:
    square = next(name for name, array in parameters.items() if array.ndim >= 2 and array.shape[-1] == array.shape[-2])
    return parameters | {square: np.ascontiguousarray(np.swapaxes(parameters[square], -1, -2))}


def without_bias(parameters: dict[str, Any]) -> dict[str, Any]:
    *_, last = (name for name in parameters if name.endswith("bias"))
    return parameters | {last: np.zeros_like(parameters[last])}


def data_dependent(workload: Workload) -> Any:
    """A branch of Python on a value, which neither Dynamo nor a trace can hold."""
    torch = importlib.import_module("torch")

    class Python(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return torch.tensor(x.numpy().sum(axis=1, keepdims=True))

        @staticmethod
        def backward(context: Any, slope: Any) -> Any:
            return slope

    class Branching(torch.nn.Linear):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return Python.apply(x) if float(x.sum()) > 0 else Python.apply(-x)

    return Branching(1, 1)


def plant_unknown(framework: str, workload: str) -> None:
    if framework == "torch":
        models = importlib.import_module("bench.frameworks._torch.models")
        models.FORWARD[workload] = dataclasses.replace(models.FORWARD[workload], model=data_dependent)
        training: Any = importlib.import_module("bench.frameworks._torch.training")
        training.load = lambda model, parameters: None
    elif framework == "jax":
        jax, models = importlib.import_module("jax"), importlib.import_module("bench.frameworks._jax.models")

        def predict(parameters: Any, x: Any) -> Any:
            return jax.pure_callback(lambda value: value, x, x)

        models.FORWARD[workload] = dataclasses.replace(models.FORWARD[workload], predict=predict)
    else:
        tf, models = (importlib.import_module(name) for name in ("tensorflow", "bench.frameworks._tensorflow.models"))

        def model(parameters: Any, x: Any) -> Any:
            return tf.numpy_function(lambda value: value, [x], tf.float32)

        models.FORWARD[workload] = dataclasses.replace(models.FORWARD[workload], model=model)


FAULTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "": dict,
    "unknown": dict,
    "transposed": transposed,
    "no-bias": without_bias,
}


def main(framework: str, format_: str, workload: str, size: str, batch: str, file: str, fault: str = "") -> None:
    made = inferred(workload, size, batch, Path(file).parent.parent / f"{workload}-{size}.npz")
    importlib.import_module(f"bench.frameworks.{framework}").start("cpu", 1)
    if fault == "unknown":
        plant_unknown(framework, workload)
    package = f"bench.exports.{format_}"
    exporter, describe = (importlib.import_module(f"{package}.{name}") for name in (framework, "describe"))
    try:
        model = exporter.export(made, FAULTS[fault](dict(made.parameters)))
        described = describe.describe(model)
    except ExportError as error:
        print(json.dumps({"error": str(error)}))
        return
    Path(file).write_bytes(model)
    print(json.dumps(dataclasses.asdict(described)))


if __name__ == "__main__":
    main(*sys.argv[1:])
