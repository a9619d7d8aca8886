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

KINDS = {"mirrored": "MirroredStrategy", "multi-worker": "CollectiveAllReduceStrategy"}  # the class of each

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
    mirrored = _Mirrored(workload, forward, world, strategy)
    return ParallelStep(
        call=mirrored.call,
        reset=mirrored.reset,
        parameters=lambda: arrays_of(mirrored.parameters),
        gradient=mirrored.gradient,
        proof=lambda: mirrored.proof(mode),
        collectives=functools.cache(lambda: _tensorflow.collectives(mirrored.graph(), strategy)),
        unsynchronised=mirrored.alone,
        copies=None if mode in PROCESSES else mirrored.copies,
        devices=lambda: [device_of(name) for name in strategy.extended.worker_devices],
    )


class _Mirrored:
    """The variables of all replicas, with a copy on each, and the functions that train them."""

    def __init__(self, workload: Workload, forward: Forward, world: World, strategy: Any) -> None:
        self.workload, self.forward, self.strategy = workload, forward, strategy
        with strategy.scope():
            self.parameters = {name: tf.Variable(array, name=name) for name, array in workload.parameters.items()}
            self.variables = list(self.parameters.values())
            self.optimizer = optimizer_of(workload.optimizer)
            self.optimizer.build(self.variables)
        values = (variable.numpy() for variable in self.optimizer.variables)
        self.fresh = [value if value.any() else None for value in values]
        self.batch = tuple(_tensorflow.rows(strategy, world, array) for array in workload.batch)
        self.last: Losses = ()
        self.advance = tf.function(self._step)
        self.alone = tf.function(self._step_alone)
        self.slope = tf.function(self._summed)

    def _slopes(self, x: tf.Tensor, y: tf.Tensor) -> tuple[Any, Any]:
        """Return a replica's loss, and the gradient of its share in the mean over all replicas."""
        with tf.GradientTape() as tape:
            loss = self.forward.loss(self.forward.predict(self.parameters, x), y)
            share = loss / self.strategy.num_replicas_in_sync
        return loss, tape.gradient(share, self.variables)

    def _update(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        loss, gradient = self._slopes(x, y)
        self.optimizer.apply(gradient, self.variables)
        return loss

    def _step(self) -> Losses:
        losses: Losses = self.strategy.experimental_local_results(self.strategy.run(self._update, args=self.batch))
        return losses

    def _step_alone(self) -> Losses:
        with _unsummed(self.optimizer):
            return self._step()

    def _summed(self) -> list[Any]:
        def of_replica(x: tf.Tensor, y: tf.Tensor) -> Any:
            _, gradient = self._slopes(x, y)
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradient)

        slopes = self.strategy.run(of_replica, args=self.batch)
        return [self.strategy.experimental_local_results(slope)[0] for slope in slopes]

    def call(self) -> Losses:
        """Advance all replicas by a step; return the losses of this process's."""
        self.last = self.advance()
        return self.last

    def reset(self) -> None:
        """Go back to the initial parameters and a fresh optimiser."""
        for name, array in self.workload.parameters.items():
            self.parameters[name].assign(array)
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
            variable.assign(np.zeros(variable.shape, variable.dtype) if value is None else value)

    def gradient(self) -> Mapping[str, Array32]:
        """Return what the exchange makes of the replicas' gradients."""
        return {name: slope.numpy() for name, slope in zip(self.parameters, self.slope(), strict=True)}

    def copies(self) -> Sequence[Mapping[str, Array32]]:
        """Return the parameters as each device of this process has them."""
        local = self.strategy.experimental_local_results
        each = [[copy.numpy() for copy in local(variable)] for variable in self.variables]
        return [dict(zip(self.parameters, arrays, strict=True)) for arrays in zip(*each, strict=True)]

    def proof(self, mode: str) -> ModeProof:
        """Return what ran: the step's graph, and over how many replicas."""
        traces = self.advance.experimental_get_tracing_count()
        kind = type(self.strategy).__name__
        copies = self.strategy.experimental_local_results(self.variables[0])
        return prove(
            mode if traces and kind == KINDS[mode] else "eager",
            Graphs(functions=1, traces=traces),
            device=copies[0].device,
            precision=copies[0].dtype.name,
            compute_precision=", ".join(sorted(products(self.graph()))) if traces else "",
            output=self.last[0] if self.last else None,
            evidence=f"{kind} with {self.strategy.num_replicas_in_sync} replicas in sync, {len(copies)} in this"
            f" process; its tf.function was traced {traces} times",
        )

    def graph(self) -> tf.Graph:
        """Return the graph of the step."""
        return self.advance.get_concrete_function().graph


@contextlib.contextmanager
def _unsummed(optimizer: Any) -> Iterator[None]:
    """Let Keras' optimiser, while it is traced, take each replica's own gradient as it is."""
    optimizer._all_reduce_sum_gradients = list
    try:
        yield
    finally:
        del optimizer._all_reduce_sum_gradients


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,), of a step the mean over this process's replicas."""
    means: Array64 = np.asarray([[float(loss) for loss in losses] for losses in outputs], np.float64).mean(axis=1)
    return means
