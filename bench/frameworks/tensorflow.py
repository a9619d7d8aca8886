"""TensorFlow: a GradientTape step, eager, as a `tf.function`, under XLA, as a whole loop, and version 1's Session.

The optimiser is Keras', as in TensorFlow's own guides; a Session has version 1's. A function takes no arguments but
closes over the batch, which never changes: binding tensors to arguments costs more than the arithmetic.

In bfloat16 the step casts the batch and the weights and biases of products, which stay float32 variables; what flows
between the products is bfloat16. Layer norms, softmax, the mean over pixels and the loss are computed in float32.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.frameworks._keras import step as _keras
from bench.frameworks._tensorflow import device
from bench.frameworks._tensorflow.device import Body, Graphs, compiled_by_xla
from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.precision import PRECISIONS, TF32
from bench.reference.workload import EPSILON_HAT, Adam, Array32, Array64, Sgd, Workload
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
ALLOCATORS = {
    "allow_growth": {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
    "cuda_malloc_async": {"TF_GPU_ALLOCATOR": "cuda_malloc_async"},
}
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
Predict = Callable[[Tensors, tf.Tensor], tf.Tensor]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's forward pass, its loss of prediction and target, and the dtype of its products."""

    model: Predict
    of: Loss
    dtype: tf.DType = tf.float32

    def predict(self, parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
        """Return the predictions, in the dtype of the products."""
        rounded = {
            name: value if name.endswith(NORMS) else _cast(value, self.dtype) for name, value in parameters.items()
        }
        return self.model(rounded, _cast(x, self.dtype))

    def loss(self, predictions: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Return the loss, computed in float32."""
        return self.of(_cast(predictions, tf.float32), y)


NORMS = (".gain", ".shift")  # parameters of layer norms, whatever the dtype of products


def _cast(tensor: Any, dtype: tf.DType) -> Any:
    """Return the tensor in this dtype; the variable itself where it has it."""
    return tensor if tensor.dtype == dtype else tf.cast(tensor, dtype)


def _squared_error(prediction: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(prediction - y))


def _cross_entropy(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))


def _regression(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    return tf.matmul(x, parameters["weight"]) + parameters["bias"]  # (n, 1)


def _mlp(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    def dense(layer: str, h: tf.Tensor) -> tf.Tensor:
        return tf.matmul(h, parameters[f"{layer}.weight"]) + parameters[f"{layer}.bias"]

    return dense("layer3", tf.nn.relu(dense("layer2", tf.nn.relu(dense("layer1", x)))))


def _convnet(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    def convolution(layer: str, h: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(h, parameters[f"{layer}.weight"], 1, "SAME") + parameters[f"{layer}.bias"]

    def block(name: str, h: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(h + convolution(f"{name}.second", tf.nn.relu(convolution(f"{name}.first", h))))

    h = block("block1", tf.nn.relu(convolution("stem", x)))
    h = block("block2", tf.nn.relu(convolution("down", tf.nn.avg_pool2d(h, 2, 2, "VALID"))))
    mean = _cast(tf.reduce_mean(_cast(h, tf.float32), axis=[1, 2]), h.dtype)
    return tf.matmul(mean, parameters["head.weight"]) + parameters["head.bias"]


def _pointwise(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    h = x
    for block in pointwise.BLOCKS:
        h = tf.nn.gelu(h + parameters[f"{block}.bias"], approximate=True) + h
        h = _normal(parameters, f"{block}.norm", h)
    return h


def _normal(parameters: Tensors, name: str, h: tf.Tensor) -> tf.Tensor:
    wide = _cast(h, tf.float32)
    mean, variance = tf.nn.moments(wide, axes=[-1], keepdims=True)
    gain, shift = parameters[f"{name}.gain"], parameters[f"{name}.shift"]
    return _cast(tf.nn.batch_normalization(wide, mean, variance, shift, gain, pointwise.EPSILON), h.dtype)


def _transformer(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    def dense(layer: str, h: tf.Tensor) -> tf.Tensor:
        return tf.matmul(h, parameters[f"{layer}.weight"]) + parameters[f"{layer}.bias"]

    h = x
    n, tokens, width = h.shape
    heads = transformer.heads(width)
    seen = tf.linalg.band_part(tf.ones((tokens, tokens), dtype=tf.bool), -1, 0)
    for block in transformer.blocks(parameters):
        qkv = tf.matmul(_normal(parameters, f"{block}.norm1", h), parameters[f"{block}.qkv.weight"])
        q, k, v = tf.unstack(tf.transpose(tf.reshape(qkv, (n, tokens, 3, heads, width // heads)), (2, 0, 3, 1, 4)))
        scores = _cast(tf.matmul(q, k, transpose_b=True), tf.float32)  # (n, heads, tokens, tokens)
        share = tf.nn.softmax(tf.where(seen, scores / np.float32((width // heads) ** 0.5), -np.inf))
        mixed = tf.matmul(_cast(share, v.dtype), v)
        h += dense(f"{block}.out", tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (n, tokens, width)))
        up = dense(f"{block}.up", _normal(parameters, f"{block}.norm2", h))
        h += dense(f"{block}.down", tf.nn.gelu(up, approximate=True))
    return dense("head", _normal(parameters, "norm", h))


FORWARD: Mapping[str, Forward] = {
    "regression": Forward(_regression, _squared_error),
    "regression_wide": Forward(_regression, _squared_error),
    "mlp": Forward(_mlp, _cross_entropy),
    "convnet": Forward(_convnet, _cross_entropy),
    "pointwise": Forward(_pointwise, _squared_error),
    "transformer_naive": Forward(_transformer, _cross_entropy),  # TensorFlow has no fused attention
}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the step, eager, traced or compiled, the loop over all steps, or the Session's step.

    A forward pass, where nothing is trained, returns its predictions in the dtype of the products.
    """
    if precision == TF32 and (missing := device.round_to_tf32()):
        return Skip(missing)
    if mode.startswith("loop") and not workload.trains:
        return Skip("a loop repeats updates: there is none in a forward pass")
    forward = replace(FORWARD[workload.name], dtype=tf.as_dtype(PRECISIONS[precision].products))
    if mode == "session":
        return _session(workload, forward)
    return _training(workload, forward, mode) if workload.trains else _inference(workload, forward, mode)


def _training(workload: Workload, forward: Forward, mode: str) -> Step:
    inputs, parameters = _placed(workload)
    variables = list(parameters.values())
    optimizer = _keras.optimizer_of(workload.optimizer)
    optimizer.build(variables)
    fresh = [variable.numpy() for variable in optimizer.variables]
    body = Body()
    last: Any = None

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            predictions = forward.predict(parameters, inputs["x"])
            loss = forward.loss(predictions, inputs["y"])
        optimizer.apply(tape.gradient(loss, variables), variables)
        body.ran(predictions)
        return loss

    def loop() -> tf.Tensor:
        losses = tf.TensorArray(tf.float32, size=workload.steps)
        for i in tf.range(workload.steps):
            losses = losses.write(i, step())
        return losses.stack()  # (steps,)

    whole = loop if mode.startswith("loop") else step
    advance = _in_mode(whole, mode)

    def call() -> tf.Tensor:
        nonlocal last
        last = advance()
        return last

    def reset() -> None:
        for name, array in workload.parameters.items():
            parameters[name].assign(array)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(value)

    trace = _trace_of(forward, parameters, inputs["x"])
    return Step(
        call=call,
        steps_per_call=workload.steps if whole is loop else 1,
        reset=reset,
        parameters=lambda: _arrays(parameters),
        gradient=lambda: _gradient(forward, parameters, inputs),
        proof=lambda: _proof(body, advance, trace, variables[0], last),
    )


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


def _trace_of(forward: Forward, parameters: Tensors, x: tf.Tensor) -> Callable[[], tf.Graph]:
    """Return what traces the forward pass, once: an eager step leaves no graph to look at."""
    return functools.cache(lambda: tf.function(forward.predict).get_concrete_function(parameters, x).graph)


def _proof(
    body: Body, advance: Any, trace_of_forward: Callable[[], tf.Graph], variable: tf.Variable, last: Any
) -> ModeProof:
    """Return what ran: eagerly, or by the newest trace of the function `advance`."""
    if body.traced and not body.eager:
        trace = advance.get_concrete_function()
        graphs = Graphs(functions=1, traces=body.traced, xla=compiled_by_xla(trace))
        ran = FOUND[any(operation.type == "While" for operation in trace.graph.get_operations()), graphs.xla]
        graph = trace.graph
    else:
        ran, graphs, graph = "eager", None, trace_of_forward()
    return device.prove(
        ran,
        graphs,
        device=variable.device,
        precision=variable.dtype.name,
        compute_precision=", ".join(sorted(body.predicted | device.products(graph))),
        output=last,
        evidence=f"the step's Python ran {body.eager} times eagerly and {body.traced} times while tracing; loop, XLA "
        "and the products' dtypes are read off the trace, an eager step's off one of its forward pass",
    )


def _gradient(forward: Forward, parameters: Tensors, inputs: Tensors) -> Mapping[str, Array32]:
    with tf.GradientTape() as tape:
        loss = forward.loss(forward.predict(parameters, inputs["x"]), inputs["y"])
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
    session = v1.Session(graph=graph, config=device.session_config())
    session.run(initialize)
    first = next(iter(parameters.values()))
    place = functools.cache(lambda: device.placed(session, first))
    body = Body()
    advance: Any = None
    last: Any = None

    def trace() -> Any:
        nonlocal initialize
        with graph.as_default():
            predictions = forward.predict(parameters, inputs["x"])
            body.ran(predictions)
            fetches = [predictions]
            if workload.trains:
                loss = forward.loss(predictions, inputs["y"])
                fetches = [loss, _optimizer(workload.optimizer).minimize(loss)]
            initialize = v1.global_variables_initializer()
        graph.finalize()
        session.run(initialize)
        return session.make_callable(fetches)

    def call() -> Any:
        nonlocal advance, last
        if advance is None:
            advance = trace()
        last, *_ = advance()
        return last

    def proof() -> ModeProof:
        return device.prove(
            "session" if graph.finalized else "none",
            Graphs(functions=1, traces=int(graph.finalized)),
            device=place(),
            precision=first.dtype.base_dtype.name,
            compute_precision=", ".join(sorted(body.predicted | device.products(graph))),
            output=last,
            evidence=f"the Session's graph is finalized: {graph.finalized}; the device is that of the weight's node",
        )

    return Step(
        call=call,
        reset=lambda: session.run(initialize),
        parameters=lambda: session.run(parameters),
        proof=proof,
        inference=not workload.trains,
    )


def _optimizer(optimizer: Adam | Sgd) -> Any:
    if isinstance(optimizer, Sgd):
        return v1.train.GradientDescentOptimizer(optimizer.learning_rate)
    return v1.train.AdamOptimizer(optimizer.learning_rate, optimizer.beta1, optimizer.beta2, optimizer.epsilon)


start, wait, memory = device.start, device.wait, device.memory
empty_cache = device.empty_cache
probes = device.probes


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,), or the last predictions, shape (n,): these have a row for each sample."""
    last = np.asarray(outputs[-1])
    told = last if last.ndim > 1 else np.asarray([np.asarray(losses) for losses in outputs])
    return told.astype(np.float64).ravel()


def versions() -> Sequence[str]:
    """TensorFlow, the Keras whose optimisers it uses, and NumPy for the inputs."""
    return (f"tensorflow=={tf.__version__}", f"keras=={keras.__version__}", f"numpy=={np.__version__}")
