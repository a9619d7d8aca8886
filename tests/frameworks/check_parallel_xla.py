"""Train with a data-parallel strategy on the CPU, a fault planted or none, and print what comes out as a line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_parallel_xla.py FRAMEWORK STRATEGY RANKS WORKLOAD SIZE
        [FAULT [RANK ADDRESS]]

A script, since it runs in a framework's own environment. FAULT is one of `BEFORE` or `BETWEEN`. With a process for each
rank it is started once for each, all with one ADDRESS; what they say of the loss is then their own rows'.
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
from bench.parallel import ParallelStep, World
from bench.parallel.lead import require_same
from bench.protocol.required import InvalidResultError
from bench.reference import accuracy
from bench.reference.precision import PRECISIONS
from bench.reference.trajectory import reference
from bench.reference.workload import Workload, sha256

STEPS: Final = 20
MEETING_S: Final = 120.0


def wrong_shard() -> None:
    """Give rank 1 the rows of rank 0."""
    whole: Any = World.shard
    World.shard = lambda self, array: whole(dataclasses.replace(self, rank=0), array)  # type: ignore[method-assign]


def sum_of_jax() -> None:
    """Sum the gradient alone: a loss that is summed would be seen at once."""
    jax: Any = importlib.import_module("jax")
    mean = jax.lax.pmean
    jax.lax.pmean = lambda pair, axis: (mean(pair[0], axis), jax.lax.psum(pair[1], axis))


def no_exchange_of_jax() -> None:
    jax: Any = importlib.import_module("jax")
    jax.lax.pmean = lambda pair, axis: pair


def sum_of_tensorflow() -> None:
    """Leave the loss undivided, whose gradients Keras' optimiser sums."""
    mirrored: Any = importlib.import_module("bench.parallel.tensorflow")._Mirrored
    whole = mirrored._slopes

    def undivided(self: Any, x: Any, y: Any) -> Any:
        loss, gradient = whole(self, x, y)
        return loss, [slope * self.strategy.num_replicas_in_sync for slope in gradient]

    mirrored._slopes = undivided


def no_exchange_of_tensorflow() -> None:
    module: Any = importlib.import_module("bench.parallel.tensorflow")
    whole = module.optimizer_of

    def unsummed(constants: Any) -> Any:
        optimizer = whole(constants)
        optimizer._all_reduce_sum_gradients = list
        return optimizer

    module.optimizer_of = unsummed


def drift() -> None:
    """Change one number in the copy of one device: by so little that no deviation shows it."""
    jax: Any = importlib.import_module("jax")
    held = importlib.import_module("bench.frameworks._jax.held").held
    name, array = next(iter(held.state.parameters.items()))
    parts = [part.data for part in array.addressable_shards]
    parts[1] = parts[1] + 1e-6
    changed = jax.make_array_from_single_device_arrays(array.shape, array.sharding, parts)
    held.state = held.state._replace(parameters={**held.state.parameters, name: changed})


BEFORE: Final[Mapping[str, Callable[[], None]]] = {
    "wrong shard": wrong_shard,
    "jax: sum": sum_of_jax,
    "jax: no exchange": no_exchange_of_jax,
    "tensorflow: sum": sum_of_tensorflow,
    "tensorflow: no exchange": no_exchange_of_tensorflow,
}
BETWEEN: Final[Mapping[str, Callable[[], None]]] = {"drift": drift}


def check(
    name: str, strategy: str, ranks: str, workload: str, size: str, fault: str = "", rank: str = "0", address: str = ""
) -> dict[str, Any]:
    """Return what the gate says of `STEPS` steps, the copies, the proof and the exchange."""
    threads = 1 if address else int(ranks)
    for variable, value in framework_offer(name).environment:
        os.environ[variable] = value.format(threads=threads, scratch=Path.cwd())
    framework = importlib.import_module(f"bench.parallel.{name}")
    BEFORE.get(fault, lambda: None)()
    framework.start("cpu", threads)
    made = workloads.make(workload, size=size, optimizer="adam")
    step = framework.build(made, strategy, "float32", World(rank=int(rank), size=int(ranks), address=address))
    if isinstance(step, Skip):
        return {"skipped": step.reason}
    compared, copies = trained(framework, step, made, fault)
    if address:  # the mean over the ranks is for the leader to take
        compared = dataclasses.replace(compared, max_loss_deviation=None)
    before = step.proof()
    exchange = step.collectives()
    framework.wait(step.run(2))
    proof = step.proof()
    found = {
        "fault": unlike(copies) or accuracy.fault(compared, made, PRECISIONS["float32"]),
        "copies": copies,
        "proof": dataclasses.asdict(proof),
        "recompiled": (proof.compilations or 0) - (before.compilations or 0),
        "exchange": dataclasses.asdict(exchange),
        "parameter_bytes": sum(array.nbytes for array in made.parameters.values()),
        "devices": list(step.devices()),
        "apart_why": step.unsynchronised_why,
    }
    if step.unsynchronised:
        framework.wait([step.unsynchronised()])
        found["apart"] = digests(step)
    step.reset()
    return found | {"restored": digests(step), "initial": sha256(made.parameters)}


def trained(framework: Any, step: ParallelStep, made: Workload, fault: str) -> tuple[Any, list[str]]:
    """Return the comparison of `STEPS` steps with the reference, and the SHA-256 of each copy after them."""
    initial = step.parameters()
    framework.wait(step.run(1))
    step.reset()
    outputs = [*step.run(STEPS // 2)]
    framework.wait(outputs)
    BETWEEN.get(fault, lambda: None)()
    outputs += step.run(STEPS - len(outputs))
    framework.wait(outputs)
    expected = reference(made, made.formula(framework.ADAM), STEPS)
    losses = framework.to_numpy(outputs)
    compared = accuracy.compare(
        made, made.formula(framework.ADAM), expected, losses, initial=initial, trained=step.parameters()
    )
    copies = digests(step)
    step.reset()
    assert step.gradient
    return accuracy.compare_gradient(compared, step.gradient(), made.gradient()), copies


def digests(step: ParallelStep) -> list[str]:
    """Return the SHA-256 of each copy of the parameters in this process."""
    return [sha256(copy) for copy in (step.copies() if step.copies else [step.parameters()])]


def unlike(copies: list[str]) -> str:
    """Return what the protocol says of copies that differ; empty: they do not."""
    try:
        require_same(copies)
    except InvalidResultError as error:
        return str(error)
    return ""


def wait_for_others(rank: int, ranks: int) -> None:
    """Let rank 0, which has JAX's service, end last, as the leader of a replicate does; folders are named by rank."""
    Path("done").touch()
    deadline = time.monotonic() + MEETING_S
    while rank == 0 and time.monotonic() < deadline:
        if all((Path.cwd().parent / str(other) / "done").exists() for other in range(ranks)):
            return
        time.sleep(0.1)


if __name__ == "__main__":
    print(json.dumps(check(*sys.argv[1:])), flush=True)
    if sys.argv[8:]:
        wait_for_others(int(sys.argv[7]), int(sys.argv[3]))
        os._exit(0)  # as a replicate ends
