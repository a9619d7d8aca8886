"""Train with a data-parallel strategy on the CPU, a fault planted or none, and print what comes out as a line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_parallel_xla.py FRAMEWORK STRATEGY RANKS WORKLOAD SIZE
        FAULT RANK ADDRESS

A script, since it runs in a framework's own environment. FAULT is one of `FAULTS`, "" for none. With a process for each
rank it is started once for each, all with one ADDRESS.
"""

import dataclasses
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench import workloads
from bench.catalogue import framework_offer
from bench.interface import Skip
from bench.parallel import World
from bench.reference import accuracy
from bench.reference.precision import PRECISIONS
from bench.reference.trajectory import reference
from bench.reference.workload import sha256

STEPS: Final = 20


def wrong_shard() -> None:
    """Give rank 1 the rows of rank 0."""
    whole = World.shard
    World.shard = lambda self, array: whole(dataclasses.replace(self, rank=0), array)  # type: ignore[method-assign]


def sum_of_jax() -> None:
    jax: Any = importlib.import_module("jax")
    mean = jax.lax.pmean
    # of the gradient alone: a loss that is summed is seen at once
    jax.lax.pmean = lambda pair, axis: (mean(pair[0], axis), jax.lax.psum(pair[1], axis))


def no_exchange_of_jax() -> None:
    jax: Any = importlib.import_module("jax")
    jax.lax.pmean = lambda pair, axis: pair


FAULTS: Final[Mapping[str, Callable[[], None]]] = {
    "": lambda: None,
    "wrong shard": wrong_shard,
    "jax: sum": sum_of_jax,
    "jax: no exchange": no_exchange_of_jax,
}


def check(
    name: str, strategy: str, ranks: str, workload: str, size: str, fault: str = "", rank: str = "0", address: str = ""
) -> dict[str, Any]:
    """Return deviations, copies, proof and collectives after `STEPS` steps."""
    several = "process" in strategy or "worker" in strategy
    threads = 1 if several else int(ranks)
    for variable, value in framework_offer(name).environment:
        os.environ[variable] = value.format(threads=threads, scratch=Path.cwd())
    framework = importlib.import_module(f"bench.parallel.{name}")
    FAULTS[fault]()
    framework.start("cpu", threads)
    made = workloads.make(workload, size=size, optimizer="adam")
    step = framework.build(made, strategy, "float32", World(rank=int(rank), size=int(ranks), address=address))
    if isinstance(step, Skip):
        return {"skipped": step.reason}
    formula = made.formula(framework.ADAM)
    initial = step.parameters()
    framework.wait(step.run(1))
    step.reset()
    outputs = step.run(STEPS)
    framework.wait(outputs)
    expected = reference(made, formula, STEPS)
    compared = accuracy.compare(
        made, formula, expected, framework.to_numpy(outputs), initial=initial, trained=step.parameters()
    )
    copies = [sha256(copy) for copy in copies_of(step)]
    step.reset()
    if made.gradient_tolerance is not None and step.gradient:
        compared = accuracy.compare_gradient(compared, step.gradient(), made.gradient())
    proof = step.proof()
    found = {
        "fault": accuracy.fault(compared, made, PRECISIONS["float32"]),
        "deviation": compared.max_parameter_deviation,
        "loss": compared.max_loss_deviation,
        "gradient": compared.max_gradient_deviation,
        "losses": compared.losses[-1:],
        "copies": copies,
        "proof": dataclasses.asdict(proof),
        "collectives": dataclasses.asdict(step.collectives()),
        "unsynchronised_why": step.unsynchronised_why,
        "bytes": sum(array.nbytes for array in made.parameters.values()),
        "ms": timed(framework, step.call),
    }
    if step.unsynchronised:
        framework.wait([step.unsynchronised()])
        found["unsynchronised"] = [sha256(copy) for copy in copies_of(step)]
        found["unsynchronised_ms"] = timed(framework, step.unsynchronised)
    step.reset()
    framework.wait(step.run(2))
    found["restored"] = dataclasses.asdict(step.proof())["compilations"]
    return found


def copies_of(step: Any) -> Any:
    return step.copies() if step.copies else [step.parameters()]


def timed(framework: Any, call: Callable[[], Any]) -> tuple[float, float]:
    begin, used = time.perf_counter(), time.process_time()
    framework.wait([call() for _ in range(20)])
    return (time.perf_counter() - begin) * 50, (time.process_time() - used) * 50


if __name__ == "__main__":
    print(json.dumps(check(*sys.argv[1:])))
