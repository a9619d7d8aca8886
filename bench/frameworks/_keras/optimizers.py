"""Keras' optimisers with a workload's constants; plain TensorFlow takes them too, as its guides do."""

from typing import Any

import keras

from bench.reference.workload import Adam, Sgd


def optimizer_of(optimizer: Adam | Sgd) -> Any:
    """Return Keras' optimiser with the workload's constants."""
    if isinstance(optimizer, Sgd):
        return keras.optimizers.SGD(optimizer.learning_rate)
    return keras.optimizers.Adam(
        optimizer.learning_rate, beta_1=optimizer.beta1, beta_2=optimizer.beta2, epsilon=optimizer.epsilon
    )
