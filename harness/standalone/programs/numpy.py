"""The regression in float32 NumPy, written without the suite: `python -P programs/numpy.py eager`.

Prints one line of JSON: microseconds per step, trained weight and bias.
"""

import gc
import json
import os
import statistics
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

ROUNDS = int(os.environ.get("ROUNDS", "20"))

RATE, BETA1, BETA2, EPSILON = 0.1, 0.9, 0.999, 1e-8

rng = np.random.default_rng(42)
x = rng.standard_normal((200, 1))
noise = rng.standard_normal((200, 1)) * 0.1
weight = rng.standard_normal((1, 1)).astype(np.float32)
bias = rng.standard_normal(1).astype(np.float32)
y = (3 * x + 2 + noise).astype(np.float32)
x = x.astype(np.float32)


class Adam:
    """Kingma and Ba's algorithm 1 on a list of arrays, in place."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.m = [np.zeros_like(p) for p in parameters]
        self.v = [np.zeros_like(p) for p in parameters]
        self.t = 0

    def step(self, grads):
        self.t += 1
        rate = np.float32(RATE / (1 - BETA1**self.t))
        correction = np.float32((1 - BETA2**self.t) ** 0.5)
        for p, g, m, v in zip(self.parameters, grads, self.m, self.v, strict=True):
            m += np.float32(1 - BETA1) * (g - m)
            v *= np.float32(BETA2)
            v += np.float32(1 - BETA2) * (g * g)
            p -= rate * m / (np.sqrt(v) / correction + np.float32(EPSILON))


optimizer = Adam([weight, bias])
two_over_n = np.float32(2 / len(x))


def train_step():
    error = x @ weight + bias - y
    loss = np.mean(error * error)
    d_prediction = two_over_n * error
    optimizer.step([x.T @ d_prediction, d_prediction.sum(axis=0)])
    return loss


def run(steps):
    return [train_step() for _ in range(steps)]


def main(mode):
    run(200)
    found = {"weight": weight.item(), "bias": bias.item()}

    steps, warm = 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        begin = time.perf_counter()
        run(steps)
        end = time.perf_counter()
        if end - begin < 5e-3:
            steps *= 2
        elif end > warm:
            break
    print("rounds", flush=True)
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        begin_ns = time.perf_counter_ns()
        run(steps)
        end_ns = time.perf_counter_ns()
        rounds.append((begin_ns, end_ns, steps))
    step_us = statistics.median((end - begin) / steps for begin, end, steps in rounds) / 1e3
    found |= {"step_us": step_us, "rounds": rounds}
    print(json.dumps({"framework": "numpy", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
