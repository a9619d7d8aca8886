"""Linear regression in PyTorch Lightning: a LightningModule, a DataLoader, a Trainer."""

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench.hello.data import x, y


class LinearRegression(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        inputs, targets = batch
        return nn.functional.mse_loss(self.linear(inputs), targets)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.1)


dataset = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
model = LinearRegression()
trainer = L.Trainer(max_epochs=200, logger=False, enable_checkpointing=False, enable_progress_bar=False)
trainer.fit(model, DataLoader(dataset, batch_size=len(dataset)))

print(f"weight={model.linear.weight.item():.4f} bias={model.linear.bias.item():.4f}")
