"""PyTorch: `torch.export` and `torch._inductor.aoti_compile_and_package`, which compile the captured program ahead.

A package holds a shared library for the kind of processor that it was compiled on, with the model's constants. Inductor
then fixes the number of threads of its own kernels: that of the process that exports, unless it is the machine's.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch

from bench.exports import ExportError
from bench.exports._torch import exporting, loaded
from bench.frameworks._torch.inductor import compiler_missing
from bench.reference.workload import Array32, Workload

# It would be 280 MB in /tmp, whatever the cache folder is, and takes as long to make as the rest.
CONFIGS: Final = {"aot_inductor.precompile_headers": False}


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a package (.pt2).

    Raises:
        ExportError: an operator that PyTorch cannot capture or Inductor not compile, or no compiler.
    """
    if missing := compiler_missing():
        raise ExportError("PyTorch", "", f"a package of AOTInductor (PyTorch {torch.__version__})", missing)
    model, x = loaded(workload, parameters)
    with torch.no_grad(), TemporaryDirectory() as folder, exporting("a package of AOTInductor"):
        program = torch.export.export(model, (x,))
        path = torch._inductor.aoti_compile_and_package(
            program, package_path=str(Path(folder) / "model.pt2"), inductor_configs=CONFIGS
        )
        return Path(path).read_bytes()
