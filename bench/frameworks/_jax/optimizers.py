"""SGD and Adam as pure functions from state and gradient to the next state."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from bench.frameworks._jax.models import Arrays
from bench.reference.workload import Adam, Sgd


class State(NamedTuple):
    """What one step hands to the next; SGD leaves the moments empty."""

    parameters: Arrays
    first: Arrays  # moving average of the gradient
    second: Arrays  # moving average of its square
    count: jax.Array  # updates made; float32, since jnp.power compiles anew for each value of an eager integer


def sgd(constants: Sgd, state: State, gradient: Arrays) -> State:
    """Return the state after one update of gradient descent."""
    parameters = jax.tree.map(lambda p, g: p - constants.learning_rate * g, state.parameters, gradient)
    return state._replace(parameters=parameters)


def adam(constants: Adam, state: State, gradient: Arrays) -> State:
    """Return the state after one update by Kingma and Ba's algorithm 1."""
    count = state.count + 1
    first = jax.tree.map(partial(_average, constants.beta1), state.first, gradient)
    second = jax.tree.map(partial(_average, constants.beta2), state.second, jax.tree.map(jnp.square, gradient))
    correction1, correction2 = 1 - constants.beta1**count, 1 - constants.beta2**count

    def moved(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p - constants.learning_rate * (m / correction1) / (jnp.sqrt(v / correction2) + constants.epsilon)

    return State(jax.tree.map(moved, state.parameters, first, second), first, second, count)


def _average(decay: float, average: jax.Array, value: jax.Array) -> jax.Array:
    return decay * average + (1 - decay) * value
