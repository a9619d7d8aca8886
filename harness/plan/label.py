"""The name of a cell in progress and messages."""

from bench.catalogue import COLD, CONTROL, DEFAULT_POLICY, DRIFT_PROBE
from bench.records.record import Cell
from bench.reference.precision import FLOAT32


def name(cell: Cell) -> str:
    """Return the name of `cell` for people: what differs from the defaults is in it."""
    if cell.track == "idiomatic":
        return f"{cell.framework_id} hello world"
    if cell.track == "export":
        batch = f" {cell.size} batch {cell.batch}" if cell.batch else f" {cell.optimizer}"
        return f"{cell.framework_id} {cell.mode.replace('-', ' ')} {cell.workload}{batch}"
    if cell.track == "limits":
        return f"{cell.framework_id} limits"
    if cell.track == DRIFT_PROBE:
        return f"{cell.framework_id} drift probe"
    size = "" if cell.size == "base" else f" {cell.size}"  # of a workload with one size
    precision = "" if cell.precision == FLOAT32 else f" {cell.precision}"
    policy = "" if cell.allocator == DEFAULT_POLICY else f" {cell.allocator}"
    track = {CONTROL: ", A/A control", "memory": " memory", "energy": " energy", COLD: " cold start"}.get(
        cell.track, ""
    )
    work = f"batch {cell.batch}" if cell.batch else cell.optimizer
    work = f"{work} from {cell.stream}" if cell.stream else work
    return f"{cell.framework_id} {cell.mode} {cell.workload}{size} {work}{precision}{policy}{ranks(cell)}{track}"


def ranks(cell: Cell) -> str:
    """Return over how many ranks a step of `cell` is, with a comma before it; empty where it is not data-parallel."""
    if not cell.ranks:
        return ""
    return f", {cell.ranks} ranks, {cell.scaling}" if cell.ranks > 1 else ", 1 rank"
