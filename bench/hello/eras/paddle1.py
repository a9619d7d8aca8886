"""Linear regression in PaddlePaddle 1 (fluid): layers add to a program, which an executor runs."""

import paddle.fluid as fluid
from data import x, y

inputs = fluid.data("inputs", [None, 1], "float32")
targets = fluid.data("targets", [None, 1], "float32")
prediction = fluid.layers.fc(inputs, 1, param_attr="weight", bias_attr="bias")
loss = fluid.layers.mean(fluid.layers.square_error_cost(prediction, targets))
fluid.optimizer.Adam(0.1).minimize(loss)
executor = fluid.Executor(fluid.CPUPlace())
executor.run(fluid.default_startup_program())

for epoch in range(200):
    feed = {"inputs": x, "targets": y}
    weight, bias = executor.run(feed=feed, fetch_list=["weight", "bias"])

print("weight=%.4f bias=%.4f" % (weight[0, 0], bias[0]))
