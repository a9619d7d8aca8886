"""Run a few steps of TensorFlow or Keras, with a fault planted, and print the proof as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_proof_keras.py FRAMEWORK MODE [FAULT]

A script, since it runs in a framework's own environment. The scratch folder is the working directory, so that a second
process there starts on the caches of the first. FAULT is one of `BEFORE_START`, `BEFORE_BUILD` or `BETWEEN`.
"""

import dataclasses
import importlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench.catalogue import framework_offer
from bench.framework import Step
from bench.workloads import regression

THREADS: Final = 1


def tensorflow() -> Any:
    return importlib.import_module("tensorflow")


def keras() -> Any:
    return importlib.import_module("keras")


def ignore_threads() -> None:
    """Make TensorFlow deaf to the number of threads of one operation."""
    tensorflow().config.threading.set_intra_op_parallelism_threads = lambda threads: None


def run_eagerly() -> None:
    """Make every tf.function run its Python in every call."""
    tensorflow().config.run_functions_eagerly(True)


def change_shapes() -> None:
    """Give every tf.function an argument whose shape is another one in each call."""
    tf = tensorflow()
    function = tf.function

    def restless(body: Callable[[], Any], **options: Any) -> Callable[[], Any]:
        traced = function(lambda _: body(), **options)
        sizes = itertools.count(1)
        call: Any = lambda: traced(tf.zeros(next(sizes)))  # noqa: E731 - it gets an attribute
        call.get_concrete_function = lambda: traced.get_concrete_function(tf.zeros(1))
        return call  # type: ignore[no-any-return]

    tf.function = restless


def drop_xla() -> None:
    """Make tf.function forget that it was to compile."""
    tf = tensorflow()
    function = tf.function
    tf.function = lambda body, jit_compile=None, **options: function(body, **options)


def refuse_to_compile() -> None:
    """Make Keras believe that a layer cannot be compiled: it warns and goes on without."""
    keras().layers.Dense.supports_jit = property(lambda self: False, lambda self, value: None)


def round_to_tf32() -> None:
    tensorflow().config.experimental.enable_tensor_float_32_execution(True)


def be_deterministic() -> None:
    tensorflow().config.experimental.enable_op_determinism()


def halve_the_batch() -> None:
    """From now on Keras gets the first half of the points."""
    model = keras().Model
    train, fit = model.train_on_batch, model.fit
    model.train_on_batch = lambda self, x, y: train(self, x[:100], y[:100])

    def fit_half(self: Any, x: Any, y: Any = None, **options: Any) -> Any:
        if y is None:
            return fit(self, x.map(lambda x, y: (x[:100], y[:100])), **options)
        return fit(self, x[:100], y[:100], **{**options, "batch_size": 100})

    model.fit = fit_half


BEFORE_START: Final[Mapping[str, Callable[[], None]]] = {"threads": ignore_threads}
BEFORE_BUILD: Final[Mapping[str, Callable[[], None]]] = {
    "eagerly": run_eagerly,
    "shape": change_shapes,
    "no-xla": drop_xla,
    "refused": refuse_to_compile,
    "tf32": round_to_tf32,
    "deterministic": be_deterministic,
}
BETWEEN: Final[Mapping[str, Callable[[], None]]] = {"batch": halve_the_batch}


def check(name: str, mode: str, fault: str = "") -> dict[str, Any]:
    """Return the proof after five calls, the fault planted before the start, before the build or between the calls."""
    for variable, value in framework_offer(name).environment:
        os.environ[variable] = value.format(threads=THREADS, scratch=Path.cwd())
    framework = importlib.import_module(f"bench.frameworks.{name}")
    BEFORE_START.get(fault, lambda: None)()
    framework.start("cpu", THREADS)
    BEFORE_BUILD.get(fault, lambda: None)()
    step = framework.build(regression.make("base", "sgd"), mode, "float32")
    assert isinstance(step, Step), step
    framework.wait(step.run(2))
    BETWEEN.get(fault, lambda: None)()
    framework.wait(step.run(3))
    return dataclasses.asdict(step.proof())


if __name__ == "__main__":
    print(json.dumps(check(*sys.argv[1:])))
