"""CNTK 2.7: a function of input variables, a learner and a trainer, as its tutorials have them."""

import sys

sys.modules["__main__"].load("_mpi").stand_in()
import cntk as C  # noqa: E402
import numpy as np  # noqa: E402

ANY_SIZE = C.learners.IGNORE  # the rate is not divided by the size of a minibatch


def versions():
    """Return the framework's and NumPy's."""
    return ["cntk==" + C.__version__, "numpy(guest)==" + np.__version__]


def learner(parameters, asked):
    """Return the optimizer."""
    rate = C.learning_parameter_schedule(asked["rate"], minibatch_size=ANY_SIZE)
    if asked["name"] != "adam":
        return C.sgd(parameters, rate, minibatch_size=ANY_SIZE)
    first, second = (C.momentum_schedule(asked[name], minibatch_size=ANY_SIZE) for name in ("beta1", "beta2"))
    options = {"variance_momentum": second, "epsilon": asked["epsilon"], "minibatch_size": ANY_SIZE}
    return C.adam(parameters, rate, first, **options)


class Regression(object):
    """A Dense layer, its loss and a Trainer, which takes NumPy's arrays."""

    def __init__(self, order):
        C.device.try_set_default_device(C.device.cpu())
        self.order = order
        inputs, targets = C.input_variable(1), C.input_variable(1)
        self.batch = {inputs: order["x"], targets: order["y"]}
        self.model = C.layers.Dense(1)(inputs)
        self.loss = C.squared_error(self.model, targets)
        self.reset()

    def reset(self):
        initial = self.order["parameters"]
        self.model.W.value, self.model.b.value = initial["weight"], initial["bias"]
        made = learner(self.model.parameters, self.order["optimizer"])
        self.trainer = C.Trainer(self.model, (self.loss, None), [made])

    def step(self):
        self.trainer.train_minibatch(self.batch)
        return self.trainer.previous_minibatch_loss_average

    def parameters(self):
        return {"weight": self.model.W.value, "bias": self.model.b.value}

    def proof(self):
        nodes = C.logging.depth_first_search(self.loss, lambda node: hasattr(node, "op_name"))
        kinds = [node.op_name for node in nodes]
        device = C.device.use_default_device()
        seen = self.trainer.total_number_of_samples_seen
        return {
            "mode": "trainer",
            "device": "cpu" if device.type() == C.device.DeviceKind.CPU else str(device),
            "precision": np.dtype(self.model.W.dtype).name,
            "evidence": "the default device is %s; the loss is made of %s; the trainer has seen %d samples, %d updates"
            % (device, ", ".join(kinds), seen, seen // len(self.order["x"])),
        }


def build(order):
    """Return the regression."""
    return Regression(order)
