"""Linear regression in Equinox: a layer that is a tree of arrays, Optax, and a step under filter_jit."""

import equinox as eqx
import jax
import optax

from bench.hello.data import x, y

model = eqx.nn.Linear(1, 1, key=jax.random.PRNGKey(42))
optimizer = optax.adam(0.1)
state = optimizer.init(eqx.filter(model, eqx.is_array))


def loss_fn(model):
    return ((jax.vmap(model)(x) - y) ** 2).mean()


@eqx.filter_jit
def step(model, state):
    grads = eqx.filter_grad(loss_fn)(model)
    updates, state = optimizer.update(grads, state, model)
    return eqx.apply_updates(model, updates), state


for epoch in range(200):
    model, state = step(model, state)

print(f"weight={model.weight[0, 0]:.4f} bias={model.bias[0]:.4f}")
