"""TensorFlow's version 1: a static graph with its own optimiser, run by a Session."""

import functools
from typing import Any

import tensorflow as tf

from bench.frameworks._tensorflow.models import Forward
from bench.frameworks._tensorflow.proof import Body, Graphs, products, prove
from bench.interface import Step
from bench.records.record import ModeProof
from bench.reference.workload import Adam, Sgd, Workload

v1 = tf.compat.v1


def session_step(workload: Workload, forward: Forward) -> Step:
    """Return version 1's step; what trains is added to the graph by the first call, as `tf.function` traces in it."""
    graph = tf.Graph()
    with graph.as_default():
        inputs = {name: tf.constant(array) for name, array in workload.batch.by_name().items()}
        # Fed, not in the graph: a constant would stay on the device, as large as the parameters.
        given = {name: v1.placeholder(array.dtype, array.shape) for name, array in workload.parameters.items()}
        parameters = {name: v1.Variable(value, name=name) for name, value in given.items()}
        initialize = v1.global_variables_initializer()
    session = v1.Session(graph=graph, config=_config())
    feed = {given[name]: array for name, array in workload.parameters.items()}
    session.run(initialize, feed)
    first = next(iter(parameters.values()))
    place = functools.cache(lambda: _place_of(session, first))
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
        session.run(initialize, feed)
        return session.make_callable(fetches)

    def call() -> Any:
        nonlocal advance, last
        if advance is None:
            advance = trace()
        last, *_ = advance()
        return last

    def proof() -> ModeProof:
        return prove(
            "session" if graph.finalized else "none",
            Graphs(functions=1, traces=int(graph.finalized)),
            device=place(),
            precision=first.dtype.base_dtype.name,
            compute_precision=", ".join(sorted(body.predicted | products(graph))),
            output=last,
            evidence=f"the Session's graph is finalized: {graph.finalized}; the device is that of the weight's node",
        )

    return Step(
        call=call,
        reset=lambda: session.run(initialize, feed),
        parameters=lambda: session.run(parameters),
        proof=proof,
        inference=not workload.trains,
    )


def _optimizer(optimizer: Adam | Sgd) -> Any:
    if isinstance(optimizer, Sgd):
        return v1.train.GradientDescentOptimizer(optimizer.learning_rate)
    return v1.train.AdamOptimizer(optimizer.learning_rate, optimizer.beta1, optimizer.beta2, optimizer.epsilon)


def _config() -> Any:
    """Return the configuration that gives a version-1 Session the device and the threads of `start`."""
    return v1.ConfigProto(
        device_count={"GPU": len(tf.config.get_visible_devices("GPU"))},
        intra_op_parallelism_threads=tf.config.threading.get_intra_op_parallelism_threads(),
        inter_op_parallelism_threads=tf.config.threading.get_inter_op_parallelism_threads(),
    )


def _place_of(session: Any, variable: Any) -> str:
    """Return where a Session has put a variable, in TensorFlow's words, by the graph that it made of the reading."""
    metadata = v1.RunMetadata()
    session.run(variable, options=v1.RunOptions(output_partition_graphs=True), run_metadata=metadata)
    nodes = (node for graph in metadata.partition_graphs for node in graph.node)
    return next(str(node.device) for node in nodes if node.name == variable.op.name)
