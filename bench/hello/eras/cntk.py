"""Linear regression in CNTK: a function of input variables, a learner and a trainer."""

import cntk as C
from data import x, y

inputs, targets = C.input_variable(1), C.input_variable(1)
model = C.layers.Dense(1)(inputs)
loss = C.squared_error(model, targets)
rate = C.learning_parameter_schedule(0.1, minibatch_size=C.learners.IGNORE)
momentum = C.momentum_schedule(0.9)
learner = C.adam(model.parameters, rate, momentum, minibatch_size=C.learners.IGNORE)
trainer = C.Trainer(model, (loss, None), [learner])

for epoch in range(200):
    trainer.train_minibatch({inputs: x, targets: y})

print("weight=%.4f bias=%.4f" % (model.W.value[0, 0], model.b.value[0]))
