"""MXNet 1.9: Gluon, imperative and hybridized, and the older Module on a symbol."""

import mxnet as mx
from mxnet import autograd, gluon, nd


def versions():
    """Return the framework's."""
    return ["mxnet==" + mx.__version__]


def _rule(asked):
    """Return the name of an optimizer and its options."""
    options = {"learning_rate": asked["rate"]}
    if asked["name"] == "adam":
        options.update(beta1=asked["beta1"], beta2=asked["beta2"], epsilon=asked["epsilon"])
    return asked["name"], options


class Loss(gluon.HybridBlock):
    """The line, and the mean of its squared errors."""

    def __init__(self):
        super(Loss, self).__init__()
        with self.name_scope():
            self.line = gluon.nn.Dense(1, in_units=1)

    def hybrid_forward(self, F, x, y):
        return F.mean(F.square(self.line(x) - y))


class Gluon(object):
    """A block, a Trainer and an explicit loop, which asks for each loss as a number."""

    def __init__(self, order):
        self.order = order
        self.x, self.y = nd.array(order["x"]), nd.array(order["y"])
        self.loss = Loss()
        self.loss.initialize()
        if order["mode"] == "hybridized":
            self.loss.hybridize()
        self.reset()

    def reset(self):
        initial = self.order["parameters"]
        self.loss.line.weight.set_data(nd.array(initial["weight"]))
        self.loss.line.bias.set_data(nd.array(initial["bias"]))
        self.trainer = gluon.Trainer(self.loss.collect_params(), *_rule(self.order["optimizer"]))

    def step(self):
        with autograd.record():
            loss = self.loss(self.x, self.y)
        loss.backward()
        self.trainer.step(1)
        return loss.asscalar()

    def parameters(self):
        line = self.loss.line
        return {"weight": line.weight.data().asnumpy(), "bias": line.bias.data().asnumpy()}

    def proof(self):
        weight, graph = self.loss.line.weight.data(), self.loss._cached_op
        return {
            "mode": "hybridized" if self.loss._active and graph is not None else "imperative",
            "device": str(weight.context).partition("(")[0],
            "precision": weight.dtype.__name__,
            "evidence": "the block is %sactive for hybridization, its cached graph is %s; context %s"
            % ("" if self.loss._active else "not ", type(graph).__name__, weight.context),
        }


class Module(object):
    """A symbol with its gradient, bound to arrays."""

    def __init__(self, order):
        self.order = order
        x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
        line = mx.sym.FullyConnected(x, num_hidden=1, name="line")
        loss = mx.sym.MakeLoss(mx.sym.mean(mx.sym.square(line - y)))
        self.module = mx.mod.Module(loss, data_names=["x"], label_names=["y"])
        self.module.bind(data_shapes=[("x", order["x"].shape)], label_shapes=[("y", order["y"].shape)])
        self.module.init_params()
        self.batch = mx.io.DataBatch([nd.array(order["x"])], [nd.array(order["y"])])
        self.reset()

    def reset(self):
        initial = self.order["parameters"]
        self.module.set_params({"line_weight": nd.array(initial["weight"]), "line_bias": nd.array(initial["bias"])}, {})
        name, options = _rule(self.order["optimizer"])
        options["rescale_grad"] = 1.0  # the loss is a mean
        self.module.init_optimizer(optimizer=name, optimizer_params=options, force_init=True)

    def step(self):
        self.module.forward_backward(self.batch)
        self.module.update()
        return self.module.get_outputs()[0].asnumpy()

    def parameters(self):
        found, _ = self.module.get_params()
        return {"weight": found["line_weight"].asnumpy(), "bias": found["line_bias"].asnumpy()}

    def proof(self):
        executor = self.module._exec_group.execs[0]
        weight = executor.arg_dict["line_weight"]
        return {
            "mode": "module" if type(executor).__name__ == "Executor" else type(executor).__name__,
            "device": str(weight.context).partition("(")[0],
            "precision": weight.dtype.__name__,
            "evidence": "the module runs one %s on %s, bound to the symbol of %d internals"
            % (type(executor).__name__, weight.context, len(self.module.symbol.get_internals().list_outputs())),
        }


def build(order):
    """Return the regression in the mode that is asked for."""
    return Module(order) if order["mode"] == "module" else Gluon(order)
