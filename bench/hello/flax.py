"""Linear regression in Flax: an NNX module, an Optax optimizer and a jitted train step."""

import jax.numpy as jnp
import optax
from flax import nnx

from bench.hello.data import x, y

model = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.adam(0.1), wrt=nnx.Param)


@nnx.jit
def train_step(model, optimizer, x, y):
    def loss_fn(model):
        return jnp.mean((model(x) - y) ** 2)

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    optimizer.update(model, grads)
    return loss


for epoch in range(200):
    loss = train_step(model, optimizer, x, y)

print(f"weight={model.kernel.item():.4f} bias={model.bias.item():.4f}")
