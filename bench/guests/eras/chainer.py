"""Chainer 7: define by run, the graph is made anew by each forward pass."""

import chainer
import chainer.functions as F
import chainer.links as L
import numpy as np
from chainer import optimizers


def versions():
    """Return the framework's and NumPy's, which it computes with."""
    return ["chainer==" + chainer.__version__, "numpy(guest)==" + np.__version__]


class Regression(object):
    """A Link, an optimizer, an explicit loop."""

    def __init__(self, order):
        self.order = order
        self.x, self.y = order["x"], order["y"]
        self.loss = None
        self.reset()

    def reset(self):
        initial, asked = self.order["parameters"], self.order["optimizer"]
        self.model = L.Linear(1, 1, initialW=initial["weight"], initial_bias=initial["bias"])
        if asked["name"] == "adam":
            self.optimizer = optimizers.Adam(asked["rate"], asked["beta1"], asked["beta2"], asked["epsilon"])
        else:
            self.optimizer = optimizers.SGD(asked["rate"])
        self.optimizer.setup(self.model)

    def step(self):
        self.model.cleargrads()
        self.loss = F.mean_squared_error(self.model(self.x), self.y)
        self.loss.backward()
        self.optimizer.update()
        return self.loss.array

    def parameters(self):
        return {"weight": self.model.W.array.copy(), "bias": self.model.b.array.copy()}

    def proof(self):
        made, variable = [], self.loss
        while variable is not None and variable.creator_node is not None:
            made.append(variable.creator_node.label)
            variable = variable.creator_node.inputs[0]
        return {
            "mode": "define-by-run",
            "device": "cpu" if self.model.xp is np else self.model.xp.__name__,
            "precision": str(self.model.W.dtype),
            "output_precision": str(self.loss.dtype) if self.loss is not None else "",
            "evidence": "the last loss was made by %s; arrays are of %s, iDeep %s; the optimizer counts %d updates"
            % (" after ".join(made), self.model.xp.__name__, chainer.config.use_ideep, self.optimizer.t),
        }


def build(order):
    """Return the regression."""
    return Regression(order)
