"""The workloads: one module each, with SIZES, OPTIMIZERS and `make(size, optimizer) -> Workload`.

One that comes in a ladder of sizes also says which of them run when none is named: ON_CPU and ON_CUDA.
"""

from typing import Final

WORKLOADS: Final = (
    "regression",
    "regression_wide",
    "pointwise",
    "mlp",
    "convnet",
    "transformer",
    "transformer_naive",
)
