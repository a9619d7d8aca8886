"""The regression in plain Keras, written without the suite; run by `keras_tensorflow.py` and its siblings.

Modes: fit-eager, fit, fit-jit, batch-eager, batch, batch-jit. Prints one line of JSON: microseconds per step, trained
weight and bias. A fit costs something by itself, so a step of it is the slope between fits of N and of 2N epochs.
"""

import gc
import json
import os
import statistics
import sys
import time

import keras
import numpy as np

ROUNDS = int(os.environ.get("ROUNDS", "20"))
STEPS = 200
COMPILE = {"eager": {"run_eagerly": True}, "": {}, "jit": {"jit_compile": True}}

rng = np.random.default_rng(42)
x = rng.standard_normal((200, 1))
noise = rng.standard_normal((200, 1)) * 0.1
weight0 = rng.standard_normal((1, 1)).astype(np.float32)
bias0 = rng.standard_normal(1).astype(np.float32)
y = keras.ops.convert_to_tensor((3 * x + 2 + noise).astype(np.float32))
x = keras.ops.convert_to_tensor(x.astype(np.float32))


def main(mode: str) -> None:
    """Train once from the start, warm up, time the rounds."""
    method, _, how = mode.partition("-")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([weight0, bias0])
    model.compile(keras.optimizers.Adam(0.1, epsilon=1e-8), "mean_squared_error", **COMPILE[how])

    data = {"x": x, "y": y, "batch_size": 200}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = False
        data = {"x": tf.data.Dataset.from_tensors((x, y)).repeat().with_options(options), "steps_per_epoch": 1}

    def run(steps: int) -> float:
        begin = time.perf_counter_ns()
        if method == "fit":
            model.fit(**data, epochs=steps, shuffle=False, verbose=0)
        else:
            losses = [model.train_on_batch(x, y) for _ in range(steps)]
            del losses
        return (time.perf_counter_ns() - begin) / 1e3  # a loss is a Python number: the device has been waited for

    def round_of(steps: int) -> tuple[float, float]:
        gc.collect()
        return run(steps), run(2 * steps) if method == "fit" else 0.0

    run(STEPS)
    weight, bias = (value.item() for value in model.get_weights())

    steps, warm = 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        once, twice = round_of(steps)
        if (twice - once < max(5e3, once / 2)) if method == "fit" else once < 5e3:
            steps *= 2
        elif time.perf_counter() > warm:
            break
    print("rounds", flush=True)
    rounds = []
    for _ in range(ROUNDS):
        begin_ns = time.perf_counter_ns()
        once, twice = round_of(steps)
        step_us = (twice - once if method == "fit" else once) / steps
        rounds.append((begin_ns, time.perf_counter_ns(), step_us))
    step_us = statistics.median(us for *_, us in rounds)
    found = {"step_us": step_us, "rounds": rounds, "weight": weight, "bias": bias}
    print(json.dumps({"framework": f"keras_{keras.backend.backend()}", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
