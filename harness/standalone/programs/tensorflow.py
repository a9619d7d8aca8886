"""The regression in plain TensorFlow, written without the suite: `python -P programs/tensorflow.py MODE`.

Modes: eager, function, xla, loop, loop-xla, session. Prints one line of JSON: microseconds per step, trained weight and
bias.
"""

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tensorflow as tf

ROUNDS = int(os.environ.get("ROUNDS", "20"))

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.experimental.enable_tensor_float_32_execution(False)

STEPS, RATE, BETA1, BETA2, EPSILON = 200, 0.1, 0.9, 0.999, 1e-8

rng = np.random.default_rng(42)
x = rng.standard_normal((200, 1))
noise = rng.standard_normal((200, 1)) * 0.1
weight0 = rng.standard_normal((1, 1)).astype(np.float32)
bias0 = rng.standard_normal(1).astype(np.float32)
y = (3 * x + 2 + noise).astype(np.float32)
x = x.astype(np.float32)

Call = Callable[[], Any]
Model = tuple[Call, Callable[[], tuple[float, float]]]  # one call, and the weight and bias as they are now


def keras_optimizer(mode: str) -> Model:
    """Return the step or the loop with a GradientTape and Keras' Adam, at the initial parameters."""
    features, target = tf.constant(x), tf.constant(y)
    w, b = tf.Variable(weight0), tf.Variable(bias0)
    adam = tf.keras.optimizers.Adam(RATE, beta_1=BETA1, beta_2=BETA2, epsilon=EPSILON)
    adam.build([w, b])

    def train_step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.matmul(features, w) + b - target))
        grads = tape.gradient(loss, [w, b])
        adam.apply_gradients(zip(grads, [w, b], strict=True))
        return loss

    def train_loop() -> tf.Tensor:
        losses = tf.TensorArray(tf.float32, size=STEPS)
        for i in tf.range(STEPS):
            losses = losses.write(i, train_step())
        return losses.stack()

    calls: dict[str, Callable[[], Call]] = {
        "eager": lambda: train_step,
        "function": lambda: tf.function(train_step),
        "xla": lambda: tf.function(train_step, jit_compile=True),
        "loop": lambda: tf.function(train_loop),
        "loop-xla": lambda: tf.function(train_loop, jit_compile=True),
    }
    return calls[mode](), lambda: (w.numpy().item(), b.numpy().item())


def session_of_version_1() -> Model:
    """Return the step of a static graph, at the initial parameters."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        w, b = v1.Variable(weight0), v1.Variable(bias0)
        loss = tf.reduce_mean(tf.square(tf.matmul(tf.constant(x), w) + b - tf.constant(y)))
        train = v1.train.AdamOptimizer(RATE, BETA1, BETA2, EPSILON).minimize(loss)
        initialize = v1.global_variables_initializer()
    session = v1.Session(
        graph=graph, config=v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    )
    session.run(initialize)
    step = session.make_callable([loss, train])
    return step, lambda: tuple(value.item() for value in session.run([w, b]))


def main(mode: str) -> None:
    """Train once from the start, warm up, time the rounds."""
    call, parameters = session_of_version_1() if mode == "session" else keras_optimizer(mode)
    steps_per_call = STEPS if mode.startswith("loop") else 1

    def run(calls: int) -> None:
        losses = [call() for _ in range(calls)]
        tf.test.experimental.sync_devices()
        del losses

    run(STEPS // steps_per_call)
    weight, bias = parameters()

    calls, warm = 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        begin = time.perf_counter()
        run(calls)
        end = time.perf_counter()
        if end - begin < 5e-3:
            calls *= 2
        elif end > warm:
            break
    print("rounds", flush=True)
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        begin_ns = time.perf_counter_ns()
        run(calls)
        end_ns = time.perf_counter_ns()
        rounds.append((begin_ns, end_ns, calls * steps_per_call))
    step_us = statistics.median((end - begin) / steps for begin, end, steps in rounds) / 1e3
    found = {"step_us": step_us, "rounds": rounds, "weight": weight, "bias": bias}
    print(json.dumps({"framework": "tensorflow", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
