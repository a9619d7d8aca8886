"""Linear regression in MXNet: a Gluon layer, a recorded forward pass, and a trainer."""

from data import x, y
from mxnet import autograd, gluon, nd

inputs, targets = nd.array(x), nd.array(y)
net = gluon.nn.Dense(1)
net.initialize()
loss_fn = gluon.loss.L2Loss()
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})

for epoch in range(200):
    with autograd.record():
        loss = loss_fn(net(inputs), targets)
    loss.backward()
    trainer.step(batch_size=200)

print("weight=%.4f bias=%.4f" % (net.weight.data().asscalar(), net.bias.data().asscalar()))
