"""AOTInductor: inference of the model that PyTorch compiled ahead into a shared library, by the loader in LibTorch.

The loader is called directly: `torch._inductor.aoti_load_package` is a shell around it that imports the whole of
Inductor, which takes longer than all else in a cold start (decision 42).
"""

import json
import os
import re
import zipfile
from typing import Any, Final

import torch

from bench.frameworks._torch import device, engine
from bench.frameworks._torch.proof import placement_of
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Workload

MODES = {"from-torch": "inference of the program that torch.export captured and Inductor compiled ahead"}
BASELINE = ""
SOURCES = {"from-torch": "torch/aotinductor"}
TRAINS = False
PACKAGES = "torch"
DEVICES = ("cpu",)
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}", "SAMESTEP_MODEL": "{scratch}/model.pt2"}
ADAM = KINGMA_BA
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"))  # as they were exported
NAME: Final = "model"  # of the one model in the package: what `aoti_compile_and_package` calls it
DEVICE: Final = "AOTI_DEVICE_KEY"
INSTRUCTIONS: Final = "AOTI_CPU_ISA"
PARALLEL: Final = re.compile(r"#pragma omp parallel(?: num_threads\((\d+)\))?")  # in the C++ that Inductor wrote


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the package at SAMESTEP_MODEL."""
    if precision != "float32":
        return Skip(f"AOTInductor is measured in float32 only, not {precision}")
    package = os.environ["SAMESTEP_MODEL"]
    # not for one thread alone, one runner, on the device that the package is for
    loader = torch._C._aoti.AOTIModelPackageLoader(package, NAME, False, 1, -1)
    run = loader.run
    return engine.inference_step(workload, lambda x: run([x])[0], lambda last: _proof(loader, package, last))


def _proof(loader: Any, package: str, last: torch.Tensor | None) -> ModeProof:
    """Return what the package says of itself, by its metadata and by the C++ that lies in it."""
    metadata = loader.get_metadata()
    constants = loader.get_constant_fqns()
    fixed = _fixed_threads(package)
    placement = placement_of((), last)
    placement |= {
        "device": metadata.get(DEVICE, ""),
        "precision": placement["output_precision"],
        "compute_precision": placement["output_precision"],
        "threads": int(fixed) if fixed.isdigit() and int(fixed) > 1 else placement["threads"],
    }
    return ModeProof(
        mode="from-torch" if DEVICE in metadata else f"of {json.dumps(metadata)}",
        compilations=None,
        graph_breaks=0,
        graphs=1,
        evidence=f"the package holds {len(constants)} constants; compiled for {metadata.get(INSTRUCTIONS) or 'no CPU'}"
        f" on {metadata.get('AOTI_MACHINE')}, loops of its own kernels on {fixed} thread(s); "
        "the dtype is the output's",
        **placement,
    )


def _fixed_threads(package: str) -> str:
    """Return the number of threads that the loops of the kernels were compiled for: "1", "2" or "any number of"."""
    with zipfile.ZipFile(package) as opened:
        sources = [name for name in opened.namelist() if name.endswith(".cpp")]
        found = {number for name in sources for number in PARALLEL.findall(opened.read(name).decode())}
    return "1" if not found else min(found) or "any number of"


start, wait, to_numpy = device.start, device.wait, device.to_numpy
memory, empty_cache = device.memory, device.empty_cache
versions = engine.versions
