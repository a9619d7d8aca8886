"""The forward pass of a trained model on JAX: op by op, or jitted."""

from functools import cache

import jax

from bench.frameworks._jax.held import held, initial
from bench.frameworks._jax.models import Arrays, Model
from bench.frameworks._jax.precision import products
from bench.frameworks._jax.proof import Body, proof_of
from bench.interface import Step
from bench.records.record import ModeProof
from bench.reference.workload import Workload


def forward_step(workload: Workload, mode: str, model: Model) -> Step:
    """Return the forward pass of `model`; the parameters are arguments, so that XLA folds nothing into the program."""
    body = Body()

    def forward(parameters: Arrays, x: jax.Array) -> jax.Array:
        predictions = model.predict(parameters, x)
        body.ran(predictions)
        return predictions

    advance = {"op-by-op": forward, "jit": jax.jit(forward)}[mode]
    x = jax.device_put(workload.batch.x)
    held.fixed = initial(workload).parameters
    compute = cache(lambda: products(model.predict, workload.parameters, x))

    def call() -> jax.Array:
        held.output = advance(held.fixed, x)
        return held.output

    def proof() -> ModeProof:
        entries = None if mode == "op-by-op" else advance._cache_size()
        ran = mode if body.compiled else "op-by-op"
        return proof_of(ran, body, held.weight(), held.output, entries, compute=compute())

    return Step(
        call=call, reset=lambda: None, parameters=held.parameters, proof=proof, inference=True, release=held.release
    )
