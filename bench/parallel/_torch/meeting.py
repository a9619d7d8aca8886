"""How PyTorch's ranks meet: a process group over loopback, by gloo on the CPU and by NCCL on GPUs."""

import datetime
from typing import Final

from torch import distributed

from bench.frameworks._torch import device
from bench.parallel import World

# Of a collective, in which a process is never stopped. The leader notices a rank that is gone or hangs much earlier.
TIMEOUT: Final = datetime.timedelta(minutes=10)


def lacking() -> str:
    """Return why no ranks can meet here, as one sentence; empty: they can."""
    if not distributed.is_available():
        return "this PyTorch was built without torch.distributed"
    if device.on_cuda() and not distributed.is_nccl_available():
        return "this PyTorch was built without NCCL, by which GPUs exchange"
    if not device.on_cuda() and not distributed.is_gloo_available():
        return "this PyTorch was built without gloo, by which processes on the CPU exchange"
    return ""


def meet(world: World) -> None:
    """Wait for all ranks at the address of rank 0; raises RuntimeError where another program listens there."""
    backend = "nccl" if device.on_cuda() else "gloo"
    distributed.init_process_group(
        backend, init_method=f"tcp://{world.address}", rank=world.rank, world_size=world.size, timeout=TIMEOUT
    )
