"""A version-1 static graph that a Session runs."""

import functools
from typing import Any

import tensorflow as tf

from bench.frameworks._tensorflow import device
from bench.frameworks._tensorflow import proof as _tensorflow_proof
from bench.frameworks._tensorflow.models import Forward
from bench.frameworks._tensorflow.proof import Body, Graphs
from bench.interface import Step
from bench.records.record import ModeProof
from bench.reference.workload import Adam, Sgd, Workload

v1 = tf.compat.v1


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
        return _tensorflow_proof.prove(
            "session" if graph.finalized else "none",
            Graphs(functions=1, traces=int(graph.finalized)),
            device=place(),
            precision=first.dtype.base_dtype.name,
            compute_precision=", ".join(sorted(body.predicted | _tensorflow_proof.products(graph))),
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
