"""Run the toy framework's memory replicate in this process, its step with a known appetite; print the record.

PYTHONPATH=<repository> python tests/toy/memory_process.py none | leak | pattern
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np

from bench.interface import Framework, Skip, Step
from bench.records import codec, record
from bench.reference.workload import Workload
from bench.tracks import memory
from bench.turns.turn import Settings, Turn
from bench.workloads import regression
from tests.toy import framework as toy

MIB = 1 << 20
BLOCKS = (64, 64)  # MiB, held from the build to the end of the model
SPIKE = 512  # MiB, for about a millisecond in one step
SPIKE_AT = 30  # the step
SECONDS = 0.006  # that a step takes, so that rounds are of few steps


def full(mebibytes: int) -> np.ndarray:
    """Return so much memory, every page of it touched."""
    return np.full(mebibytes * MIB, 1, np.uint8)


def clean() -> Callable[[], None]:
    return lambda: None


def leak() -> Callable[[], None]:
    """Keep 1 MiB in every step."""
    kept: list[np.ndarray] = []
    return lambda: kept.append(full(1))


def pattern() -> Callable[[], None]:
    """Hold the blocks, and the spike in one step."""
    held = [full(mebibytes) for mebibytes in BLOCKS]
    made = 0

    def eat() -> None:
        nonlocal made
        made += 1
        if made == SPIKE_AT:
            spike = full(SPIKE)
            assert spike[0] == held[0][0]

    return eat


def hungry(appetite: Callable[[], Callable[[], None]]) -> Framework:
    """Return the toy framework with a step that also eats."""

    def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
        step = toy.build(workload, mode, precision)
        if isinstance(step, Skip) or step.call is None:
            return step
        call, eat = step.call, appetite()

        def hungrily() -> Any:
            eat()
            time.sleep(SECONDS)
            return call()

        return replace(step, call=hungrily)

    names = {name: value for name, value in vars(toy).items() if not isinstance(value, ModuleType)}
    return cast(Framework, SimpleNamespace(**{**names, "build": build}))


def main(name: str) -> None:
    cell = record.Cell(
        framework="numpy", mode="loop", workload="regression", optimizer="adam", size="base", precision="float32",
        device="cpu", allocator="default", track="memory",
    )  # fmt: skip
    turn = Turn(
        cell=cell, block=1, position=1, settings=Settings(rounds=1, warmup_floor_ns=0, warmup_cap_ns=1),
        calls_per_round=None, cpus=(), threads=1, hash_seed=1, timeout_s=60, launcher="here",
    )  # fmt: skip
    appetite = {"none": clean, "leak": leak, "pattern": pattern}[name]
    found = memory.measure(turn, load=lambda: hungry(appetite), make=lambda: regression.make("base", "adam"))
    print(codec.to_json(found))


if __name__ == "__main__":
    main(sys.argv[1])
