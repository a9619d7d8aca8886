"""Run a few steps of JAX or Flax, with a fault planted, and print the proof as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_proof_jax.py FRAMEWORK MODE [FAULT [CELL]]

A script, since it runs in a framework's own environment. The scratch folder is the working directory, so that a second
process there starts on the caches of the first. FAULT is one of `BEFORE` or `BETWEEN`;
CELL is such as mlp,tiny,none,bfloat16.
"""

import dataclasses
import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench.catalogue import framework_offer
from bench.interface import Skip

THREADS: Final = 1


def let_xla_choose_its_threads() -> None:
    """Allow two CPUs and take away the variable that XLA heeds."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    del os.environ["NPROC"]


def donate_nothing() -> None:
    """Make jax.jit forget what it was told to donate."""
    jax: Any = importlib.import_module("jax")
    jit = jax.jit
    jax.jit = lambda function, **_: jit(function)


def reshape_bias() -> None:
    """Give the next step a bias of shape (1, 1), which broadcasts as (1,) does."""
    held = importlib.import_module("bench.frameworks._jax.held").held
    state = held.state
    held.state = state._replace(parameters={**state.parameters, "bias": state.parameters["bias"].reshape(1, 1)})


def reshape_variables() -> None:
    """The same for Flax, whose bias is a variable."""
    held = importlib.import_module("bench.frameworks._flax_state").held
    for variable in held.variables:
        if variable.get_value().shape == (1,):
            variable.set_value(variable.get_value().reshape(1, 1))


def cast_nothing() -> None:
    """Compute in the dtype of the arrays as they come."""
    precision: Any = importlib.import_module("bench.frameworks._jax.precision")
    precision.COMPUTE = {**precision.COMPUTE, "bfloat16": importlib.import_module("jax.numpy").float32}


def cast_the_predictions_alone() -> None:
    """Return predictions of bfloat16 from products of float32."""
    models: Any = importlib.import_module("bench.frameworks._jax.models")
    bfloat16 = importlib.import_module("jax.numpy").bfloat16
    models.FORWARD["mlp"] = dataclasses.replace(
        models.FORWARD["mlp"], predict=lambda parameters, x: models._mlp(parameters, x).astype(bfloat16)
    )
    models.Model.mixed = lambda model, dtype: model


def cast_one_layer_back() -> None:
    """Compute the last layer of the perceptron in float32."""
    models: Any = importlib.import_module("bench.frameworks._jax.models")
    numpy = importlib.import_module("jax.numpy")
    dense = models._dense
    models._dense = lambda parameters, layer, h: dense(
        {name: p.astype(numpy.float32) for name, p in parameters.items()} if layer == "layer3" else parameters,
        layer,
        h.astype(numpy.float32) if layer == "layer3" else h,
    )


BEFORE: Final[Mapping[str, Callable[[], None]]] = {
    "threads": let_xla_choose_its_threads,
    "donation": donate_nothing,
    "no cast": cast_nothing,
    "late cast": cast_the_predictions_alone,
    "half a cast": cast_one_layer_back,
}
BETWEEN: Final[Mapping[str, Callable[[], None]]] = {"shape": reshape_bias, "variables": reshape_variables}


def check(name: str, mode: str, fault: str = "", cell: str = "regression,base,sgd,float32") -> dict[str, Any]:
    """Return the proof after five steps, the fault planted before the build or between the steps."""
    for variable, value in framework_offer(name).environment:
        os.environ[variable] = value.format(threads=THREADS, scratch=Path.cwd())
    BEFORE.get(fault, lambda: None)()
    framework = importlib.import_module(f"bench.frameworks.{name}")
    framework.start("cpu", THREADS)
    workload, size, optimizer, precision = cell.split(",")
    made = importlib.import_module(f"bench.workloads.{workload}").make(size, optimizer)
    step = framework.build(made, mode, precision)
    if isinstance(step, Skip):
        return {"skipped": step.reason}
    framework.wait(step.run(2))
    BETWEEN.get(fault, lambda: None)()
    framework.wait(step.run(3))
    return dataclasses.asdict(step.proof())


if __name__ == "__main__":
    print(json.dumps(check(*sys.argv[1:])))
