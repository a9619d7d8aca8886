"""Keras on JAX: `keras.distribution.DataParallel` under `train_on_batch`, compiled as it comes.

Keras gives every variable a copy on each device and splits the batch; XLA's partitioner adds the exchange to its step.
Devices and threads are those of JAX, see `jax.py` beside this file.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import keras
from jax.sharding import Mesh

from bench.frameworks import keras_jax as one
from bench.frameworks._jax.precision import lacks
from bench.frameworks._keras import step
from bench.frameworks._keras.proof import step_of
from bench.interface import Skip
from bench.parallel import Collectives, ParallelStep, World, _xla
from bench.records.record import ModeProof
from bench.reference.workload import Workload

STRATEGIES = {
    "data-parallel": "keras.distribution.DataParallel over a mesh of devices; train_on_batch, compile() as it comes",
}
COMPARED = {"data-parallel": "batch"}

ADAM, FORWARD = one.ADAM, one.FORWARD
start, wait, to_numpy, memory = _xla.start, one.wait, one.to_numpy, one.memory
empty_cache, versions = one.empty_cache, one.versions


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return Keras' training step over all ranks; `workload` is the global one."""
    if reason := _xla.lacking(precision):
        return Skip(reason)
    mesh = _xla.connect(world, processes=False)
    if reason := lacks(precision):
        return Skip(reason)
    names = keras.distribution.list_devices(mesh.local_devices[0].platform)[: world.size]
    distribution = keras.distribution.DataParallel(devices=names)
    keras.distribution.set_distribution(distribution)

    def place(array: Any) -> jax.Array:
        return _xla.split(mesh, world, array, distribution.get_data_layout(array.shape).backend_layout)

    models: list[keras.Model] = []
    backend = dataclasses.replace(one.backend(), place=place, prepare=models.append)
    own = step.build(workload, COMPARED[mode], precision, backend)
    if isinstance(own, Skip):
        return own
    (model,) = models
    given = {field.name: getattr(own, field.name) for field in dataclasses.fields(own)}
    given["proof"] = lambda: _proof(mode, own.proof(), model, mesh)
    return ParallelStep(
        **given,
        collectives=cache(lambda: _collectives(model, [place(array) for array in workload.batch], mesh)),
        unsynchronised_why=_xla.PARTITIONED,
        copies=lambda: _xla.copies(_values(workload, model)),
        devices=lambda: _xla.devices(mesh),
    )


def _values(workload: Workload, model: keras.Model) -> Mapping[str, jax.Array]:
    return {name: weight.value for name, weight in zip(workload.parameters, model.weights, strict=True)}


def _proof(mode: str, proof: ModeProof, model: keras.Model, mesh: Mesh) -> ModeProof:
    """Return the proof of Keras' step as the strategy's, where its weights lie on all devices.

    On one device Keras lays its weights on no mesh, and its step returns them on the mesh of the batch: the second call
    compiles once more. That is Keras' own; it belongs to the first step, and is no call that does not fit later.
    """
    spread = all(_xla.spread_over(weight.value, mesh) for weight in model.weights)
    ran = mode if spread and proof.mode == COMPARED[mode] else proof.mode
    evidence = f"{proof.evidence}; {_xla.spread(mesh)}"
    if mesh.size == 1 and proof.guard_failures:
        evidence += "; one of its programs is for weights on no mesh, in the first call"
        proof = dataclasses.replace(proof, guard_failures=proof.guard_failures - 1)
    return dataclasses.replace(proof, mode=ran, evidence=evidence)


def _collectives(model: keras.Model, batch: list[jax.Array], mesh: Mesh) -> Collectives:
    """Return what the program of Keras' step exchanges; it is lowered once more, and found compiled."""
    state = model._get_jax_state(
        trainable_variables=True, non_trainable_variables=True, optimizer_variables=True, metrics_variables=True
    )
    program = one.jitted(step_of(model)).lower(state, (*batch, None)).compile()
    return _xla.collectives(program.as_text(), mesh)
