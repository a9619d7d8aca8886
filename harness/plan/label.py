"""What progress and messages call a cell."""

from bench.catalogue import DEFAULT_POLICY
from bench.records.record import Cell
from bench.reference.precision import FLOAT32


def name(cell: Cell) -> str:
    """Return the cell as progress and messages call it."""
    if cell.track == "idiomatic":
        return f"{cell.framework} hello world"
    if cell.track == "export":
        return f"{cell.framework} export {cell.workload} {cell.optimizer}"
    if cell.track in ("limits", "sentinel"):
        return f"{cell.framework} {cell.track}"
    size = "" if cell.size == "base" else f" {cell.size}"  # a workload in one size does not say which
    precision = "" if cell.precision == FLOAT32 else f" {cell.precision}"
    policy = "" if cell.allocator == DEFAULT_POLICY else f" {cell.allocator}"
    what = {"twin": ", A/A twin", "memory": " memory", "energy": " energy"}.get(cell.track, "")
    return f"{cell.framework} {cell.mode} {cell.workload}{size} {cell.optimizer}{precision}{policy}{what}"
