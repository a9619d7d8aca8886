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
EPOCHS = int(os.environ.get("STEPS", "0"))  # of the shorter fit; 0: chosen below
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
        gc.collect()
        begin = time.perf_counter_ns()
        if method == "fit":
            model.fit(**data, epochs=steps, shuffle=False, verbose=0)
        else:
            losses = [model.train_on_batch(x, y) for _ in range(steps)]
            del losses
        return (time.perf_counter_ns() - begin) / 1e3  # a loss is a Python number: the device has been waited for

    run(STEPS)
    weight, bias = (value.item() for value in model.get_weights())

    lengths = (1, 2) if method == "fit" else (1,)
    steps, warm = EPOCHS or 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        spent = [run(steps * length) for length in lengths]
        if not EPOCHS and spent[-1] - sum(spent[:-1]) < max(5e3, sum(spent[:-1]) / 2):
            steps *= 2
        elif time.perf_counter() > warm:
            break
    print("rounds", flush=True)
    rounds = []
    for length in lengths * ROUNDS:
        spent_us = run(steps * length)
        end_ns = time.perf_counter_ns()
        rounds.append((end_ns - round(1e3 * spent_us), end_ns, steps * length))
    spent = [(end - begin) / 1e3 for begin, end, _ in rounds]
    slopes = [twice - once for once, twice in zip(spent[::2], spent[1::2], strict=False)]
    step_us = statistics.median(slopes if method == "fit" else spent) / steps
    found = {"step_us": step_us, "rounds": rounds, "weight": weight, "bias": bias}
    print(json.dumps({"framework": f"keras_{keras.backend.backend()}", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
