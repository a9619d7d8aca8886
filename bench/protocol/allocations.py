"""What the device allocator did in a replicate, from its figures at three moments."""

import dataclasses

from bench.records.record import Allocator, Memory


def with_allocations(memory: Memory, trained: Allocator, before: Allocator, after: Allocator) -> Memory:
    """Return `memory` with the allocator's peaks, and its device allocations before and during the timed rounds.

    The peaks are those of the first steps (`trained`): nothing resets them, and the check after these computes a
    gradient of its own, step by step, where a compiled mode needs less; a timed round keeps all of its outputs.
    """
    earlier, total = before.device_allocations, after.device_allocations
    return dataclasses.replace(
        memory,
        allocated_peak_bytes=trained.allocated_peak_bytes,
        reserved_peak_bytes=trained.reserved_peak_bytes,
        device_allocations_warmup=earlier,
        device_allocations_timed=None if earlier is None or total is None else total - earlier,
    )
