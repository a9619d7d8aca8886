"""JAX: a pure function from state to state, run op by op, as one jitted step, or as a whole loop in `lax.scan`.

The forward passes are in `_jax/models.py`, which says what is float32 beside products of bfloat16. Adam is written out
here, Kingma and Ba's algorithm 1, so that JAX alone is measured. Every array is made with an explicit dtype: a weakly
typed one would be traced a second time once it came back strong.

By default JAX keeps no compiled program on disk. ENVIRONMENT makes it keep all, of any size and compile time, so that a
second process can show what a warm start costs. Making the keys and writing the entries is 1 to 2 % of
the cold first step of a compiled mode, and 6 % of the cold first step op by op, which writes one entry an operation.
"""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Final

import jax
import numpy as np

from bench.frameworks._jax import device
from bench.frameworks._jax.forward import forward_step
from bench.frameworks._jax.held import held, initial
from bench.frameworks._jax.models import FORWARD, Model
from bench.frameworks._jax.optimizers import State, adam, sgd
from bench.frameworks._jax.precision import COMPUTE, choose, lacks, products
from bench.frameworks._jax.probes import jax_probes
from bench.frameworks._jax.proof import Body, proof_of
from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Adam, Array32, Workload

MODES = {
    "op-by-op": "no jit around the step: each jax.numpy operation compiled once and dispatched by itself",
    "jit": "gradient and update as one jitted function, called once a step",
    "jit-donate": "the jitted step with its state donated, so that XLA writes the new state into the old one's memory",
    "scan": "all steps of the run as one lax.scan under jit, called once",
}
BASELINE = "op-by-op"
ERA = 2018
PERIOD = "today"
LADDER = ("op-by-op", "jit")
LIMITS = "jax"
FORMS = {"transformer": "jax.nn.dot_product_attention"}
ALLOCATORS = {
    "no_preallocation": {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
    "mem_fraction_50": {"XLA_CLIENT_MEM_FRACTION": ".50"},
    "platform": {"XLA_PYTHON_CLIENT_ALLOCATOR": "platform"},
    "cuda_async": {"XLA_PYTHON_CLIENT_ALLOCATOR": "cuda_async"},
}
ENVIRONMENT = {
    # XLA's thread pool on the CPU heeds neither OMP_NUM_THREADS nor an XLA flag, only this and the CPU set
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ADAM = KINGMA_BA
TRAINING_ONLY: Final = {  # why a forward pass has no such mode
    "jit-donate": "a forward pass has no state to donate",
    "scan": "a forward pass has no updates to loop over",
}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step, or the forward pass: op by op, jitted, or the jitted loop over all steps."""
    if reason := lacks(precision) or ("" if workload.trains else TRAINING_ONLY.get(mode, "")):
        return Skip(reason)
    choose(precision)
    model = FORWARD[workload.name].mixed(COMPUTE[precision])
    return _training(workload, mode, model) if workload.trains else forward_step(workload, mode, model)


def _training(workload: Workload, mode: str, model: Model) -> Step:
    """Return the training step of `model` in `mode`."""
    optimizer = workload.optimizer
    loss_and_gradient = jax.value_and_grad(model.loss)
    update = partial(adam, optimizer) if isinstance(optimizer, Adam) else partial(sgd, optimizer)
    body = Body()

    def step(state: State, x: jax.Array, y: jax.Array) -> tuple[State, jax.Array]:
        loss, gradient = loss_and_gradient(state.parameters, x, y)
        body.ran(loss)
        return update(state, gradient), loss

    def loop(state: State, x: jax.Array, y: jax.Array) -> tuple[State, jax.Array]:
        state, losses = jax.lax.scan(lambda s, _: step(s, x, y), state, length=workload.steps)
        return state, losses

    advance = {
        "op-by-op": step,
        "jit": jax.jit(step),
        "jit-donate": jax.jit(step, donate_argnums=0),
        "scan": jax.jit(loop),
    }[mode]
    x, y = (jax.device_put(array) for array in workload.batch)
    held.state = initial(workload)
    compute = cache(lambda: products(model.predict, workload.parameters, x))

    def call() -> jax.Array:
        held.state, held.output = advance(held.state, x, y)
        return held.output

    def call_donated() -> jax.Array:
        held.given = held.state
        held.state, held.output = advance(held.state, x, y)
        return held.output

    def proof() -> ModeProof:
        entries = None if mode == "op-by-op" else advance._cache_size()
        deleted = [array.is_deleted() for array in jax.tree.leaves(held.given)]
        ran = mode if body.compiled else "op-by-op"
        if ran == "jit-donate" and not all(deleted):
            ran = "jit"
        donated = f"{sum(deleted)} of {len(deleted)} arrays deleted that the last call was given"
        detail = donated if mode == "jit-donate" else ""
        return proof_of(ran, body, held.weight(), held.output, entries, detail, compute=compute())

    def gradient() -> Mapping[str, Array32]:
        return {name: np.array(g) for name, g in jax.jit(jax.grad(model.loss))(held.state.parameters, x, y).items()}

    return Step(
        call=call_donated if mode == "jit-donate" else call,
        steps_per_call=workload.steps if mode == "scan" else 1,
        reset=partial(held.restart, workload),
        parameters=held.parameters,
        gradient=gradient,
        proof=proof,
        release=held.release,
    )


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output and the newest state are computed."""
    jax.block_until_ready((outputs, held.state))


start, to_numpy, memory = device.start, device.to_numpy, device.memory
empty_cache, versions = device.empty_cache, device.versions
probes = jax_probes
