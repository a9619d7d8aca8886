"""TensorFlow: a GradientTape step, eager, as a `tf.function`, under XLA, as a whole loop, and version 1's Session.

The optimiser is Keras', as in TensorFlow's own guides; a Session has version 1's. A function takes no arguments but
closes over the batch, which never changes: binding tensors to arguments costs more than the arithmetic.
"""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.framework import Output, Skip, Step
from bench.frameworks import _keras, _tensorflow
from bench.frameworks._tensorflow import Graphs, compiled_by_xla
from bench.record import ModeProof
from bench.workload import EPSILON_HAT, Adam, Array32, Array64, Sgd, Workload
from bench.workloads import pointwise, transformer

MODES = {
    "eager": "GradientTape and Keras' optimiser as in the guides, each operation dispatched by itself",
    "function": "the whole step with Keras' optimiser traced into one graph by tf.function",
    "xla": "the whole step compiled by XLA: tf.function(jit_compile=True)",
    "loop": "all steps of the run as one tf.function around a tf.range loop, called once",
    "loop-xla": "the whole loop compiled by XLA, called once",
    "session": "version 1: a static graph with its own optimiser, run by a Session, which hands out NumPy's numbers",
}
BASELINE = "eager"
LADDER = ("eager", "function", "xla")
LIMITS = "tensorflow"
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "{scratch}/keras",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTEROP_THREADS": "{threads}",
    "TF_NUM_INTRAOP_THREADS": "{threads}",
    "TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory={scratch}/xla",
}
ADAM = EPSILON_HAT

v1 = tf.compat.v1
Tensors = Mapping[str, Any]
Forward = Callable[[Tensors, Tensors], tf.Tensor]


def _regression(parameters: Tensors, inputs: Tensors) -> tf.Tensor:
    prediction = tf.matmul(inputs["x"], parameters["weight"]) + parameters["bias"]  # (n, 1)
    return tf.reduce_mean(tf.square(prediction - inputs["y"]))


def _mlp(parameters: Tensors, inputs: Tensors) -> tf.Tensor:
    def dense(layer: str, x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, parameters[f"{layer}.weight"]) + parameters[f"{layer}.bias"]

    logits = dense("layer3", tf.nn.relu(dense("layer2", tf.nn.relu(dense("layer1", inputs["x"])))))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(inputs["y"], logits))


def _convnet(parameters: Tensors, inputs: Tensors) -> tf.Tensor:
    def convolution(layer: str, h: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(h, parameters[f"{layer}.weight"], 1, "SAME") + parameters[f"{layer}.bias"]

    def block(name: str, h: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(h + convolution(f"{name}.second", tf.nn.relu(convolution(f"{name}.first", h))))

    h = block("block1", tf.nn.relu(convolution("stem", inputs["x"])))
    h = block("block2", tf.nn.relu(convolution("down", tf.nn.avg_pool2d(h, 2, 2, "VALID"))))
    logits = tf.matmul(tf.reduce_mean(h, axis=[1, 2]), parameters["head.weight"]) + parameters["head.bias"]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(inputs["y"], logits))


def _pointwise(parameters: Tensors, inputs: Tensors) -> tf.Tensor:
    h = inputs["x"]
    for block in pointwise.BLOCKS:
        h = tf.nn.gelu(h + parameters[f"{block}.bias"], approximate=True) + h
        h = _normal(parameters, f"{block}.norm", h)
    return tf.reduce_mean(tf.square(h - inputs["y"]))


def _normal(parameters: Tensors, name: str, h: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(h, axes=[-1], keepdims=True)
    gain, shift = parameters[f"{name}.gain"], parameters[f"{name}.shift"]
    return tf.nn.batch_normalization(h, mean, variance, shift, gain, pointwise.EPSILON)


def _transformer(parameters: Tensors, inputs: Tensors) -> tf.Tensor:
    def dense(layer: str, h: tf.Tensor) -> tf.Tensor:
        return tf.matmul(h, parameters[f"{layer}.weight"]) + parameters[f"{layer}.bias"]

    h = inputs["x"]
    n, tokens, width = h.shape
    heads = transformer.heads(width)
    seen = tf.linalg.band_part(tf.ones((tokens, tokens), dtype=tf.bool), -1, 0)
    for block in transformer.blocks(parameters):
        qkv = tf.matmul(_normal(parameters, f"{block}.norm1", h), parameters[f"{block}.qkv.weight"])
        q, k, v = tf.unstack(tf.transpose(tf.reshape(qkv, (n, tokens, 3, heads, width // heads)), (2, 0, 3, 1, 4)))
        scores = tf.matmul(q, k, transpose_b=True) / np.float32((width // heads) ** 0.5)  # (n, heads, tokens, tokens)
        mixed = tf.matmul(tf.nn.softmax(tf.where(seen, scores, -np.inf)), v)
        h += dense(f"{block}.out", tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (n, tokens, width)))
        up = dense(f"{block}.up", _normal(parameters, f"{block}.norm2", h))
        h += dense(f"{block}.down", tf.nn.gelu(up, approximate=True))
    logits = dense("head", _normal(parameters, "norm", h))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(inputs["y"], logits))


FORWARD: Mapping[str, Forward] = {
    "regression": _regression,
    "regression_wide": _regression,
    "mlp": _mlp,
    "convnet": _convnet,
    "pointwise": _pointwise,
    "transformer_naive": _transformer,  # TensorFlow has no fused attention
}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step, eager, traced or compiled, the loop over all steps, or the Session's step."""
    if precision != "float32":
        return Skip(f"TensorFlow is measured in float32 only, not {precision}")
    forward = FORWARD[workload.name]
    return _session(workload, forward) if mode == "session" else _step(workload, forward, mode)


def _step(workload: Workload, forward: Forward, mode: str) -> Step:
    inputs = {name: tf.constant(array) for name, array in workload.inputs.items()}
    parameters = {name: tf.Variable(array, name=name) for name, array in workload.parameters.items()}
    variables = list(parameters.values())
    optimizer = _keras.optimizer_of(workload.optimizer)
    optimizer.build(variables)
    fresh = [variable.numpy() for variable in optimizer.variables]
    body = Counter[str]()  # how the step's Python ran: eagerly, or into a graph
    last: Any = None

    def step() -> tf.Tensor:
        body["eager" if tf.executing_eagerly() else "traced"] += 1
        with tf.GradientTape() as tape:
            loss = forward(parameters, inputs)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def loop() -> tf.Tensor:
        losses = tf.TensorArray(tf.float32, size=workload.steps)
        for i in tf.range(workload.steps):
            losses = losses.write(i, step())
        return losses.stack()  # (steps,)

    whole = loop if mode.startswith("loop") else step
    advance: Any = whole if mode == "eager" else tf.function(whole, jit_compile=mode.endswith("xla"))

    def call() -> tf.Tensor:
        nonlocal last
        last = advance()
        return last

    def reset() -> None:
        for name, array in workload.parameters.items():
            parameters[name].assign(array)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(value)

    def proof() -> ModeProof:
        ran, graphs = "eager", None
        if body["traced"] and not body["eager"]:
            trace = advance.get_concrete_function()
            graphs = Graphs(functions=1, traces=body["traced"], xla=compiled_by_xla(trace))
            ran = FOUND[any(operation.type == "While" for operation in trace.graph.get_operations()), graphs.xla]
        return _tensorflow.prove(
            ran,
            graphs,
            device=variables[0].device,
            precision=variables[0].dtype.name,
            output=last,
            evidence=f"the step's Python ran {body['eager']} times eagerly and {body['traced']} times while tracing; "
            "loop and XLA are read off the trace",
        )

    return Step(
        call=call,
        steps_per_call=workload.steps if whole is loop else 1,
        reset=reset,
        parameters=lambda: {name: variable.numpy() for name, variable in parameters.items()},
        gradient=lambda: _gradient(forward, parameters, inputs),
        proof=proof,
    )


def _gradient(forward: Forward, parameters: Tensors, inputs: Tensors) -> Mapping[str, Array32]:
    with tf.GradientTape() as tape:
        loss = forward(parameters, inputs)
    return {name: slope.numpy() for name, slope in tape.gradient(loss, parameters).items()}


# (a loop in the trace, compiled by XLA) -> the mode that this is
FOUND = {(False, False): "function", (False, True): "xla", (True, False): "loop", (True, True): "loop-xla"}


def _session(workload: Workload, forward: Forward) -> Step:
    """Return version 1's step; what trains is added to the graph by the first call, as `tf.function` traces in it."""
    graph = tf.Graph()
    with graph.as_default():
        inputs = {name: tf.constant(array) for name, array in workload.inputs.items()}
        parameters = {name: v1.Variable(array, name=name) for name, array in workload.parameters.items()}
        initialize = v1.global_variables_initializer()
    session = v1.Session(graph=graph, config=_tensorflow.session_config())
    session.run(initialize)
    first = next(iter(parameters.values()))
    place = functools.cache(lambda: _tensorflow.placed(session, first))
    advance: Any = None
    last: Any = None

    def trace() -> Any:
        nonlocal initialize
        with graph.as_default():
            loss = forward(parameters, inputs)
            train = _optimizer(workload.optimizer).minimize(loss)
            initialize = v1.global_variables_initializer()
        graph.finalize()
        session.run(initialize)
        return session.make_callable([loss, train])

    def call() -> np.float32:
        nonlocal advance, last
        if advance is None:
            advance = trace()
        last, _ = advance()
        return last  # type: ignore[no-any-return]  # TensorFlow's fetches have no types

    def proof() -> ModeProof:
        return _tensorflow.prove(
            "session" if graph.finalized else "none",
            Graphs(functions=1, traces=int(graph.finalized)),
            device=place(),
            precision=first.dtype.base_dtype.name,
            output=last,
            evidence=f"the Session's graph is finalized: {graph.finalized}; the device is that of the weight's node",
        )

    return Step(
        call=call,
        reset=lambda: session.run(initialize),
        parameters=lambda: session.run(parameters),
        proof=proof,
    )


def _optimizer(optimizer: Adam | Sgd) -> Any:
    if isinstance(optimizer, Sgd):
        return v1.train.GradientDescentOptimizer(optimizer.learning_rate)
    return v1.train.AdamOptimizer(optimizer.learning_rate, optimizer.beta1, optimizer.beta2, optimizer.epsilon)


start, wait, memory = _tensorflow.start, _tensorflow.wait, _tensorflow.memory
probes = _tensorflow.probes


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray([np.asarray(losses) for losses in outputs], dtype=np.float64).ravel()


def versions() -> Sequence[str]:
    """TensorFlow, the Keras whose optimisers it uses, and NumPy for the inputs."""
    return (f"tensorflow=={tf.__version__}", f"keras=={keras.__version__}", f"numpy=={np.__version__}")
