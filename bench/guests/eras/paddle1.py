"""PaddlePaddle 1.8 (Fluid): a program of operators, which an Executor runs."""

import numpy as np
import paddle
import paddle.fluid as fluid


def versions():
    """Return the framework's."""
    return ["paddlepaddle==" + paddle.__version__]


class Regression(object):
    """A program with its gradient and its optimizer, in a scope of its own."""

    def __init__(self, order):
        self.main, self.startup, self.scope = fluid.Program(), fluid.Program(), fluid.Scope()
        self.feed = {"x": order["x"], "y": order["y"]}
        with fluid.program_guard(self.main, self.startup), fluid.unique_name.guard():
            self._make(order)
        self.executor = fluid.Executor(fluid.CPUPlace())
        self.reset()

    def _make(self, order):
        x = fluid.data("x", [None, 1], "float32")
        y = fluid.data("y", [None, 1], "float32")
        begin = {
            name: fluid.ParamAttr(name, fluid.initializer.NumpyArrayInitializer(array))
            for name, array in order["parameters"].items()
        }
        line = fluid.layers.fc(x, 1, param_attr=begin["weight"], bias_attr=begin["bias"])
        self.loss = fluid.layers.mean(fluid.layers.square_error_cost(line, y))
        asked = order["optimizer"]
        if asked["name"] == "adam":
            optimizer = fluid.optimizer.Adam(asked["rate"], asked["beta1"], asked["beta2"], asked["epsilon"])
        else:
            optimizer = fluid.optimizer.SGD(asked["rate"])
        optimizer.minimize(self.loss)

    def reset(self):
        self.executor.run(self.startup, scope=self.scope)

    def step(self):
        (loss,) = self.executor.run(self.main, feed=self.feed, fetch_list=[self.loss], scope=self.scope)
        return loss

    def parameters(self):
        return {name: np.array(self.scope.find_var(name).get_tensor()) for name in ("weight", "bias")}

    def proof(self):
        kinds = [operator.type for operator in self.main.global_block().ops]
        tensor = self.scope.find_var("weight").get_tensor()
        return {
            "mode": "executor" if not fluid.in_dygraph_mode() else "dygraph",
            "device": "cpu" if tensor._place().is_cpu_place() else str(tensor._place()),
            "precision": str(np.array(tensor).dtype),
            "evidence": "the program has %d operators: %s; it is no dynamic graph" % (len(kinds), ", ".join(kinds)),
        }


def build(order):
    """Return the regression."""
    return Regression(order)
