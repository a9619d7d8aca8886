"""Linear regression in MLX: a layer, an optimizer, and a loop that asks for the new values in each step."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

from bench.hello.data import x, y

inputs, targets = mx.array(x), mx.array(y)
model = nn.Linear(1, 1)
optimizer = optim.Adam(learning_rate=0.1)


def loss_fn(model, inputs, targets):
    return nn.losses.mse_loss(model(inputs), targets)


loss_and_grad = nn.value_and_grad(model, loss_fn)

for epoch in range(200):
    loss, grads = loss_and_grad(model, inputs, targets)
    optimizer.update(model, grads)
    mx.eval(model.parameters(), optimizer.state)

print(f"weight={model.weight.item():.4f} bias={model.bias.item():.4f}")
