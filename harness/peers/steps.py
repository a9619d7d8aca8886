"""The six steps that every tool compares, and the two variants of each.

A variant is one callable that makes the step so many times and waits for the result. A and its copy make it 20 times,
B makes it 21 times: exactly 5 % more work. Only the standard library is needed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

INNER: Final = 20  # steps in one call of A
PLANTED: Final = 21  # steps in one call of B


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStep:
    """A training step of `bench/frameworks`, updated by Adam in float32 with one thread."""

    framework: str
    workload: str
    size: str
    mode: str
    rough_us: float  # time per step, only to choose how much work a whole command does


@dataclass(frozen=True, slots=True)
class Variant:
    """What a tool times: a step, made so many times by one call."""

    step: str  # a name of STEPS
    inner: int = INNER


STEPS: Final[Mapping[str, PeerStep]] = {
    "NumPy regression": PeerStep(framework="numpy", workload="regression", size="base", mode="eager", rough_us=40),
    "NumPy wide regression": PeerStep(
        framework="numpy", workload="regression_wide", size="M", mode="eager", rough_us=100
    ),
    "PyTorch regression, eager": PeerStep(
        framework="torch", workload="regression", size="base", mode="eager", rough_us=150
    ),
    "PyTorch regression, compiled": PeerStep(
        framework="torch", workload="regression", size="base", mode="compile-step", rough_us=30
    ),
    "PyTorch MLP, eager": PeerStep(framework="torch", workload="mlp", size="S", mode="eager", rough_us=750),
    "JAX MLP, jit": PeerStep(framework="jax", workload="mlp", size="S", mode="jit", rough_us=300),
}
