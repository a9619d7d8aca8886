"""Linear regression in DyNet: a new graph for each step, over a batch."""

import dynet as dy
from data import x, y

model = dy.ParameterCollection()
weight = model.add_parameters((1, 1))
bias = model.add_parameters(1)
trainer = dy.AdamTrainer(model, alpha=0.1)

for epoch in range(200):
    dy.renew_cg()
    prediction = weight * dy.inputTensor(x.T, batched=True) + bias
    errors = dy.squared_distance(prediction, dy.inputTensor(y.T, batched=True))
    dy.mean_batches(errors).backward()
    trainer.update()

print("weight=%.4f bias=%.4f" % (weight.as_array()[0, 0], bias.as_array()[0]))
