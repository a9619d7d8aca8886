"""What the strategies on JAX share: the devices of the ranks, arrays over them, and what XLA's program exchanges."""

import dataclasses
import errno
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from bench.parallel import Collectives, World, _hlo
from bench.reference.precision import TF32
from bench.reference.workload import Array32

AXIS: Final = "ranks"
EVERYWHERE: Final = PartitionSpec()  # the same on every device
BY_ROWS: Final = PartitionSpec(AXIS)
AWAY_S: Final = 7 * 24 * 3600  # a replicate that waits for its turn is stopped: it does not answer, and is not dead
ENDING_S: Final = 5  # for the others to end as well
NOT_LISTENING: Final = "Failed to start RPC server"  # JAX's words where another program has the address
PARTITIONED: Final = "XLA's partitioner puts the exchange into the program: jit has no step without it"


def start(device: str, threads: int) -> None:
    """Choose the platform and strict float32 (no TF32); the devices are split by `connect`, which knows the ranks."""
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_default_matmul_precision", "float32")


def lacking(precision: str) -> str:
    """Return why the CPU does not compute in `precision`, before any device is in use; empty: it does, or is a GPU."""
    return "TF32 needs an NVIDIA GPU, JAX runs on cpu" if precision == TF32 and _on_cpu() else ""


def connect(world: World, *, processes: bool) -> Mesh:
    """Return the devices of all ranks, in their order.

    On a CPU one process is given a host device for each rank; several processes have one each, and are connected by
    JAX's own service, which rank 0 has at `world.address`. Nothing may have used JAX before.

    Raises:
        RuntimeError: there are not so many devices, or the other processes do not come.
        OSError: another program has the address.
    """
    if _on_cpu():
        jax.config.update("jax_num_cpu_devices", 1 if processes else world.size)
    if processes:
        _meet(world)
    found = jax.devices("cpu" if _on_cpu() else "cuda")
    if len(found) < world.size:
        raise RuntimeError(f"{world.size} ranks need {world.size} devices, JAX finds {len(found)}")
    mesh = Mesh(np.array(found[: world.size]), (AXIS,))
    jax.config.update("jax_default_device", mesh.local_devices[0])
    return mesh


def _meet(world: World) -> None:
    jax.config.update("jax_enable_preemption_service", False)  # it catches SIGTERM, and then nothing ends
    jax.config.update("jax_enable_recoverability", True)  # else a rank aborts as it ends, if another has died
    try:
        jax.distributed.initialize(
            world.address,
            world.size,
            world.rank,
            local_device_ids=None if _on_cpu() else [0],  # a follower sees its own GPU alone
            coordinator_bind_address=world.address,
            heartbeat_timeout_seconds=AWAY_S,
            shutdown_timeout_seconds=ENDING_S,
        )
    except jax.errors.JaxRuntimeError as error:
        if NOT_LISTENING not in str(error):
            raise
        raise OSError(errno.EADDRINUSE, f"JAX's service cannot listen at {world.address}") from None


def _on_cpu() -> bool:
    return bool(jax.config.jax_platforms == "cpu")


def replicate(mesh: Mesh, tree: Any) -> Any:
    """Return NumPy's arrays with a copy on each device; nothing is sent."""
    sharding = NamedSharding(mesh, EVERYWHERE)
    return jax.tree.map(lambda array: jax.make_array_from_callback(np.shape(array), sharding, lambda _: array), tree)


def split(mesh: Mesh, world: World, array: NDArray[Any], sharding: jax.sharding.Sharding | None = None) -> jax.Array:
    """Return an array of the global batch whose rows lie where their rank computes, with this name for it."""
    parts = [
        jax.device_put(dataclasses.replace(world, rank=rank).shard(array), device)
        for rank, device in enumerate(mesh.devices.flat)
        if device in mesh.local_devices
    ]
    return jax.make_array_from_single_device_arrays(array.shape, sharding or NamedSharding(mesh, BY_ROWS), parts)


def copies(parameters: Mapping[str, jax.Array]) -> Sequence[Mapping[str, Array32]]:
    """Return the parameters as they lie on each of this process's devices.

    Raises:
        ValueError: a parameter is split over the devices.
    """
    for name, array in parameters.items():
        if not array.sharding.is_fully_replicated:
            raise ValueError(f"{name} is split over the devices: {array.sharding}")
    each = {name: [np.array(part.data) for part in array.addressable_shards] for name, array in parameters.items()}
    return [dict(zip(each, arrays, strict=True)) for arrays in zip(*each.values(), strict=True)]


def devices(mesh: Mesh) -> Sequence[str]:
    """Return the names of the devices of this process, in the order of their ranks."""
    return [f"cuda:{device.id}" if device.platform == "gpu" else str(device.platform) for device in mesh.local_devices]


def spread_over(parameter: jax.Array, mesh: Mesh) -> bool:
    """Return whether a parameter lies on every device of the mesh."""
    return set(parameter.devices()) == set(mesh.devices.flat)


def spread(mesh: Mesh) -> str:
    """Return how far the step is spread, for the evidence of a proof."""
    return f"its arrays lie on {mesh.size} devices of {jax.process_count()} processes"


def collectives(program: str, mesh: Mesh) -> Collectives:
    """Return what a program exchanges in one run, read from its optimized HLO."""
    sent = _hlo.sent(program)
    groups = _hlo.groups(program)
    return Collectives(
        backend=_backend(mesh),
        ranks=_hlo.size_of(groups[0]) if groups else None,
        operations=tuple(sorted({operation for operation, _ in sent})),
        count=len(sent),
        bytes=sum(size for _, size in sent),
        evidence=f"read from the optimized HLO of the step, replica groups {', '.join(groups) or 'none'}; "
        f"JAX counts {mesh.size} devices in {jax.process_count()} processes",
    )


def _backend(mesh: Mesh) -> str:
    """Return what carries the exchange."""
    if mesh.local_devices[0].platform == "gpu":
        return "nccl"
    return str(jax.config.jax_cpu_collectives_implementation) if jax.process_count() > 1 else "XLA"
