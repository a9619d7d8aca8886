"""Linear regression in Theano: symbols, their gradient, and one compiled function. It has no Adam: this is SGD."""

import numpy
import theano
import theano.tensor as T
from data import x, y

inputs, targets = T.matrices("inputs", "targets")
weight = theano.shared(numpy.zeros((1, 1), theano.config.floatX), name="weight")
bias = theano.shared(numpy.zeros(1, theano.config.floatX), name="bias")
cost = T.mean(T.sqr(T.dot(inputs, weight) + bias - targets))
rate = numpy.float32(0.1)
updates = [(param, param - rate * T.grad(cost, param)) for param in (weight, bias)]
train = theano.function([inputs, targets], cost, updates=updates)

for epoch in range(200):
    train(x, y)

print("weight=%.4f bias=%.4f" % (weight.get_value()[0, 0], bias.get_value()[0]))
