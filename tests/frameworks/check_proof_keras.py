"""Run a few steps of TensorFlow or Keras, with a fault planted, and print the proof as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_proof_keras.py FRAMEWORK MODE [FAULT [PRECISION [OPTIMIZER]]]

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
from bench.interface import Skip
from bench.workloads import mlp, regression

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


def ignore_the_policy() -> None:
    """Make Keras deaf to the policy that layers take their dtypes from."""
    keras().config.set_dtype_policy = lambda policy: None


def keep_a_layer_in_float32() -> None:
    """Give the second Dense of a model a policy of its own: as when one is forgotten."""
    dense = keras().layers.Dense
    made = itertools.count(1)
    keras().layers.Dense = lambda *arguments: dense(*arguments, dtype="float32" if next(made) == 2 else None)


def forget_to_cast() -> None:
    """Make TensorFlow's cast to bfloat16 hand out what it is given."""
    tf = tensorflow()
    cast = tf.cast
    tf.cast = lambda h, dtype: tf.convert_to_tensor(h) if dtype == tf.bfloat16 else cast(h, dtype)


def keep_a_product_in_float32() -> None:
    """Make the second matrix product of each forward pass widen what it multiplies, and round what comes out."""
    tf = tensorflow()
    product = tf.matmul
    made = itertools.count(1)

    def widening(a: Any, b: Any, **options: Any) -> Any:
        if next(made) % 3 == 2:
            return tf.cast(product(tf.cast(a, tf.float32), tf.cast(b, tf.float32), **options), a.dtype)
        return product(a, b, **options)

    tf.matmul = widening


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
    "policy": ignore_the_policy,
    "layer": keep_a_layer_in_float32,
    "cast": forget_to_cast,
    "product": keep_a_product_in_float32,
}
BETWEEN: Final[Mapping[str, Callable[[], None]]] = {"batch": halve_the_batch}


def check(name: str, mode: str, fault: str = "", precision: str = "float32", optimizer: str = "sgd") -> dict[str, Any]:
    """Return the proof after five calls, the fault planted before the start, before the build or between the calls."""
    for variable, value in framework_offer(name).environment:
        os.environ[variable] = value.format(threads=THREADS, scratch=Path.cwd())
    framework = importlib.import_module(f"bench.frameworks.{name}")
    BEFORE_START.get(fault, lambda: None)()
    framework.start("cpu", THREADS)
    BEFORE_BUILD.get(fault, lambda: None)()
    strict = precision == "float32" and optimizer == "sgd"
    workload = regression.make("base", "sgd") if strict else mlp.make("tiny", optimizer)
    step = framework.build(workload, mode, precision)
    if isinstance(step, Skip):
        return {"skipped": step.reason}
    framework.wait(step.run(2))
    BETWEEN.get(fault, lambda: None)()
    framework.wait(step.run(3))
    return dataclasses.asdict(step.proof())


if __name__ == "__main__":
    print(json.dumps(check(*sys.argv[1:])))
