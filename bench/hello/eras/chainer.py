"""Linear regression in Chainer: the graph is what the forward pass has just done (define-by-run)."""

import chainer.functions as F
import chainer.links as L
from chainer import optimizers
from data import x, y

model = L.Linear(1, 1)
optimizer = optimizers.Adam(alpha=0.1)
optimizer.setup(model)

for epoch in range(200):
    model.cleargrads()
    loss = F.mean_squared_error(model(x), y)
    loss.backward()
    optimizer.update()

print("weight=%.4f bias=%.4f" % (model.W.array[0, 0], model.b.array[0]))
