"""The perceptron in TensorFlow on a CPU, without the suite: `python -P programs/mlp/tensorflow.py MODE`.

Modes: eager, function, xla. Prints one line of JSON: microseconds per step and the loss after 20 updates.
"""

import gc
import json
import os
import statistics
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"

import itertools

import numpy as np
import tensorflow as tf

ROUNDS = int(os.environ.get("ROUNDS", "20"))
WIDTHS = (784, 512, 512, 10)

rng = np.random.default_rng(42)
images = tf.constant(rng.standard_normal((256, 784)), dtype=tf.float32)
labels = tf.constant(rng.integers(10, size=256), dtype=tf.int32)
variables = []
for fan_in, fan_out in itertools.pairwise(WIDTHS):
    kernel = rng.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)
    variables += [tf.Variable(np.float32(kernel)), tf.Variable(np.float32(rng.standard_normal(fan_out) * 0.01))]
adam = tf.keras.optimizers.Adam(1e-3, epsilon=1e-8)
adam.build(variables)


def train_step() -> tf.Tensor:
    """Forward, backward, update."""
    w1, b1, w2, b2, w3, b3 = variables
    with tf.GradientTape() as tape:
        hidden = tf.nn.relu(tf.matmul(images, w1) + b1)
        hidden = tf.nn.relu(tf.matmul(hidden, w2) + b2)
        logits = tf.matmul(hidden, w3) + b3
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    grads = tape.gradient(loss, variables)
    adam.apply_gradients(zip(grads, variables, strict=True))
    return loss


def main(mode: str) -> None:
    """Train 20 updates, warm up, time the rounds."""
    call = train_step if mode == "eager" else tf.function(train_step, jit_compile=mode == "xla")

    def run(calls: int) -> list[tf.Tensor]:
        losses = [call() for _ in range(calls)]
        tf.test.experimental.sync_devices()
        return losses

    loss = run(21)[-1].numpy().item()
    calls, warm = 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while time.perf_counter() < warm:
        begin = time.perf_counter()
        run(calls)
        if time.perf_counter() - begin < 5e-3:
            calls *= 2
    print("rounds", flush=True)
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        begin_ns = time.perf_counter_ns()
        run(calls)
        end_ns = time.perf_counter_ns()
        rounds.append((begin_ns, end_ns, calls))
    step_us = statistics.median((end - begin) / steps for begin, end, steps in rounds) / 1e3
    found = {"step_us": step_us, "rounds": rounds, "loss": loss}
    print(json.dumps({"framework": "tensorflow", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
