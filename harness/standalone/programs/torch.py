"""The regression in PyTorch on a CPU, written without the suite: `python -P programs/torch.py MODE`.

Modes: eager, foreach, fused, torchscript, compile, reduce-overhead, max-autotune, compile-step. Prints one line of
JSON: microseconds per step, trained weight and bias.
"""

import gc
import json
import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"] = "0"

import numpy as np
import torch
from torch import nn
from torch.optim.adam import adam

torch.set_num_threads(1)
torch.backends.fp32_precision = "ieee"

rng = np.random.default_rng(42)
points = rng.standard_normal((200, 1))
noise = rng.standard_normal((200, 1)) * 0.1
x = torch.tensor(points, dtype=torch.float32)
y = torch.tensor(3 * points + 2 + noise, dtype=torch.float32)

model = nn.Linear(1, 1)
with torch.no_grad():
    model.weight.copy_(torch.tensor(rng.standard_normal((1, 1))))
    model.bias.copy_(torch.tensor(rng.standard_normal(1)))

ROUNDS = int(os.environ.get("ROUNDS", "20"))
OPTIMIZER = {"eager": {"foreach": False, "fused": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
COMPILE = {"compile": None, "reduce-overhead": "reduce-overhead", "max-autotune": "max-autotune"}


def criterion(x, y):
    return nn.functional.mse_loss(model(x), y)


class Criterion(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = model

    def forward(self, x, y):
        return nn.functional.mse_loss(self.linear(x), y)


def training_loop(mode):
    """Zero the gradients, forward, backward, update."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, **OPTIMIZER.get(mode, {}))
    compute = criterion
    if mode == "torchscript":
        compute = torch.jit.trace(Criterion(), (x, y))
    elif mode in COMPILE:
        compute = torch.compile(criterion, mode=COMPILE[mode])

    def train_step():
        optimizer.zero_grad()
        loss = compute(x, y)
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
    adam_options = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    adam_options |= {"amsgrad": False, "maximize": False, "capturable": True, "foreach": False}

    @torch.compile(fullgraph=True)
    def train_step(x, y):
        loss = criterion(x, y)
        grads = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            adam(parameters, list(grads), exp_avgs, exp_avg_sqs, [], steps, **adam_options)
        return loss.detach()

    return lambda: train_step(x, y)


def main(mode):
    train_step = one_graph() if mode == "compile-step" else training_loop(mode)

    def run(steps):
        return [train_step() for _ in range(steps)]

    run(200)
    found = {"weight": model.weight.item(), "bias": model.bias.item()}

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
    print(json.dumps({"framework": "torch", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
