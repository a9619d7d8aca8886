"""Linear regression in PaddlePaddle: a layer, a loss function, an optimizer and an explicit loop."""

import paddle

from bench.hello.data import x, y

inputs, targets = paddle.to_tensor(x), paddle.to_tensor(y)
model = paddle.nn.Linear(1, 1)
loss_fn = paddle.nn.MSELoss()
optimizer = paddle.optimizer.Adam(0.1, parameters=model.parameters())

for epoch in range(200):
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()

print(f"weight={model.weight.item():.4f} bias={model.bias.item():.4f}")
