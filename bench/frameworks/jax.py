"""JAX: a pure function from state to state, run op by op, as one jitted step, or as a whole loop in `lax.scan`.

The forward passes stand in `_jax_models`, which says what is float32 beside products of bfloat16. Adam is written out
here, Kingma and Ba's algorithm 1, so that JAX alone is measured. Every array is made with an explicit dtype: a weakly
typed one would be traced a second time once it came back strong.

JAX keeps no compiled program on disk unless it is told to. It is told to here, for programs of any size and compile
time, so that a second process can show what a warm start costs. Making the keys and writing the entries is 1 to 2 % of
the cold first step of a compiled mode, and 6 % of the cold first step op by op, which writes one entry an operation.
"""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Final

import jax
import numpy as np

from bench.frameworks._jax.forward import _predicting
from bench.frameworks._jax.held import _held, _initial, _parameters, _weight
from bench.frameworks._jax.models import FORWARD, Model
from bench.frameworks._jax.optimizers import State, _adam, _sgd
from bench.frameworks._jax.precision import COMPUTE, choose, lacks, products
from bench.frameworks._jax.proof import Body, _count_duration, _count_event, found
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
LADDER = ("op-by-op", "jit")
LIMITS = "jax"
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
# what only an update has
TRAINING_ONLY: Final = {
    "jit-donate": "a forward pass has no state to donate",
    "scan": "a forward pass has no updates to loop over",
}

jax.monitoring.register_event_listener(_count_event)
jax.monitoring.register_event_duration_secs_listener(_count_duration)


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step, or the forward pass: op by op, jitted, or the jitted loop over all steps."""
    if reason := lacks(precision) or ("" if workload.trains else TRAINING_ONLY.get(mode, "")):
        return Skip(reason)
    choose(precision)
    model = FORWARD[workload.name].mixed(COMPUTE[precision])
    return _training(workload, mode, model) if workload.trains else _predicting(workload, mode, model)


def _training(workload: Workload, mode: str, model: Model) -> Step:
    """Return the training step of `model` in `mode`."""
    optimizer = workload.optimizer
    loss_and_gradient = jax.value_and_grad(model.loss)
    update = partial(_adam, optimizer) if isinstance(optimizer, Adam) else partial(_sgd, optimizer)
    body, held = Body(), _held

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
    x, y = (jax.device_put(workload.inputs[name]) for name in ("x", "y"))
    held.state = _initial(workload)
    compute = cache(lambda: products(model.predict, workload.parameters, x))

    def call() -> jax.Array:
        held.state, held.output = advance(held.state, x, y)
        return held.output

    def call_donated() -> jax.Array:
        held.given = held.state
        held.state, held.output = advance(held.state, x, y)
        return held.output

    def reset() -> None:
        held.state = _initial(workload)

    def proof() -> ModeProof:
        entries = None if mode == "op-by-op" else advance._cache_size()
        deleted = [array.is_deleted() for array in jax.tree.leaves(held.given)]
        taken = mode if body.compiled else "op-by-op"
        if taken == "jit-donate" and not all(deleted):
            taken = "jit"
        detail = f"{sum(deleted)} of {len(deleted)} arrays deleted that the last call was given"
        return found(
            taken, body, _weight(), held.output, entries, detail if mode == "jit-donate" else "", compute=compute()
        )

    def gradient() -> Mapping[str, Array32]:
        return {name: np.array(g) for name, g in jax.jit(jax.grad(model.loss))(held.state.parameters, x, y).items()}

    return Step(
        call=call_donated if mode == "jit-donate" else call,
        steps_per_call=workload.steps if mode == "scan" else 1,
        reset=reset,
        parameters=_parameters,
        gradient=gradient,
        proof=proof,
        release=held.release,
    )


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output and the newest state are computed."""
    jax.block_until_ready((outputs, _held.state))
