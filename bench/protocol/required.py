"""What a replicate must have done for its time to count: mode, threads, no device allocation in the timed rounds."""

import dataclasses
from typing import Any, Final

from bench.records.record import FORWARD_ONLY, Cell, Memory, ModeProof, Timing
from bench.reference.precision import FLOAT32, PRECISIONS, TF32
from bench.turns.prepare import ranks_here

# CPU time over wall time may exceed the requested threads by so much: the clocks of the two differ, and a
# framework may keep a thread of its own in addition to the pool.
THREADS_MARGIN: Final = 0.1


class InvalidResultError(Exception):
    """The cell ran, but its result must not be published."""


def require_mode(cell: Cell, threads: int, proof: ModeProof) -> None:
    """Raise InvalidResultError unless the framework ran what was requested: mode, device, precision, threads.

    `threads` are those of one rank; ranks in one process share a pool.
    """
    threads *= ranks_here(cell)
    products = PRECISIONS[cell.precision].products
    unknown = FLOAT32 if products == FLOAT32 else "an unknown precision"
    # a loss is always float32; predictions may have the dtype of the last product
    infers = cell.optimizer == FORWARD_ONLY
    output = products if infers and proof.output_precision == products else FLOAT32
    requested_and_actual: tuple[tuple[str, Any, Any], ...] = (
        ("mode", cell.mode, proof.mode),
        ("device", cell.device, _kind(proof.device)),
        ("device of the output", cell.device, _kind(proof.output_device) or cell.device),
        ("precision of the parameters", FLOAT32, proof.precision),
        ("precision of the products", products, proof.compute_precision or unknown),
        ("precision of the output", output, proof.output_precision or output),
        ("threads", threads, threads if proof.threads is None else proof.threads),
        ("allocator", cell.allocator, proof.allocator or cell.allocator),
    )
    for name, requested, actual in requested_and_actual:
        if requested != actual:
            raise InvalidResultError(
                f"{name}: {requested} was asked for, the framework ran {actual} ({proof.evidence})"
            )
    if proof.tf32 and cell.precision == FLOAT32:
        raise InvalidResultError(f"float32 was asked for, products may be rounded to TF32 ({proof.matmul_precision})")
    if cell.precision == TF32 and not proof.tf32:
        raise InvalidResultError(f"tf32 was asked for, the framework does not use it ({proof.matmul_precision})")
    must_be_none = (
        (proof.compilations_timed, "traces or compilations fell into the timed rounds"),
        (
            max(0, (proof.graph_breaks or 0) - proof.graph_breaks_declared),
            "graph breaks: the compiled step left its graph",
        ),
        (proof.guard_failures, "compilations because what was compiled did not fit the next call"),
    )
    for count, events in must_be_none:
        if count:
            raise InvalidResultError(f"{count} {events} ({proof.evidence})")


def require_threads(threads: int, timing: Timing) -> None:
    """Raise InvalidResultError when the timed rounds used more processors than the threads that were requested."""
    if not timing.process_wall_ns:
        return
    used = timing.process_cpu_ns / timing.process_wall_ns
    if used > threads * (1 + THREADS_MARGIN):
        raise InvalidResultError(f"threads: {threads} asked for, {used:.2f} used (CPU time over wall time)")


def require_no_allocations(memory: Memory) -> None:
    """Raise InvalidResultError when the device allocator requested memory from the device in the timed rounds."""
    if memory.device_allocations_timed:
        raise InvalidResultError(f"{memory.device_allocations_timed} device allocations fell into the timed rounds")


def _kind(device: str) -> str:
    """Return "cuda" of "cuda:0"."""
    return device.partition(":")[0]


def during(before: ModeProof, after: ModeProof) -> ModeProof:
    """Return the proof after the timed rounds, with the number of compilations during them."""
    if before.compilations is None or after.compilations is None:
        return after
    return dataclasses.replace(after, compilations_timed=after.compilations - before.compilations)
