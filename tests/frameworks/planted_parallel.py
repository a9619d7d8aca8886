"""PyTorch's strategies with a fault: PLANTED says which. Every rank loads this as `bench.parallel.torch`."""

import dataclasses
import importlib.util
import os
import signal
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import bench.parallel
from bench.interface import Skip
from bench.parallel import ParallelStep, World
from bench.parallel._torch import replicated
from bench.reference.workload import Workload

PATH = Path(bench.parallel.__file__).with_name("torch.py")
_spec = importlib.util.spec_from_file_location("torch_strategies", PATH)
assert _spec
assert _spec.loader
real: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(real)
globals().update({name: value for name, value in vars(real).items() if not name.startswith("__")})
PLANTED = os.environ["PLANTED"]


class Summed(DistributedDataParallel):  # type: ignore[misc]
    """Gradients are added up, and not averaged."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.register_comm_hook(None, _sum)


def _sum(state: object, bucket: distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
    reduced = distributed.all_reduce(bucket.buffer(), async_op=True).get_future()
    return reduced.then(lambda done: done.value()[0])


class OfRankZero(World):
    """Every rank takes the rows of rank 0."""

    def share(self, workload: Workload) -> Workload:
        return World(rank=0, size=self.size).share(workload)


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return the step with the fault."""
    if PLANTED == "sum":
        replicated.DistributedDataParallel = Summed  # type: ignore[attr-defined]  # what it imports
    if PLANTED == "shard":
        world = OfRankZero(**dataclasses.asdict(world))
    step: ParallelStep | Skip = real.build(workload, mode, precision, world)
    assert isinstance(step, ParallelStep)
    calls = 0
    call = step.call
    assert call

    def killed() -> torch.Tensor:
        nonlocal calls
        calls += 1
        if world.rank == 1 and calls == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        return call()

    if PLANTED == "alone":
        return dataclasses.replace(step, call=step.unsynchronised)
    return dataclasses.replace(step, call=killed) if PLANTED == "kill" else step
