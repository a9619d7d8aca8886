"""Proof of mode: what JAX traced, compiled and took from its cache on disk, by its own events and arrays.

JAX's events are counted from the import of this module on, and so are the files that lie in the cache before anything
is compiled.
"""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import jax

from bench.frameworks._jax.precision import STRICT
from bench.records.record import ModeProof

COMPILED: Final = "/jax/core/compile/backend_compile_duration"  # by XLA, or read from the cache on disk
CACHE_HIT: Final = "/jax/compilation_cache/cache_hits"
CACHE_MISS: Final = "/jax/compilation_cache/cache_misses"
POOL_THREAD: Final = "tf_XLAEigen"  # the name of each thread in XLA's pool on the CPU

_events = Counter[str]()  # of this process, by JAX's names
_files_at_start = sum(1 for _ in Path(jax.config.jax_compilation_cache_dir or os.devnull).glob("*"))


def _count_event(event: str, **details: Any) -> None:
    _events[event] += 1


def _count_duration(event: str, duration: float, **details: Any) -> None:
    _events[event] += 1


# at import: whatever compiles first, in any framework on JAX, is counted
jax.monitoring.register_event_listener(_count_event)
jax.monitoring.register_event_duration_secs_listener(_count_duration)


class Body:
    """How the Python code of a step ran: on values, or on tracers."""

    def __init__(self) -> None:
        self.on_values = 0
        self.on_tracers = 0

    def ran(self, output: jax.Array) -> None:
        """Count one run of the step, which returned `output`: its loss or its predictions."""
        if isinstance(output, jax.core.Tracer):
            self.on_tracers += 1
        else:
            self.on_values += 1

    @property
    def compiled(self) -> bool:
        """Whether every run was a trace: nothing fell back to Python."""
        return self.on_tracers > 0 and self.on_values == 0


def proof_of(
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
        mode: the mode that it ran in.
        body: how the step's Python ran.
        parameter: one of the trained parameters.
        loss: the last output, predictions where nothing is trained; None before the first step.
        entries: programs that jax.jit keeps for the step; None where nothing was to be compiled as a whole.
        detail: further evidence.
        compute: dtype of the model's products.
    """
    rounding = jax.config.jax_default_matmul_precision
    place = _device_of(parameter)
    on_cpu = place == "cpu"
    whence = f"threads are those of the process that are called {POOL_THREAD}; " if on_cpu else ""
    cached = jax.config.jax_compilation_cache_dir is not None
    # A hit on a program that this process itself has written is not a warm start: Flax compiles such a pair.
    hits = _events[CACHE_HIT] if _files_at_start else 0
    return ModeProof(
        mode=mode,
        device=place,
        threads=_pool_threads() if on_cpu else None,  # the pool computes for the CPU alone
        precision=str(parameter.dtype),
        compilations=_events[COMPILED] + body.on_tracers,
        graph_breaks=None if entries is None else 0,  # jit compiles a function whole or raises
        cache_hits=hits if cached else None,
        cache_misses=_events[CACHE_MISS] if cached else None,
        evidence=f"the step's Python ran {body.on_values} times on values and {body.on_tracers} times on tracers; "
        f"{_events[COMPILED]} programs compiled by XLA or read from disk, {entries or 0} kept by jit for the step; "
        + (f"{detail}; " if detail else "")
        + f"{whence}device and dtype are a parameter's",
        compute_precision=compute,
        output_device="" if loss is None else _device_of(loss),
        output_precision="" if loss is None else str(loss.dtype),
        matmul_precision=str(rounding),
        tf32="cuda" in place and rounding not in STRICT,
        deterministic=_deterministic(),
        traces=None if entries is None else body.on_tracers,
        guard_failures=None if entries is None else max(0, entries - 1),
        graphs=entries,
    )


def _device_of(array: jax.Array) -> str:
    return ", ".join(sorted({f"cuda:{d.id}" if d.platform == "gpu" else d.platform for d in array.devices()}))


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
