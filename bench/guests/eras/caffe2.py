"""Caffe2, as PyTorch 1.0 contains it: a net of operators on blobs of a workspace."""

import torch
from caffe2.python import brew, model_helper, optimizer, workspace


def versions():
    """Return those of the package that contains it."""
    return ["caffe2(torch)==" + torch.__version__]


class Regression(object):
    """A net with its gradient and its optimizer, which the workspace runs by name."""

    def __init__(self, order):
        workspace.ResetWorkspace()
        self.order = order
        self.model = model_helper.ModelHelper(name="regression")
        line = brew.fc(self.model, "x", "line", dim_in=1, dim_out=1)
        half = self.model.net.SquaredL2Distance([line, "y"], "half")  # half of the square
        self.loss = self.model.net.AveragedLoss(self.model.net.Scale(half, "square", scale=2.0), "loss")
        self.model.AddGradientOperators([self.loss])
        asked = order["optimizer"]
        if asked["name"] == "adam":
            rule = {"beta1": asked["beta1"], "beta2": asked["beta2"], "epsilon": asked["epsilon"]}
            optimizer.build_adam(self.model, base_learning_rate=asked["rate"], **rule)
        else:
            optimizer.build_sgd(self.model, base_learning_rate=asked["rate"], policy="fixed")
        workspace.FeedBlob("x", order["x"])
        workspace.FeedBlob("y", order["y"])
        self.reset()
        workspace.CreateNet(self.model.net)
        self.name = self.model.net.Proto().name

    def reset(self):
        workspace.RunNetOnce(self.model.param_init_net)
        workspace.FeedBlob("line_w", self.order["parameters"]["weight"])
        workspace.FeedBlob("line_b", self.order["parameters"]["bias"])

    def step(self):
        workspace.RunNet(self.name)
        return workspace.FetchBlob("loss")

    def parameters(self):
        return {"weight": workspace.FetchBlob("line_w"), "bias": workspace.FetchBlob("line_b")}

    def proof(self):
        net = self.model.net.Proto()
        kinds = [operator.type for operator in net.op]
        devices = {operator.device_option.device_type for operator in net.op}
        return {
            "mode": "net" if net.type in ("", "simple") else net.type,
            "device": "cpu" if devices == {0} else "device types %s" % sorted(devices),
            "precision": str(workspace.FetchBlob("line_w").dtype),
            "output_precision": str(workspace.FetchBlob("loss").dtype),
            "evidence": "the net of type %r has %d operators, all on the CPU: %s"
            % (net.type or "simple", len(kinds), ", ".join(kinds)),
        }


def build(order):
    """Return the regression."""
    return Regression(order)
