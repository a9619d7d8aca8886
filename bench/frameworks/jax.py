"""JAX: a pure function from state to state, run op by op, as one jitted step, or as a whole loop in `lax.scan`.

The forward passes stand in `_jax_models`, which says what is float32 beside products of bfloat16. Adam is written out
here, Kingma and Ba's algorithm 1, so that JAX alone is measured. Every array is made with an explicit dtype: a weakly
typed one would be traced a second time once it came back strong.

JAX keeps no compiled program on disk unless it is told to. It is told to here, for programs of any size and compile
time, so that a second process can show what a warm start costs. Making the keys and writing the entries is 1 to 2 % of
the cold first step of a compiled mode, and 6 % of the cold first step op by op, which writes one entry an operation.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bench.frameworks._jax.models import FORWARD, Arrays, Model
from bench.frameworks._jax.precision import COMPUTE, STRICT, choose, lacks, products
from bench.interface import Output, Probes, Skip, Step, Task
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import KINGMA_BA, Adam, Array32, Array64, Sgd, Workload

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

COMPILED: Final = "/jax/core/compile/backend_compile_duration"  # by XLA, or read from the cache on disk
CACHE_HIT: Final = "/jax/compilation_cache/cache_hits"
CACHE_MISS: Final = "/jax/compilation_cache/cache_misses"
POOL_THREAD: Final = "tf_XLAEigen"  # the name of each thread in XLA's pool on the CPU
# what only an update has
TRAINING_ONLY: Final = {
    "jit-donate": "a forward pass has no state to donate",
    "scan": "a forward pass has no updates to loop over",
}


class State(NamedTuple):
    """What one step hands to the next; SGD leaves the moments empty."""

    parameters: Arrays
    first: Arrays  # moving average of the gradient
    second: Arrays  # moving average of its square
    count: jax.Array  # updates made; float32, since jnp.power compiles anew for each value of an eager integer


class _Held:
    """The newest state, where `wait` finds it: a step's loss is ready before its last update is."""

    state = State({}, {}, {}, np.float32(0))
    output: jax.Array | None = None  # of the last call
    given: State | None = None  # what the last call took, where it was to be donated

    def release(self) -> None:
        """Let go of every array."""
        self.state, self.output, self.given = State({}, {}, {}, np.float32(0)), None, None


class Body:
    """How the Python of a step ran: on values, or on tracers."""

    def __init__(self) -> None:
        self.on_values = 0
        self.on_tracers = 0

    def ran(self, output: jax.Array) -> None:
        """Count one run of the step, by what its loss or its predictions are."""
        if isinstance(output, jax.core.Tracer):
            self.on_tracers += 1
        else:
            self.on_values += 1

    @property
    def compiled(self) -> bool:
        """Whether every run was a trace: nothing fell back to Python."""
        return self.on_tracers > 0 and self.on_values == 0


_held = _Held()
_events = Counter[str]()
_inherited = sum(1 for _ in Path(jax.config.jax_compilation_cache_dir or os.devnull).glob("*"))


def _count_event(event: str, **details: Any) -> None:
    _events[event] += 1


def _count_duration(event: str, duration: float, **details: Any) -> None:
    _events[event] += 1


jax.monitoring.register_event_listener(_count_event)
jax.monitoring.register_event_duration_secs_listener(_count_duration)


def start(device: str, threads: int) -> None:
    """Choose the platform and strict float32 (no TF32); the thread count comes from the environment."""
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_default_matmul_precision", "float32")
    jax.config.update("jax_default_device", jax.devices(device)[0])  # RuntimeError where there is none


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


def _predicting(workload: Workload, mode: str, model: Model) -> Step:
    """Return the forward pass of `model`; the parameters are arguments, so that XLA folds nothing into the program."""
    body, held = Body(), _held

    def forward(parameters: Arrays, x: jax.Array) -> jax.Array:
        predictions = model.predict(parameters, x)
        body.ran(predictions)
        return predictions

    advance = {"op-by-op": forward, "jit": jax.jit(forward)}[mode]
    x = jax.device_put(workload.inputs["x"])
    held.state = _initial(workload)
    compute = cache(lambda: products(model.predict, workload.parameters, x))

    def call() -> jax.Array:
        held.output = advance(held.state.parameters, x)
        return held.output

    def proof() -> ModeProof:
        entries = None if mode == "op-by-op" else advance._cache_size()
        taken = mode if body.compiled else "op-by-op"
        return found(taken, body, _weight(), held.output, entries, compute=compute())

    return Step(
        call=call, reset=lambda: None, parameters=_parameters, proof=proof, inference=True, release=held.release
    )


def _initial(workload: Workload) -> State:
    """Return the state before the first step, on the device."""
    zeros = {name: np.zeros_like(array) for name, array in workload.parameters.items()}
    moments = zeros if isinstance(workload.update, Adam) else {}
    # An array that lies in NumPy's memory is never written to: XLA copies it when it is donated.
    state: State = jax.device_put(State(dict(workload.parameters), moments, moments, np.float32(0)))
    return state


def _parameters() -> Mapping[str, Array32]:
    return {name: np.array(p) for name, p in _held.state.parameters.items()}


def _weight() -> jax.Array:
    return next(iter(_held.state.parameters.values()))


def found(
    mode: str,
    body: Body,
    parameter: jax.Array,
    loss: jax.Array | None,
    entries: int | None,
    detail: str = "",
    *,
    compute: str = "",
) -> ModeProof:
    """Return the proof of a step that runs on JAX.

    Args:
        mode: the mode it was found to run in.
        body: how the step's Python ran.
        parameter: one of the trained parameters.
        loss: the last output, predictions where nothing is trained; None before the first step.
        entries: programs that jax.jit keeps for the step; None where nothing was to be compiled as a whole.
        detail: what else was looked at.
        compute: dtype of the model's products.
    """
    rounding = jax.config.jax_default_matmul_precision
    cached = jax.config.jax_compilation_cache_dir is not None
    # A program that this process has kept and met again says nothing about what it was left: Flax has such a pair.
    hits = _events[CACHE_HIT] if _inherited else 0
    return ModeProof(
        mode=mode,
        device=_device_of(parameter),
        threads=_pool_threads(),
        precision=str(parameter.dtype),
        compilations=_events[COMPILED] + body.on_tracers,
        graph_breaks=None if entries is None else 0,  # jit compiles a function whole or raises
        cache_hits=hits if cached else None,
        cache_misses=_events[CACHE_MISS] if cached else None,
        evidence=f"the step's Python ran {body.on_values} times on values and {body.on_tracers} times on tracers; "
        f"{_events[COMPILED]} programs compiled by XLA or read from disk, {entries or 0} kept by jit for the step; "
        + (f"{detail}; " if detail else "")
        + f"threads are those of the process that are called {POOL_THREAD}; device and dtype are a parameter's",
        compute_precision=compute,
        output_device="" if loss is None else _device_of(loss),
        output_precision="" if loss is None else str(loss.dtype),
        matmul_precision=str(rounding),
        tf32="cuda" in _device_of(parameter) and rounding not in STRICT,
        deterministic=_deterministic(),
        traces=None if entries is None else body.on_tracers,
        guard_failures=None if entries is None else max(0, entries - 1),
        graphs=entries,
    )


def _device_of(array: jax.Array) -> str:
    return ", ".join(sorted(f"cuda:{d.id}" if d.platform == "gpu" else d.platform for d in array.devices()))


def _pool_threads() -> int | None:
    """Count the threads of XLA's pool by their name, since JAX does not report them; None where there is no pool."""
    names = Counter[str]()
    for task in Path("/proc/self/task").iterdir():
        try:
            names[(task / "comm").read_text().strip()] += 1
        except OSError:  # it ended meanwhile
            continue
    return names[POOL_THREAD] or None


def _deterministic() -> bool | None:
    """Return the switch among XLA's flags; None where it is not set."""
    flags = os.environ.get("XLA_FLAGS", "")
    switch = re.search(r"--xla_gpu_(?:deterministic_ops|exclude_nondeterministic_ops)(?:=(\S+))?", flags)
    return None if switch is None else switch[1] not in ("false", "0")


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
    """Return the losses, shape (steps,), or the last predictions, shape (n,)."""
    kept = outputs[-1:] if outputs[-1].ndim > 1 else outputs  # losses have no columns
    return np.asarray(jax.device_get(list(kept)), dtype=np.float64).ravel()


def memory() -> Allocator:
    """Return the allocator's statistics; XLA keeps none on the CPU, nor of CUDA's own allocation ("platform")."""
    device = jax.devices()[0]
    statistics = device.memory_stats()
    if statistics is None:
        what = "of this allocator" if device.platform == "gpu" else "but of its GPU allocators; this is the CPU"
        return Allocator(why=f"XLA keeps no statistics {what}")
    told = {name: value for name, value in statistics.items() if value >= 0}  # PJRT writes -1 for what it does not know
    return Allocator(
        policy=_policy(told),
        allocated_bytes=told.get("bytes_in_use"),
        allocated_peak_bytes=told.get("peak_bytes_in_use"),
        reserved_bytes=told.get("pool_bytes"),
        reserved_peak_bytes=told.get("peak_pool_bytes"),
        requests=told.get("num_allocs"),
        largest_free_bytes=told.get("largest_free_block_bytes"),
        why="XLA does not count how often it asks the device for memory",
    )


def _policy(told: Mapping[str, int]) -> str:
    """Return the policy as the pool shows it: whole from its first use, or growing; empty where it shows neither."""
    pool, most = told.get("pool_bytes"), told.get("bytes_limit")
    if not pool or not most or {"XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_ALLOCATOR"} & set(os.environ):
        return ""
    return "default" if pool >= most else "no_preallocation"


def empty_cache() -> bool:
    """XLA has no call for it."""
    return False


def probes() -> Probes:
    """Return JAX's own calls, jitted, for the limits of the device."""
    launch = Task(_onward(jnp.ones(1), jax.jit(jnp.negative)), 1)
    return Probes(matmul=_product, triad=_triad, launch=launch, convolution=_convolution)


ROUNDING: Final = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "default"}


def _product(n: int, precision: str) -> Task | None:
    if precision == "tf32" and jax.config.jax_default_device.platform == "cpu":
        return None
    a, b = (_random((n, n), precision) for _ in range(2))
    product = jax.jit(partial(jnp.matmul, precision=ROUNDING[precision]))
    return Task(lambda: product(a, b), 2 * n**3)


def _convolution(batch: int, channels: int, precision: str) -> Task | None:
    if precision == "tf32" and jax.config.jax_default_device.platform == "cpu":
        return None
    x, weight = (_random(shape, precision) for shape in ((batch, 32, 32, channels), (3, 3, channels, channels)))
    layout: dict[str, Any] = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "precision": ROUNDING[precision]}
    convolve = jax.jit(partial(jax.lax.conv_general_dilated, window_strides=(1, 1), padding="SAME", **layout))
    return Task(lambda: convolve(x, weight), 2 * 9 * channels**2 * batch * 32**2)


def _random(shape: Sequence[int], precision: str) -> jax.Array:
    numbers = np.random.default_rng(42).random(shape, np.float32)
    return jnp.asarray(numbers, jnp.bfloat16 if precision == "bfloat16" else jnp.float32)


def _triad(size: int) -> Task:
    """Return a += s·b, three passes over an array: XLA writes the sum into the donated a."""
    b = jnp.ones(size // 8, jnp.float32)
    add = jax.jit(lambda a: a + np.float32(1e-6) * b, donate_argnums=0)
    return Task(_onward(jnp.zeros(size // 8, jnp.float32), add), size * 3 // 2)


def _onward(array: jax.Array, function: Callable[[jax.Array], jax.Array]) -> Callable[[], jax.Array]:
    """Return calls of `function`, each on what the one before it returned, so that to wait for the last is enough."""

    def call() -> jax.Array:
        nonlocal array
        array = function(array)
        return array

    return call


def versions() -> Sequence[str]:
    """JAX, and the XLA it brings."""
    return (f"jax=={jax.__version__}", f"jaxlib=={jax.lib.__version__}", f"numpy=={np.__version__}")
