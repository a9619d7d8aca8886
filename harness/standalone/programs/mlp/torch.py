"""The perceptron in PyTorch on a CPU, written without the suite: `python -P programs/mlp/torch.py MODE`.

Modes: eager, fused, compile, compile-step. Prints one line of JSON: microseconds per step, the loss after 20 updates.
"""

import gc
import json
import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"] = "0"

import itertools

import numpy as np
import torch
from torch import nn
from torch.optim.adam import adam

torch.set_num_threads(1)
torch.backends.fp32_precision = "ieee"

ROUNDS = int(os.environ.get("ROUNDS", "20"))
WIDTHS = (784, 512, 512, 10)

rng = np.random.default_rng(42)
images = torch.tensor(rng.standard_normal((256, 784)), dtype=torch.float32)
labels = torch.tensor(rng.integers(10, size=256))

linear = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(WIDTHS)]
with torch.no_grad():
    for layer in linear:
        fan_out, fan_in = layer.weight.shape
        layer.weight.copy_(torch.tensor(rng.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)).T)
        layer.bias.copy_(torch.tensor(rng.standard_normal(fan_out) * 0.01))
model = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])


def criterion(images, labels):
    return nn.functional.cross_entropy(model(images), labels)


def training_loop(mode):
    """Zero the gradients, forward, backward, update."""
    fused = {"eager": {"foreach": False, "fused": False}, "fused": {"fused": True}}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **fused.get(mode, {}))
    compute = torch.compile(criterion) if mode == "compile" else criterion

    def train_step():
        optimizer.zero_grad()
        loss = compute(images, labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return train_step


def one_graph():
    """Compile forward, backward and update together."""
    torch._dynamo.config.trace_autograd_ops = True
    parameters = list(model.parameters())
    exp_avgs = [torch.zeros_like(p) for p in parameters]
    exp_avg_sqs = [torch.zeros_like(p) for p in parameters]
    steps = [torch.tensor(0.0) for _ in parameters]
    adam_options = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    adam_options |= {"amsgrad": False, "maximize": False, "capturable": True, "foreach": False}

    @torch.compile(fullgraph=True)
    def train_step(images, labels):
        loss = criterion(images, labels)
        grads = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            adam(parameters, list(grads), exp_avgs, exp_avg_sqs, [], steps, **adam_options)
        return loss.detach()

    return lambda: train_step(images, labels)


def main(mode):
    train_step = one_graph() if mode == "compile-step" else training_loop(mode)

    def run(steps):
        return [train_step() for _ in range(steps)]

    loss = run(21)[-1].item()
    steps, warm = 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while time.perf_counter() < warm:
        begin = time.perf_counter()
        run(steps)
        if time.perf_counter() - begin < 5e-3:
            steps *= 2
    print("rounds", flush=True)
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        begin_ns = time.perf_counter_ns()
        run(steps)
        end_ns = time.perf_counter_ns()
        rounds.append((begin_ns, end_ns, steps))
    step_us = statistics.median((end - begin) / steps for begin, end, steps in rounds) / 1e3
    found = {"step_us": step_us, "rounds": rounds, "loss": loss}
    print(json.dumps({"framework": "torch", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
