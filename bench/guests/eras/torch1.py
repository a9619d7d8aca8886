"""PyTorch 1.0: eager, and with the model traced."""

import torch
from torch import nn


def versions():
    """Return the framework's."""
    return ["torch==" + torch.__version__]


class Regression(object):
    """A module, a loss function, an optimizer and an explicit loop."""

    def __init__(self, order):
        torch.set_num_threads(order["threads"])
        self.order = order
        self.x, self.y = torch.from_numpy(order["x"]), torch.from_numpy(order["y"])
        self.model = nn.Linear(1, 1)
        self.loss_fn = nn.MSELoss()
        self.called = self.model if order["mode"] == "eager" else torch.jit.trace(self.model, self.x)
        self.last = None
        self.reset()

    def reset(self):
        initial, asked = self.order["parameters"], self.order["optimizer"]
        with torch.no_grad():
            self.model.weight.copy_(torch.from_numpy(initial["weight"]))
            self.model.bias.copy_(torch.from_numpy(initial["bias"]))
        if asked["name"] == "adam":
            betas = asked["beta1"], asked["beta2"]
            self.optimizer = torch.optim.Adam(self.model.parameters(), asked["rate"], betas, asked["epsilon"])
        else:
            self.optimizer = torch.optim.SGD(self.model.parameters(), asked["rate"])

    def step(self):
        self.optimizer.zero_grad()
        self.last = self.loss_fn(self.called(self.x), self.y)
        self.last.backward()
        self.optimizer.step()
        return self.last.item()

    def parameters(self):
        return {name: getattr(self.model, name).detach().numpy().copy() for name in ("weight", "bias")}

    def proof(self):
        made, node = [], self.last.grad_fn if self.last is not None else None
        while node is not None and len(made) < 3:
            made.append(type(node).__name__)
            node = node.next_functions[0][0] if node.next_functions else None
        kind = type(self.called).__name__
        return {
            "mode": {"Linear": "eager", "TopLevelTracedModule": "traced"}.get(kind, kind),
            "device": str(self.model.weight.device),
            "threads": torch.get_num_threads(),
            "precision": str(self.model.weight.dtype).replace("torch.", ""),
            "output_precision": str(self.last.dtype).replace("torch.", "") if self.last is not None else "",
            "evidence": "the model is a %s; the last loss was made by %s" % (kind, " after ".join(made)),
        }


def build(order):
    """Return the regression."""
    return Regression(order)
