"""The forward pass of a trained model on TensorFlow, and what it shares with the training step."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from bench.frameworks._tensorflow.models import Forward, Tensors
from bench.frameworks._tensorflow.proof import Body, proof_of, trace_of
from bench.interface import Step
from bench.reference.workload import Array32, Workload


def forward_step(workload: Workload, forward: Forward, mode: str) -> Step:
    """Return the forward pass, eager, traced or compiled."""
    inputs, parameters = placed(workload)
    body = Body()
    last: Any = None

    def step() -> tf.Tensor:
        predictions = forward.predict(parameters, inputs["x"])
        body.ran(predictions)
        return predictions

    advance = in_mode(step, mode)

    def call() -> tf.Tensor:
        nonlocal last
        last = advance()
        return last

    trace = trace_of(forward, parameters, inputs["x"])
    return Step(
        call=call,
        reset=lambda: None,  # nothing is trained
        parameters=lambda: arrays_of(parameters),
        proof=lambda: proof_of(body, advance, trace, next(iter(parameters.values())), last),
        inference=True,
    )


def placed(workload: Workload) -> tuple[Tensors, Tensors]:
    """Return the inputs as constants and the parameters as variables, on the device."""
    inputs = {name: tf.constant(array) for name, array in workload.batch.by_name().items()}
    return inputs, {name: tf.Variable(array, name=name) for name, array in workload.parameters.items()}


def in_mode(whole: Callable[[], tf.Tensor], mode: str) -> Any:
    """Return `whole`, a step or a loop, as `mode` runs it."""
    return whole if mode == "eager" else tf.function(whole, jit_compile=mode.endswith("xla"))


def arrays_of(parameters: Tensors) -> Mapping[str, Array32]:
    """Return the parameters' values."""
    return {name: variable.numpy() for name, variable in parameters.items()}
