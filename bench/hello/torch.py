"""Linear regression in PyTorch: a module, a loss function, an optimizer and an explicit loop."""

import torch
from torch import nn

from bench.hello.data import x, y

device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
inputs = torch.from_numpy(x).to(device)
targets = torch.from_numpy(y).to(device)

model = nn.Linear(1, 1).to(device)
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)

for epoch in range(200):
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()

print(f"weight={model.weight.item():.4f} bias={model.bias.item():.4f}")
