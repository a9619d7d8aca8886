"""Theano 1.0: a graph of symbols, compiled to C++; Adam written out, as its recipes had it."""

import numpy as np
import theano
import theano.tensor as T


def versions():
    """Return the framework's and NumPy's, which it computes with."""
    return ["theano==" + theano.__version__, "numpy(guest)==" + np.__version__]


def adam(gradients, parameters, rate, beta1, beta2, epsilon):
    """Return the updates of Adam, with the step and both moments as shared variables."""
    t = theano.shared(np.float32(0))
    step = t + 1
    size = rate * T.sqrt(1 - beta2**step) / (1 - beta1**step)
    updates = [(t, step)]
    for p, g in zip(parameters, gradients):
        m = theano.shared(np.zeros_like(p.get_value()))
        v = theano.shared(np.zeros_like(p.get_value()))
        m_t = beta1 * m + (1 - beta1) * g
        v_t = beta2 * v + (1 - beta2) * g**2
        updates += [(m, m_t), (v, v_t), (p, p - size * m_t / (T.sqrt(v_t) + epsilon))]
    return updates


class Compiled(object):
    """A function that makes an update, and the shared variables that it changes."""

    def __init__(self, order, x, y, loss, updates, parameters):
        self.mode = order["mode"]
        self.data = order["x"], order["y"]
        self.weight, self.bias = parameters
        self.state = [(variable, variable.get_value()) for variable, _ in updates]
        mode = {"fast-run": "FAST_RUN", "fast-compile": "FAST_COMPILE"}[self.mode]
        self.function = theano.function([x, y], loss, updates=updates, mode=mode)

    def step(self):
        return self.function(*self.data)

    def reset(self):
        for variable, value in self.state:
            variable.set_value(value)

    def parameters(self):
        return {"weight": self.weight.get_value(), "bias": self.bias.get_value()}

    def proof(self):
        maker = self.function.maker
        nodes = maker.fgraph.toposort()
        optimiser = type(maker.mode._optimizer).__name__
        linker, runs = type(maker.linker).__name__, type(self.function.fn).__name__
        dtypes = sorted({str(each.dtype) for node in nodes for each in node.outputs if hasattr(each, "dtype")})
        included = maker.mode.provided_optimizer.include
        floats = [name for name in dtypes if name.startswith("float")]
        return {
            "mode": "fast-run" if "fast_run" in included else "fast-compile",
            "device": theano.config.device,
            "threads": None if theano.config.openmp else 1,
            "precision": str(self.weight.get_value().dtype),
            "compute_precision": floats[0] if len(floats) == 1 else ", ".join(floats),
            "evidence": "the function's linker is %s, which runs %s, its optimiser %s with %s; %d nodes, dtypes %s; C++"
            " compiler %r"
            % (linker, runs, optimiser, ", ".join(sorted(map(str, included))), len(nodes), ", ".join(dtypes),
               theano.config.cxx.rpartition("/")[2]),
        }  # fmt: skip


def build(order):
    """Return the regression."""
    x, y = T.matrix("x"), T.matrix("y")
    w = theano.shared(order["parameters"]["weight"], name="w")
    b = theano.shared(order["parameters"]["bias"], name="b")
    loss = T.mean(T.sqr(T.dot(x, w) + b - y))
    gradients, asked = T.grad(loss, [w, b]), order["optimizer"]
    if asked["name"] == "adam":
        updates = adam(gradients, [w, b], asked["rate"], asked["beta1"], asked["beta2"], asked["epsilon"])
    else:
        updates = [(p, p - asked["rate"] * g) for p, g in zip([w, b], gradients)]
    return Compiled(order, x, y, loss, updates, (w, b))
