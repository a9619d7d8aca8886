"""Adam and SGD as pure functions of parameters, gradient and state."""

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


def _sgd(sgd: Sgd, state: State, gradient: Arrays) -> State:
    parameters = jax.tree.map(lambda p, g: p - sgd.learning_rate * g, state.parameters, gradient)
    return state._replace(parameters=parameters)


def _adam(adam: Adam, state: State, gradient: Arrays) -> State:
    count = state.count + 1
    first = jax.tree.map(partial(_average, adam.beta1), state.first, gradient)
    second = jax.tree.map(partial(_average, adam.beta2), state.second, jax.tree.map(jnp.square, gradient))
    correction1, correction2 = 1 - adam.beta1**count, 1 - adam.beta2**count

    def moved(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p - adam.learning_rate * (m / correction1) / (jnp.sqrt(v / correction2) + adam.epsilon)

    return State(jax.tree.map(moved, state.parameters, first, second), first, second, count)


def _average(decay: float, average: jax.Array, value: jax.Array) -> jax.Array:
    return decay * average + (1 - decay) * value
