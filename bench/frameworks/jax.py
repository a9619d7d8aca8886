"""JAX: a pure function from state to state, run op by op, as one jitted step, or as a whole loop in `lax.scan`.

Adam is written out here, Kingma and Ba's algorithm 1, so that JAX alone is measured. Every array is made with an
explicit dtype: a weakly typed one would be traced a second time once it came back strong.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bench.framework import Output, Skip, Step
from bench.record import Memory, ModeProof
from bench.workload import KINGMA_BA, Adam, Array64, Sgd, Workload

MODES = {
    "op-by-op": "no jit around the step: each jax.numpy operation compiled once and dispatched by itself",
    "jit": "gradient and update as one jitted function, called once a step",
    "scan": "all steps of the run as one lax.scan under jit, called once",
}
BASELINE = "op-by-op"
# XLA's thread pool on the CPU heeds neither OMP_NUM_THREADS nor an XLA flag, only this and the CPU set
ENVIRONMENT = {"NPROC": "{threads}"}
ADAM = KINGMA_BA

Arrays = Mapping[str, jax.Array]


def _regression(parameters: Arrays, inputs: Arrays) -> jax.Array:
    prediction = inputs["x"] @ parameters["weight"] + parameters["bias"]  # (n, 1)
    return jnp.mean(jnp.square(prediction - inputs["y"]))


FORWARD = {"regression": _regression}


class State(NamedTuple):
    """What one step hands to the next; SGD leaves the moments empty."""

    parameters: Arrays
    first: Arrays  # moving average of the gradient
    second: Arrays  # moving average of its square
    count: jax.Array  # updates made; float32, since jnp.power compiles anew for each value of an eager integer


class _Held:
    """The newest state, where `wait` finds it: a step's loss is ready before its last update is."""

    state = State({}, {}, {}, np.float32(0))


_held = _Held()
_events = Counter[str]()


def _count_event(event: str, duration: float, **details: Any) -> None:
    _events[event] += 1


jax.monitoring.register_event_duration_secs_listener(_count_event)


def start(device: str, threads: int) -> None:
    """Choose the platform and strict float32 (no TF32); the thread count comes from the environment."""
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_default_matmul_precision", "float32")
    jax.config.update("jax_default_device", jax.devices(device)[0])  # RuntimeError where there is none


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step op by op, jitted, or the jitted loop over all steps."""
    if precision != "float32":
        return Skip(f"JAX is measured in float32 only, not {precision}")
    forward = FORWARD[workload.name]
    optimizer = workload.optimizer
    update = partial(_adam, optimizer) if isinstance(optimizer, Adam) else partial(_sgd, optimizer)
    body = Counter[str]()  # how the step's Python ran: on values, or on tracers

    def step(state: State, inputs: Arrays) -> tuple[State, jax.Array]:
        loss, gradient = jax.value_and_grad(forward)(state.parameters, inputs)
        body["traced" if isinstance(loss, jax.core.Tracer) else "run"] += 1
        return update(state, gradient), loss

    def loop(state: State, inputs: Arrays) -> tuple[State, jax.Array]:
        state, losses = jax.lax.scan(lambda s, _: step(s, inputs), state, length=workload.steps)
        return state, losses

    advance: Callable[[State, Arrays], tuple[State, jax.Array]] = {
        "op-by-op": step,
        "jit": jax.jit(step),
        "scan": jax.jit(loop),
    }[mode]
    inputs = jax.device_put(dict(workload.inputs))
    held = _held

    def call() -> jax.Array:
        held.state, losses = advance(held.state, inputs)
        return losses

    def reset() -> None:
        zeros = {name: np.zeros_like(array) for name, array in workload.parameters.items()}
        moments = zeros if isinstance(optimizer, Adam) else {}
        held.state = jax.device_put(State(dict(workload.parameters), moments, moments, np.float32(0)))

    def proof() -> ModeProof:
        compiled = _events["/jax/core/compile/backend_compile_duration"]
        weight = held.state.parameters["weight"]
        return ModeProof(
            mode="op-by-op" if body["run"] or not body["traced"] else mode,
            device=", ".join(sorted(f"cuda:{d.id}" if d.platform == "gpu" else d.platform for d in weight.devices())),
            threads=None,
            precision=str(weight.dtype),
            compilations=compiled,
            graph_breaks=None if mode == "op-by-op" else 0,
            evidence=f"the step's Python ran {body['run']} times on values and {body['traced']} times on tracers; "
            f"{compiled} compilations by XLA; device and dtype are the weight's",
        )

    reset()
    steps = workload.steps if mode == "scan" else 1
    return Step(
        call=call,
        steps_per_call=steps,
        reset=reset,
        parameters=lambda: {name: np.array(p) for name, p in held.state.parameters.items()},
        proof=proof,
    )


def _sgd(sgd: Sgd, state: State, gradient: Arrays) -> State:
    parameters = jax.tree.map(lambda p, g: p - sgd.learning_rate * g, state.parameters, gradient)
    return state._replace(parameters=parameters)


def _adam(adam: Adam, state: State, gradient: Arrays) -> State:
    count = state.count + 1
    first = jax.tree.map(partial(_average, adam.beta1), state.first, gradient)
    second = jax.tree.map(partial(_average, adam.beta2), state.second, jax.tree.map(jnp.square, gradient))
    correction1, correction2 = 1 - adam.beta1**count, 1 - adam.beta2**count

    def moved(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p - adam.learning_rate * (m / correction1) / (jnp.sqrt(v / correction2) + adam.epsilon)

    return State(jax.tree.map(moved, state.parameters, first, second), first, second, count)


def _average(decay: float, average: jax.Array, value: jax.Array) -> jax.Array:
    return decay * average + (1 - decay) * value


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output and the newest state are computed."""
    jax.block_until_ready((outputs, _held.state))


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray(jax.device_get(list(outputs)), dtype=np.float64).ravel()


def memory() -> Memory:
    """Return the allocator's statistics; XLA keeps none on the CPU."""
    statistics = jax.devices()[0].memory_stats()
    if statistics is None:
        return Memory()
    return Memory(
        allocated_peak_bytes=statistics["peak_bytes_in_use"],
        reserved_peak_bytes=statistics.get("peak_pool_bytes"),
    )


def versions() -> Sequence[str]:
    """JAX, and the XLA it brings."""
    return (f"jax=={jax.__version__}", f"jaxlib=={jax.lib.__version__}", f"numpy=={np.__version__}")
