"""What TensorFlow's strategies share: the devices of the ranks, how its workers meet, and what its graph exchanges."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Final

import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from bench.interface import Output
from bench.parallel import Collectives, World, _addresses

WORKER: Final = "worker"  # the job of each rank
AWAY_MS: Final = 7 * 24 * 3600 * 1000  # a replicate that waits for its turn is stopped: it does not answer, and lives
ENDING_MS: Final = 5000  # for the others to end as well
EXCHANGES: Final = ("CollectiveReduce", "CollectiveGather", "CollectiveAllToAll", "NcclAllReduce")
NAMES: Final = {"CollectiveReduce": "all-reduce", "NcclAllReduce": "all-reduce", "CollectiveGather": "all-gather"}


_mine: Final[list[str]] = []  # the devices of this process's ranks


def strategy_of(world: World, *, processes: bool) -> Any:
    """Return MultiWorkerMirroredStrategy over the processes of all ranks, or MirroredStrategy in this one.

    Raises:
        RuntimeError: there are not so many GPUs.
        OSError: the other processes do not come.
    """
    strategy = _joined(world) if processes else tf.distribute.MirroredStrategy(split_device(world.size))
    _mine[:] = strategy.extended.worker_devices
    return strategy


def wait(outputs: Sequence[Output]) -> None:
    """Wait until every device of this process has finished; TensorFlow's own call waits for the other workers', too."""
    for name in _mine:
        with tf.device(name):
            tf.raw_ops.SyncDevice()


def split_device(ranks: int) -> list[str]:
    """Make one logical device for each rank: of the processor, or the GPUs as they are; return their names."""
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        (processor,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(ranks)]
        tf.config.set_logical_device_configuration(processor, parts)
    elif len(all_gpus := tf.config.list_physical_devices("GPU")) < ranks:
        raise RuntimeError(f"{ranks} ranks need {ranks} GPUs, TensorFlow finds {len(all_gpus)}")
    else:
        tf.config.set_visible_devices(all_gpus[:ranks], "GPU")
    return [device.name for device in tf.config.list_logical_devices("GPU" if gpus else "CPU")]


def _joined(world: World) -> Any:
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{WORKER}/replica:0/task:0",
        heartbeat_timeout_in_ms=AWAY_MS,
        shutdown_barrier_timeout_in_ms=ENDING_MS,
        coordinated_jobs=[CoordinatedJob(name=WORKER, num_tasks=world.size)],
    )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({WORKER: _addresses.of_ranks(world)}),
        task_type=WORKER,
        task_id=world.rank,
        num_accelerators={"GPU": len(tf.config.get_visible_devices("GPU"))},
        rpc_layer="grpc",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)


def collectives(graph: tf.Graph, strategy: Any) -> Collectives:
    """Return what one replica exchanges in a run of a graph, read from the graph's operations."""
    first = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])
    found = [
        operation
        for operation in graph.get_operations()
        if operation.type.startswith(EXCHANGES) and _same(tf.DeviceSpec.from_string(operation.device), first)
    ]
    hints = sorted({operation.get_attr("communication_hint").decode() for operation in found if _hints(operation)})
    groups = {int(tf.get_static_value(operation.inputs[1])) for operation in found if _hints(operation)}
    kinds = sorted({operation.type for operation in found})
    names = {next((name for kind, name in NAMES.items() if each.startswith(kind)), each) for each in kinds}
    return Collectives(
        backend=_backend(hints, kinds),
        ranks=strategy.num_replicas_in_sync if len(groups) != 1 else groups.pop(),
        operations=tuple(sorted(names)),
        count=len(found),
        bytes=sum(operation.inputs[0].dtype.size * math.prod(operation.inputs[0].shape) for operation in found),
        evidence=f"{', '.join(kinds) or 'no collective'} on the first replica's device in the graph of the step, "
        f"communication hint {', '.join(hints) or 'none'}; num_replicas_in_sync is {strategy.num_replicas_in_sync}",
    )


def _hints(operation: tf.Operation) -> bool:
    return str(operation.type).startswith("Collective")


def _same(device: tf.DeviceSpec, other: tf.DeviceSpec) -> bool:
    return (device.device_type, device.device_index) == (other.device_type, other.device_index)


def _backend(hints: list[str], kinds: list[str]) -> str:
    """Return what carries the exchange: TensorFlow's own ring is all that there is for processors."""
    if any(kind.startswith("Nccl") for kind in kinds) or "nccl" in hints:
        return "nccl"
    on_gpu = bool(tf.config.get_visible_devices("GPU"))
    return "ring" if hints and not on_gpu else ", ".join(hints)


def rows(strategy: Any, world: World, array: NDArray[Any]) -> Any:
    """Return the rows of a global batch that each replica of this process takes, on its own device."""
    devices = strategy.extended.worker_devices

    def of_replica(replica: Any) -> Any:
        rank = int(replica.replica_id_in_sync_group)
        with tf.device(devices[rank % len(devices)]):
            return tf.constant(dataclasses.replace(world, rank=rank).shard(array))

    return strategy.experimental_distribute_values_from_function(of_replica)
