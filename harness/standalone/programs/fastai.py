"""The regression in fastai on a CPU, written without the suite: `python -P programs/fastai.py MODE`.

Modes: fit, fit-compile. A step is the slope between fits of N and of 2N one-batch epochs. Prints one line of JSON:
microseconds per step, trained weight and bias.
"""

import gc
import json
import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"] = "0"

from functools import partial

import numpy as np
import torch
from fastai.basics import Adam, Callback, DataLoader, DataLoaders, Learner, noop
from torch import nn

ROUNDS = int(os.environ.get("ROUNDS", "20"))
EPOCHS = int(os.environ.get("STEPS", "0"))  # of the shorter fit; 0: chosen below

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


class KeepLosses(Callback):
    def before_fit(self):
        self.losses = []

    def after_batch(self):
        self.losses.append(self.learn.loss.detach())


def main(mode):
    learn = Learner(
        DataLoaders(DataLoader([(x, y)], bs=None), []),
        torch.compile(model) if mode == "fit-compile" else model,
        loss_func=nn.functional.mse_loss,
        opt_func=partial(Adam, mom=0.9, sqr_mom=0.999, eps=1e-8),
        lr=0.1,
        wd=0.0,
        cbs=[KeepLosses()],
    )
    learn.logger = noop

    def fit(epochs):
        """Return the seconds that `epochs` epochs of one batch take."""
        gc.collect()
        begin = time.perf_counter()
        learn.fit(epochs)
        return time.perf_counter() - begin

    fit(200)
    found = {"weight": model.weight.item(), "bias": model.bias.item()}

    epochs, warm = EPOCHS or 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        once = fit(epochs)
        if not EPOCHS and fit(2 * epochs) - once < max(5e-3, once / 2):
            epochs *= 2
        elif time.perf_counter() > warm:
            break
    print("rounds", flush=True)
    rounds = []
    for length in (epochs, 2 * epochs) * ROUNDS:
        seconds = fit(length)
        end_ns = time.perf_counter_ns()
        rounds.append((end_ns - round(1e9 * seconds), end_ns, length))
    lengths = [end - begin for begin, end, _ in rounds]
    slopes = [(twice - once) / epochs / 1e3 for once, twice in zip(lengths[::2], lengths[1::2], strict=True)]
    found |= {"step_us": statistics.median(slopes), "rounds": rounds}
    print(json.dumps({"framework": "fastai", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
