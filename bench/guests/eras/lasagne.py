"""Lasagne 0.1: layers, losses and update rules for Theano."""

import sys
import types

import theano
import theano.tensor as T

# Lasagne 0.1 imports a module that Theano 0.9 dropped, for a layer that is not used here.
downsample = types.ModuleType("theano.tensor.signal.downsample")
downsample.max_pool_2d = None
sys.modules["theano.tensor.signal.downsample"] = downsample
import theano.tensor.signal  # noqa: E402

theano.tensor.signal.downsample = downsample
import lasagne  # noqa: E402

compiled = sys.modules["__main__"].load("theano")  # how a function of Theano is run and looked at


def versions():
    """Return the framework's and those of what it stands on."""
    return ["lasagne==" + lasagne.__version__] + compiled.versions()


def build(order):
    """Return the regression."""
    x, y = T.matrix("x"), T.matrix("y")
    network = lasagne.layers.DenseLayer(
        lasagne.layers.InputLayer((None, 1), x),
        1,
        W=order["parameters"]["weight"],
        b=order["parameters"]["bias"],
        nonlinearity=None,
    )
    loss = lasagne.objectives.squared_error(lasagne.layers.get_output(network), y).mean()
    parameters = lasagne.layers.get_all_params(network, trainable=True)
    asked = order["optimizer"]
    if asked["name"] == "adam":
        updates = lasagne.updates.adam(
            loss, parameters, asked["rate"], asked["beta1"], asked["beta2"], asked["epsilon"]
        )
    else:
        updates = lasagne.updates.sgd(loss, parameters, asked["rate"])
    return compiled.Compiled(order, x, y, loss, list(updates.items()), (network.W, network.b))
