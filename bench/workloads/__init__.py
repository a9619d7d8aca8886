"""The workloads: one module each, with SIZES, OPTIMIZERS and `make(size, optimizer) -> Workload`."""

from typing import Final

WORKLOADS: Final = ("regression",)
