"""DyNet 2.1: a new graph for each step, evaluated when a value is asked for."""

import dynet as dy
import numpy as np


def versions():
    """Return the framework's."""
    return ["dynet==" + str(dy.__version__)]


def single(array):
    """Return an array in float32, in which DyNet computes; it shows a vector in float64.

    Raises:
        ValueError: that would round.
    """
    cast = np.asarray(array, np.float32)
    if not np.array_equal(cast, array):
        raise ValueError("the parameters are more than float32 holds")
    return cast


class Regression(object):
    """Parameters in a collection, a trainer, the points as a batch."""

    def __init__(self, order):
        self.order = order
        self.x, self.y = order["x"].T, order["y"].T
        self.graphs = 0
        self.reset()

    def reset(self):
        initial, asked = self.order["parameters"], self.order["optimizer"]
        self.collection = dy.ParameterCollection()
        self.W = self.collection.parameters_from_numpy(initial["weight"])
        self.b = self.collection.parameters_from_numpy(initial["bias"])
        if asked["name"] == "adam":
            rule = asked["rate"], asked["beta1"], asked["beta2"], asked["epsilon"]
            self.trainer = dy.AdamTrainer(self.collection, *rule)
        else:
            self.trainer = dy.SimpleSGDTrainer(self.collection, asked["rate"])
        self.trainer.set_clip_threshold(0)  # by default it clips gradients

    def step(self):
        dy.renew_cg()
        self.graphs += 1
        x, y = dy.inputTensor(self.x, batched=True), dy.inputTensor(self.y, batched=True)
        loss = dy.mean_batches(dy.squared_distance(self.W * x + self.b, y))
        value = loss.value()
        loss.backward()
        self.trainer.update()
        return value

    def parameters(self):
        return {"weight": single(self.W.as_array()), "bias": single(self.b.as_array())}

    def proof(self):
        return {
            "mode": "define-by-run",
            "device": "cpu",
            "precision": str(single(self.W.as_array()).dtype),
            "evidence": "the version of the computation graph is %d after %d graphs here; the package is built for the"
            " CPU only, and its parameters are what float32 holds" % (dy.cg_version(), self.graphs),
        }


def build(order):
    """Return the regression."""
    return Regression(order)
