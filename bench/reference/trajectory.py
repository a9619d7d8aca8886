"""The float64 reference: the losses of each step and the trained parameters that every framework is compared with."""

from dataclasses import dataclass

import numpy as np

from bench.reference.workload import (
    EPSILON_HAT,
    EPSILON_HAT_FROM_2,
    FORMULAS,
    KINGMA_BA,
    Adam,
    Array64,
    Arrays64,
    Workload,
    as_float64,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """What the reference computed."""

    losses: tuple[float, ...]  # before each update, shape (steps,)
    parameters: Arrays64  # after the last update


def reference(workload: Workload, formula: str, steps: int | None = None) -> Trajectory:
    """Train `workload` from its float32 bytes in float64 NumPy by the rule `formula`, for `steps` updates (None: all).

    Raises:
        ValueError: no such formula.
    """
    parameters = {name: array.astype(np.float64) for name, array in workload.parameters.items()}
    first = {name: np.zeros_like(array) for name, array in parameters.items()}
    second = {name: np.zeros_like(array) for name, array in parameters.items()}
    losses = []
    for step in range(1, (workload.steps if steps is None else steps) + 1):
        inputs = workload.inputs.batch(step - 1).by_name()
        loss, gradient = workload.slope(parameters, {name: as_float64(array) for name, array in inputs.items()})
        losses.append(loss)
        for name, g in gradient.items():
            if isinstance(workload.optimizer, Adam):
                b1, b2 = workload.optimizer.beta1, workload.optimizer.beta2
                first[name] = b1 * first[name] + (1 - b1) * g
                second[name] = b2 * second[name] + (1 - b2) * g * g
                update = _adam_update(workload.optimizer, formula, step, first[name], second[name])
            elif formula == "sgd":
                update = workload.optimizer.learning_rate * g
            else:
                raise ValueError(f"{formula!r} is not a formula of SGD")
            parameters[name] = parameters[name] - update
    return Trajectory(losses=tuple(losses), parameters=parameters)


def _adam_update(adam: Adam, formula: str, step: int, m: Array64, v: Array64) -> Array64:
    counted = step + 1 if formula == EPSILON_HAT_FROM_2 else step
    correction1 = 1 - adam.beta1**counted
    correction2 = 1 - adam.beta2**counted
    if formula == KINGMA_BA:
        update = adam.learning_rate * (m / correction1) / (np.sqrt(v / correction2) + adam.epsilon)
    elif formula in (EPSILON_HAT, EPSILON_HAT_FROM_2):
        update = adam.learning_rate * np.sqrt(correction2) / correction1 * m / (np.sqrt(v) + adam.epsilon)
    else:
        raise ValueError(f"{formula!r} is not a formula of Adam: {', '.join(FORMULAS)}")
    return np.asarray(update)
