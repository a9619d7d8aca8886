"""IREE: inference on the CPU of the StableHLO that JAX exported, compiled ahead for this processor when it is loaded.

The driver is `local-sync`, which computes on the caller's thread. The result is copied out: a view of it dies with the
buffer that the call returned, and reads what comes after (decision 43).
"""

import os
import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import iree.compiler
import iree.runtime
import numpy as np

from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import KINGMA_BA, Array64, Workload

MODES = {
    "from-jax": "inference of the StableHLO that jax.export wrote, compiled by IREE for this processor",
    "from-flax": "the same of a Flax model",
}
BASELINE = ""
SOURCES = {"from-jax": "jax/mlir", "from-flax": "flax/mlir"}
TRAINS = False
DEVICES = ("cpu",)
ENVIRONMENT = {"SAMESTEP_MODEL": "{scratch}/model.mlir"}
ADAM = KINGMA_BA  # of no consequence: nothing is trained here
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"), "the model's own graph")
DRIVER: Final = "local-sync"
FUNCTION: Final = "main"
DECLARATION: Final = "iree.abi.declaration"
FLAGS: Final = ("--iree-llvmcpu-target-cpu=host",)
MODULES: Final = {
    "jit_from_jax": "from-jax",
    "jit_from_flax": "from-flax",
}  # by the name of the function that was exported
DTYPE: Final = re.compile(r"x([a-z]+\d+)>")  # of "tensor<16x784xf32>"
NAMES: Final = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
FEATURE: Final = re.compile(rb"\+(avx\w*|amx\w*|fma|neon|sve)\b")  # what the code in the module was compiled for

_threads = 1
_devices: list[Any] = []  # of the models that were loaded


def start(device: str, threads: int) -> None:
    """Remember the threads that are asked for."""
    global _threads
    if device != "cpu":
        raise RuntimeError(f"IREE is measured on the CPU only, not on {device}")
    _threads = threads


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the model at SAMESTEP_MODEL; it is compiled to machine code here."""
    if precision != "float32":
        return Skip(f"IREE is measured in float32 only, not {precision}")
    if _threads != 1:
        return Skip(f"IREE's driver {DRIVER} computes on one thread, {_threads} are asked for")
    compiled: bytes = iree.compiler.compile_file(
        os.environ["SAMESTEP_MODEL"], target_backends=["llvm-cpu"], input_type="stablehlo", extra_args=FLAGS
    )
    config = iree.runtime.Config(DRIVER)
    _devices[:] = [config.device]
    module = iree.runtime.load_vm_module(iree.runtime.VmModule.copy_buffer(config.vm_instance, compiled), config)
    infer = module[FUNCTION]
    given = iree.runtime.asdevicearray(config.device, np.array(workload.batch.x))

    def call() -> Any:
        return infer(given)

    return Step(
        call=call,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: dict(workload.parameters),  # an engine shows none: digest and predictions prove them
        proof=lambda: _proof(module.vm_module, str(config.device), compiled),
        inference=True,
    )


def _proof(module: Any, device: str, compiled: bytes) -> ModeProof:
    """Return what the compiled module says of itself: its name, the types it takes and returns, its instructions."""
    declaration: str = module.lookup_function(FUNCTION).reflection[DECLARATION]
    given, _, made = declaration.partition("->")
    features = sorted({found.decode() for found in FEATURE.findall(compiled)})
    return ModeProof(
        mode=MODULES.get(module.name, f"of {module.name}"),
        device="cpu" if device == DRIVER else device,
        threads=1 if device == DRIVER else None,
        precision=_dtypes(given),
        compute_precision=_dtypes(declaration),
        compilations=None,
        output_device="cpu",
        output_precision=_dtypes(made),
        evidence=f"module {module.name}: {declaration}; driver {device}, which has no threads of its own; compiled"
        f" with {' '.join(FLAGS)} for {' '.join(features) or 'no vector extension'}; without a flag IREE demotes no"
        " type, and the dtypes are the declaration's",
    )


def _dtypes(declaration: str) -> str:
    """Return NumPy's names of the types of the tensors in a declaration."""
    found = {NAMES.get(kind, kind) for kind in DTYPE.findall(declaration)}
    return " and ".join(sorted(found))


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: a call of this driver ends when the result is there."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the predictions of the last inference, flat."""
    return np.array(outputs[-1].to_host(), dtype=np.float64).ravel()


def memory() -> Allocator:
    """Of the device's buffers, which on a CPU are the host's: held now, and the most so far."""
    told = [device.allocator.statistics for device in _devices]
    if not told:
        return Allocator(why="no model was loaded yet")
    kinds = ("host", "device")
    freed = sum(one[f"{kind}_bytes_freed"] for one in told for kind in kinds)
    return Allocator(
        allocated_bytes=sum(one[f"{kind}_bytes_allocated"] for one in told for kind in kinds) - freed,
        allocated_peak_bytes=sum(one[f"{kind}_bytes_peak"] for one in told for kind in kinds),
    )


def empty_cache() -> bool:
    """There is no such call."""
    return False


def versions() -> Sequence[str]:
    """IREE's compiler and runtime, and NumPy for the inputs."""
    packages = ("iree-base-compiler", "iree-base-runtime")
    return (*(f"{package}=={version(package)}" for package in packages), f"numpy=={np.__version__}")
