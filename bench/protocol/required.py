"""What a replicate must have done for its time to count: mode, threads, no device allocation in the timed rounds."""

from typing import Any, Final

from bench.records.record import FORWARD_ONLY, Cell, Memory, ModeProof, Timing
from bench.reference.precision import FLOAT32, PRECISIONS, TF32

# CPU time over wall time may exceed the requested threads by so much: the clocks of the two differ, and a
# framework may keep a thread of its own beside the pool.
THREADS_MARGIN: Final = 0.1


class InvalidResultError(Exception):
    """The cell ran and gave a result that must not be published."""


def require_mode(cell: Cell, threads: int, proof: ModeProof) -> None:
    """Raise InvalidResultError unless the framework ran what was requested: mode, device, precision, threads."""
    products = PRECISIONS[cell.precision].products
    unsaid = FLOAT32 if products == FLOAT32 else "nobody knows what"
    # a loss is float32 always; predictions may come as the last product gave them
    infers = cell.optimizer == FORWARD_ONLY
    output = products if infers and proof.output_precision == products else FLOAT32
    asked_and_found: tuple[tuple[str, Any, Any], ...] = (
        ("mode", cell.mode, proof.mode),
        ("device", cell.device, _kind(proof.device)),
        ("device of the output", cell.device, _kind(proof.output_device) or cell.device),
        ("precision of the parameters", FLOAT32, proof.precision),
        ("precision of the products", products, proof.compute_precision or unsaid),
        ("precision of the output", output, proof.output_precision or output),
        ("threads", threads, threads if proof.threads is None else proof.threads),
        ("allocator", cell.allocator, proof.allocator or cell.allocator),
    )
    for name, asked, found in asked_and_found:
        if asked != found:
            raise InvalidResultError(f"{name}: {asked} was asked for, the framework ran {found} ({proof.evidence})")
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
    for count, what in must_be_none:
        if count:
            raise InvalidResultError(f"{count} {what} ({proof.evidence})")


def require_threads(threads: int, timing: Timing) -> None:
    """Raise InvalidResultError when the timed rounds used more processors than the threads that were requested."""
    if not timing.process_wall_ns:
        return
    used = timing.process_cpu_ns / timing.process_wall_ns
    if used > threads * (1 + THREADS_MARGIN):
        raise InvalidResultError(f"threads: {threads} asked for, {used:.2f} used (CPU time over wall time)")


def require_no_allocations(memory: Memory) -> None:
    """Raise InvalidResultError when the device allocator had to ask for more in the timed rounds."""
    if memory.device_allocations_timed:
        raise InvalidResultError(f"{memory.device_allocations_timed} device allocations fell into the timed rounds")


def _kind(device: str) -> str:
    """Return "cuda" of "cuda:0"."""
    return device.partition(":")[0]
