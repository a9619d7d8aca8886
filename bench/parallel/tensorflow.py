"""TensorFlow: `tf.distribute`'s mirrored variables, on logical devices of one process or with a worker for each rank.

As in TensorFlow's guides each replica divides its loss by the number of replicas, and Keras' optimiser sums the
gradients over them. The step is that of the mode `function`; what it returns are the losses of this process's replicas.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from bench.frameworks import tensorflow as one
from bench.frameworks._keras.optimizers import optimizer_of
from bench.frameworks._tensorflow import device
from bench.frameworks._tensorflow.forward import arrays_of
from bench.frameworks._tensorflow.models import FORWARD, Forward
from bench.frameworks._tensorflow.proof import Graphs, device_of, products, prove
from bench.interface import Output, Skip
from bench.parallel import ParallelStep, World, _tensorflow
from bench.records.record import ModeProof
from bench.reference.precision import PRECISIONS, TF32
from bench.reference.workload import Array32, Array64, Workload

STRATEGIES = {
    "mirrored": "MirroredStrategy over logical devices of one process, the step in one tf.function",
    "multi-worker": "MultiWorkerMirroredStrategy with a process for each rank, the step in one tf.function",
}
PROCESSES = ("multi-worker",)
COMPARED = {"mirrored": "function", "multi-worker": "function"}

ADAM = one.ADAM
start, wait, memory = device.choose, _tensorflow.wait, one.memory
empty_cache, versions = one.empty_cache, one.versions

Losses = tuple[Any, ...]  # one of each replica of this process


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return the training step over all ranks; `workload` is the global one."""
    if precision == TF32 and (missing := device.round_to_tf32()):
        return Skip(missing)
    strategy = _tensorflow.strategy_of(world, processes=mode in PROCESSES)
    forward = replace(FORWARD[workload.name], dtype=tf.as_dtype(PRECISIONS[precision].products))
    return _training(workload, mode, forward, world, strategy)


def _training(workload: Workload, mode: str, forward: Forward, world: World, strategy: Any) -> ParallelStep:
    with strategy.scope():
        parameters = {name: tf.Variable(array, name=name) for name, array in workload.parameters.items()}
        variables = list(parameters.values())
        optimizer = optimizer_of(workload.optimizer)
        optimizer.build(variables)
    fresh = [value if value.any() else None for value in (variable.numpy() for variable in optimizer.variables)]
    x, y = (
        _tensorflow.replica_inputs(strategy, world, lambda ranked, a=array: tf.constant(ranked.shard(a)))
        for array in workload.batch
    )
    last: Losses = ()

    def slopes(x: tf.Tensor, y: tf.Tensor) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            loss = forward.loss(forward.predict(parameters, x), y)
            share = loss / strategy.num_replicas_in_sync
        return loss, tape.gradient(share, variables)

    def update(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        loss, gradient = slopes(x, y)
        optimizer.apply(gradient, variables)
        return loss

    def summed(x: tf.Tensor, y: tf.Tensor) -> Any:
        _, gradient = slopes(x, y)
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradient)

    @tf.function  # type: ignore[untyped-decorator]
    def advance() -> Losses:
        return local(strategy.run(update, args=(x, y)))

    @tf.function  # type: ignore[untyped-decorator]
    def alone() -> Losses:
        with _unsummed(optimizer):
            return local(strategy.run(update, args=(x, y)))

    exchanged = tf.function(lambda: [local(slope)[0] for slope in strategy.run(summed, args=(x, y))])
    local: Any = strategy.experimental_local_results

    def call() -> Losses:
        nonlocal last
        last = advance()
        return last

    def reset() -> None:
        for name, array in workload.parameters.items():
            parameters[name].assign(array)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(np.zeros(variable.shape, variable.dtype) if value is None else value)

    def gradient() -> Mapping[str, Array32]:
        return {name: slope.numpy() for name, slope in zip(parameters, exchanged(), strict=True)}

    def copies() -> Sequence[Mapping[str, Array32]]:
        each = [[copy.numpy() for copy in local(variable)] for variable in variables]
        return [dict(zip(parameters, arrays, strict=True)) for arrays in zip(*each, strict=True)]

    trace = functools.cache(advance.get_concrete_function)
    return ParallelStep(
        call=call,
        reset=reset,
        parameters=lambda: arrays_of(parameters),
        gradient=gradient,
        proof=lambda: _proof(mode, strategy, advance, trace, local(variables[0]), last),
        collectives=functools.cache(lambda: _tensorflow.collectives(trace().graph, strategy)),
        unsynchronised=alone,
        copies=None if mode in PROCESSES else copies,
        devices=lambda: [device_of(name) for name in strategy.extended.worker_devices],
    )


@contextlib.contextmanager
def _unsummed(optimizer: Any) -> Iterator[None]:
    """Let Keras' optimiser, while it is traced, take each replica's own gradient as it is."""
    optimizer._all_reduce_sum_gradients = list
    try:
        yield
    finally:
        del optimizer._all_reduce_sum_gradients


def _proof(mode: str, strategy: Any, advance: Any, trace: Any, copies: Sequence[Any], last: Losses) -> ModeProof:
    """Return what ran: the step's graph, and over how many replicas."""
    traces = advance.experimental_get_tracing_count()
    replicas = strategy.num_replicas_in_sync
    kind = type(strategy).__name__
    expected = {"mirrored": "MirroredStrategy", "multi-worker": "CollectiveAllReduceStrategy"}[mode]
    return prove(
        mode if traces and kind == expected else "eager",
        Graphs(functions=1, traces=traces),
        device=copies[0].device,
        precision=copies[0].dtype.name,
        compute_precision=", ".join(sorted(products(trace().graph))) if traces else "",
        output=last[0] if last else None,
        evidence=f"{kind} with {replicas} replicas in sync, {len(copies)} in this process; its tf.function was traced "
        f"{traces} times",
    )


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,), of a step the mean over this process's replicas."""
    return np.asarray([[float(loss) for loss in losses] for losses in outputs], np.float64).mean(axis=1)
