"""Linear regression in PyTorch 1.0: a module, a loss function, an optimizer and an explicit loop."""

import torch
from data import x, y
from torch import nn

inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
model = nn.Linear(1, 1)
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)

for epoch in range(200):
    optimizer.zero_grad()
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    optimizer.step()

print("weight=%.4f bias=%.4f" % (model.weight.item(), model.bias.item()))
