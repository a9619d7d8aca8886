"""Linear regression in PyTensor: symbols, their gradient, and one compiled function. It has no Adam: this is SGD."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from bench.hello.data import x, y

inputs, targets = pt.fmatrix("inputs"), pt.fmatrix("targets")
weight = pytensor.shared(np.zeros((1, 1), np.float32), name="weight")
bias = pytensor.shared(np.zeros(1, np.float32), name="bias")
loss = pt.mean((inputs @ weight + bias - targets) ** 2)
grads = pytensor.grad(loss, [weight, bias])
updates = [(param, param - np.float32(0.1) * grad) for param, grad in zip([weight, bias], grads, strict=True)]
train = pytensor.function([inputs, targets], loss, updates=updates)

for epoch in range(200):
    train(x, y)

print(f"weight={weight.get_value()[0, 0]:.4f} bias={bias.get_value()[0]:.4f}")
