"""JAX: one program over the devices of all ranks, the gradient exchanged by XLA's partitioner or by `lax.pmean`.

On a CPU the devices are host devices of one process, which share XLA's pool of threads, or those of processes that
`jax.distributed` connects. The step is that of the mode `jit`.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from bench.frameworks import jax as one
from bench.frameworks._jax.held import held
from bench.frameworks._jax.models import FORWARD, Model
from bench.frameworks._jax.optimizers import State, adam, sgd
from bench.frameworks._jax.precision import COMPUTE, choose, lacks, products
from bench.frameworks._jax.proof import Body, proof_of
from bench.interface import Skip
from bench.parallel import ParallelStep, World, _xla
from bench.records.record import ModeProof
from bench.reference.workload import Adam, Array32, Workload

STRATEGIES = {
    "sharded-jit": "jit of the plain step, the batch split over a mesh of devices; XLA adds the exchange",
    "shard-map": "jit of shard_map: each device computes its own rows, lax.pmean averages loss and gradient",
    "multi-process": "the same shard_map with a process for each rank, connected by jax.distributed",
}
PROCESSES = ("multi-process",)
COMPARED = {"sharded-jit": "jit", "shard-map": "jit", "multi-process": "jit"}

ADAM = one.ADAM
start, wait, to_numpy, memory = _xla.start, one.wait, one.to_numpy, one.memory
empty_cache, versions = one.empty_cache, one.versions

Pair = tuple[Any, Any]  # loss and gradient
Differentiate = Callable[[Any, jax.Array, jax.Array], Pair]  # by the parameters, of the mean loss over x and y


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return the training step over all ranks; `workload` is the global one."""
    if reason := _xla.lacking(precision):
        return Skip(reason)
    mesh = _xla.connect(world, processes=mode in PROCESSES)
    if reason := lacks(precision):
        return Skip(reason)
    choose(precision)
    return _training(workload, mode, FORWARD[workload.name].mixed(COMPUTE[precision]), world, mesh)


def _training(workload: Workload, mode: str, model: Model, world: World, mesh: Mesh) -> ParallelStep:
    optimizer = workload.optimizer
    update = partial(adam, optimizer) if isinstance(optimizer, Adam) else partial(sgd, optimizer)
    own: Differentiate = jax.value_and_grad(model.loss)
    body = Body()

    def averaged(parameters: Any, x: jax.Array, y: jax.Array) -> Pair:
        pair: Pair = jax.lax.pmean(own(parameters, x, y), _xla.AXIS)
        return pair

    exchanged = own if mode == "sharded-jit" else averaged

    def step(differentiate: Differentiate, body: Body, state: State, x: jax.Array, y: jax.Array) -> Pair:
        loss, gradient = differentiate(state.parameters, x, y)
        body.ran(loss)
        return update(state, gradient), loss

    over = _whole if mode == "sharded-jit" else _each
    advance = over(partial(step, exchanged, body), mesh)
    alone = None if mode == "sharded-jit" else _each(partial(step, own, Body()), mesh)
    slope = over(exchanged, mesh)
    x, y = (_xla.split(mesh, world, array) for array in workload.batch)
    compute = cache(lambda: products(model.predict, workload.parameters, workload.batch.x))

    def restart() -> None:
        held.release()
        zeros = {name: np.zeros_like(array) for name, array in workload.parameters.items()}
        moments = zeros if isinstance(optimizer, Adam) else {}
        held.state = _xla.replicate(mesh, State(dict(workload.parameters), moments, moments, np.float32(0)))

    def call_of(program: Any) -> Callable[[], jax.Array]:
        def call() -> jax.Array:
            held.state, held.output = program(held.state, x, y)
            return held.output

        return call

    def gradient() -> Mapping[str, Array32]:
        return {name: np.array(g) for name, g in slope(held.state.parameters, x, y)[1].items()}

    def proof() -> ModeProof:
        weight = held.weight()
        ran = mode if body.compiled and _xla.spread_over(weight, mesh) else "jit" if body.compiled else "op-by-op"
        entries = advance._cache_size()
        return proof_of(ran, body, weight, held.output, entries, _xla.spread(mesh), compute=compute())

    restart()
    return ParallelStep(
        call=call_of(advance),
        reset=restart,
        parameters=held.parameters,
        gradient=gradient,
        proof=proof,
        release=held.release,
        collectives=cache(lambda: _xla.collectives(advance.lower(held.state, x, y).compile().as_text(), mesh)),
        copies=None if mode in PROCESSES else lambda: _xla.copies(held.state.parameters),
        devices=lambda: _xla.devices(mesh),
        unsynchronised=None if alone is None else call_of(alone),
        unsynchronised_why=_xla.PARTITIONED if alone is None else "",
    )


def _whole(function: Any, mesh: Mesh) -> Any:
    """Return the jitted function of the global batch, as XLA splits it."""
    return jax.jit(function, out_shardings=NamedSharding(mesh, _xla.EVERYWHERE))


def _each(function: Any, mesh: Mesh) -> Any:
    """Return the jitted function that each device runs on its own rows.

    What it returns is taken from each device as it is (check_vma): without `pmean` the copies differ, and with the
    check JAX would add the exchange to the gradient by itself.
    """
    rows = _xla.BY_ROWS
    mapped = jax.shard_map(
        function, mesh=mesh, in_specs=(_xla.EVERYWHERE, rows, rows), out_specs=_xla.EVERYWHERE, check_vma=False
    )
    return jax.jit(mapped)
