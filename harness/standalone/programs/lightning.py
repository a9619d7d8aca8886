"""The regression in PyTorch Lightning on a CPU, without the suite: `python -P programs/lightning.py MODE`.

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

import lightning
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

ROUNDS = int(os.environ.get("ROUNDS", "20"))
EPOCHS = int(os.environ.get("STEPS", "0"))  # of the shorter fit; 0: chosen below

torch.set_num_threads(1)
torch.backends.fp32_precision = "ieee"

rng = np.random.default_rng(42)
points = rng.standard_normal((200, 1))
noise = rng.standard_normal((200, 1)) * 0.1
x = torch.tensor(points, dtype=torch.float32)
y = torch.tensor(3 * points + 2 + noise, dtype=torch.float32)


class Regression(lightning.LightningModule):
    def __init__(self, mode):
        super().__init__()
        self.linear = nn.Linear(1, 1)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor(rng.standard_normal((1, 1))))
            self.linear.bias.copy_(torch.tensor(rng.standard_normal(1)))
        self.criterion = torch.compile(self._criterion) if mode == "fit-compile" else self._criterion
        self.optimizer = torch.optim.Adam(self.linear.parameters(), lr=0.1)
        self.losses = []

    def _criterion(self, x, y):
        return nn.functional.mse_loss(self.linear(x), y)

    def training_step(self, batch, batch_idx):
        loss = self.criterion(*batch)
        self.losses.append(loss.detach())
        return loss

    def configure_optimizers(self):
        return self.optimizer


def main(mode):
    module = Regression(mode)
    loader = DataLoader([(x, y)], batch_size=None)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(accelerator="cpu", devices=1, max_epochs=0, enable_model_summary=False, **quiet)

    def fit(epochs):
        """Return the seconds that `epochs` epochs of one batch take."""
        gc.collect()
        module.losses = []
        trainer.fit_loop.max_epochs = trainer.current_epoch + epochs
        begin = time.perf_counter()
        trainer.fit(module, loader)
        return time.perf_counter() - begin

    fit(200)
    found = {"weight": module.linear.weight.item(), "bias": module.linear.bias.item()}

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
    print(json.dumps({"framework": "lightning", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
