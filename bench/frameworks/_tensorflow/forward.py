"""A forward pass without training, in each mode."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from bench.frameworks._tensorflow.models import Forward, Tensors
from bench.frameworks._tensorflow.proof import Body, _proof, _trace_of
from bench.interface import Step
from bench.reference.workload import Array32, Workload


def _inference(workload: Workload, forward: Forward, mode: str) -> Step:
    inputs, parameters = _placed(workload)
    body = Body()
    last: Any = None

    def step() -> tf.Tensor:
        predictions = forward.predict(parameters, inputs["x"])
        body.ran(predictions)
        return predictions

    advance = _in_mode(step, mode)

    def call() -> tf.Tensor:
        nonlocal last
        last = advance()
        return last

    trace = _trace_of(forward, parameters, inputs["x"])
    return Step(
        call=call,
        reset=lambda: None,  # nothing is trained
        parameters=lambda: _arrays(parameters),
        proof=lambda: _proof(body, advance, trace, next(iter(parameters.values())), last),
        inference=True,
    )


def _placed(workload: Workload) -> tuple[Tensors, Tensors]:
    """Return the inputs as constants and the parameters as variables, on the device."""
    inputs = {name: tf.constant(array) for name, array in workload.inputs.items()}
    return inputs, {name: tf.Variable(array, name=name) for name, array in workload.parameters.items()}


def _in_mode(whole: Callable[[], tf.Tensor], mode: str) -> Any:
    return whole if mode == "eager" else tf.function(whole, jit_compile=mode.endswith("xla"))


def _arrays(parameters: Tensors) -> Mapping[str, Array32]:
    return {name: variable.numpy() for name, variable in parameters.items()}
