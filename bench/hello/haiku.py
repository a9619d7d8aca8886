"""Linear regression in Haiku: a module turned into a pure function, Optax, and a jitted step."""

import haiku as hk
import jax
import optax

from bench.hello.data import x, y

model = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(1)(x)))
params = model.init(jax.random.PRNGKey(42), x)
optimizer = optax.adam(0.1)
state = optimizer.init(params)


def loss_fn(params):
    return ((model.apply(params, x) - y) ** 2).mean()


@jax.jit
def step(params, state):
    updates, state = optimizer.update(jax.grad(loss_fn)(params), state)
    return optax.apply_updates(params, updates), state


for epoch in range(200):
    params, state = step(params, state)

print(f"weight={params['linear']['w'][0, 0]:.4f} bias={params['linear']['b'][0]:.4f}")
