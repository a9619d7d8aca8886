"""What a step of PyTorch exchanges: the collectives that its profiler records, and the bytes that they take."""

from collections.abc import Callable, Sequence
from typing import Final

from torch import distributed
from torch.profiler import ProfilerActivity, profile

from bench.parallel import Collectives

PREFIX: Final = "c10d::"  # of the operators behind torch.distributed
NAMES: Final = {"allreduce": "all-reduce", "allgather": "all-gather", "reduce_scatter": "reduce-scatter"}
FLOAT32_BYTES: Final = 4


def collectives_of(call: Callable[[], object], reduced: Callable[[], tuple[int, str]] | None = None) -> Collectives:
    """Make one step under the profiler, and return its collectives.

    Args:
        call: the step.
        reduced: returns the bytes of a step, and where they were read; None: by the shapes that the profiler records,
            of the whole array that is gathered or scattered.
    """
    seen = recorded(call)
    bytes_, where = reduced() if reduced else (sum(bytes_ for _, bytes_ in seen), "bytes by the shapes of its events")
    return told([name for name, _ in seen], bytes_, f"torch.profiler's events of one step; {where}")


def told(names: Sequence[str], bytes_: int, evidence: str) -> Collectives:
    """Return what the process group and the profiler say; `names`: of the collectives of a step."""
    return Collectives(
        backend=distributed.get_backend(),
        ranks=distributed.get_world_size(),
        operations=tuple(dict.fromkeys(names)),
        count=len(names),
        bytes=bytes_,
        evidence=evidence,
    )


def recorded(call: Callable[[], object]) -> list[tuple[str, int]]:
    """Return the name of each collective in `call`, and the bytes of the largest array that it takes."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        call()
    events = [event for event in profiler.events() if event.name.startswith(PREFIX)]
    return [(_name(event.name), _bytes(event)) for event in events]


def _name(event: str) -> str:
    """Return "all-gather" of "c10d::_allgather_base_"."""
    bare = event.removeprefix(PREFIX).removesuffix("_").removesuffix("_base").lstrip("_")
    return NAMES.get(bare, bare)


def _bytes(event: object) -> int:
    """Return the bytes of the largest array that a collective takes: what it gathers, or what it scatters."""
    shapes: list[list[int]] = getattr(event, "input_shapes", [])
    return FLOAT32_BYTES * max((_numbers(shape) for shape in shapes), default=0)


def _numbers(shape: list[int]) -> int:
    count = 1 if shape else 0
    for length in shape:
        count *= length
    return count
