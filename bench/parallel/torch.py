"""PyTorch: DistributedDataParallel, eager and compiled, and FSDP2, with a process for each rank."""

from bench.frameworks import torch as plain
from bench.frameworks._torch import device, training
from bench.frameworks._torch.inductor import compiler_missing
from bench.interface import Skip
from bench.parallel import ParallelStep, World
from bench.parallel._torch import meeting
from bench.parallel._torch.replicated import replicated_step
from bench.parallel._torch.sharded import sharded_step
from bench.reference.workload import Workload

STRATEGIES = {
    "ddp": "DistributedDataParallel around the model; gradients are all-reduced in buckets while backward runs",
    "ddp-compile": "DistributedDataParallel around what torch.compile makes of forward, loss and backward",
    "fsdp": "FSDP2, fully_shard of each layer: parameters are gathered for it, gradients reduced and scattered",
}
PROCESSES = ("ddp", "ddp-compile", "fsdp")
COMPARED = {"ddp": "eager", "ddp-compile": "compile", "fsdp": "eager"}
ENVIRONMENT = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}

ADAM = plain.ADAM
FORWARD = plain.FORWARD
start, wait, to_numpy, memory = device.start, device.wait, device.to_numpy, device.memory
empty_cache, versions = device.empty_cache, plain.versions


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return this rank's step of `mode`."""
    if lacking := training.lacking(workload, precision) or meeting.lacking():
        return Skip(lacking)
    if mode == "ddp-compile" and (missing := compiler_missing()):
        return Skip(missing)
    meeting.meet(world)
    build_ = sharded_step if mode == "fsdp" else replicated_step
    return build_(world.share(workload), mode, precision)
