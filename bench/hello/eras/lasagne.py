"""Linear regression in Lasagne: layers and updates for Theano, which compiles the function.

Lasagne 0.1 imports `theano.tensor.signal.downsample`, which Theano 0.9 dropped.
"""

import lasagne
import theano
import theano.tensor as T
from data import x, y

inputs, targets = T.matrices("inputs", "targets")
network = lasagne.layers.InputLayer((None, 1), inputs)
network = lasagne.layers.DenseLayer(network, 1, nonlinearity=None)
prediction = lasagne.layers.get_output(network)
loss = lasagne.objectives.squared_error(prediction, targets).mean()
params = lasagne.layers.get_all_params(network, trainable=True)
updates = lasagne.updates.adam(loss, params, learning_rate=0.1)
train = theano.function([inputs, targets], loss, updates=updates)

for epoch in range(200):
    train(x, y)

print("weight=%.4f bias=%.4f" % (network.W.get_value()[0, 0], network.b.get_value()[0]))
