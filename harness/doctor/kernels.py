"""GPUs for which a locked library has no kernels of its own, or has some that are known to be wrong. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

# The compute capabilities whose machine code TensorFlow's wheel has, and for later ones PTX of the last: in .bazelrc of
# the release, HERMETIC_CUDA_COMPUTE_CAPABILITIES. A test holds the version to the lock.
TENSORFLOW: Final = "2.21.0"
CODE: Final = ((6, 0), (7, 0), (8, 0), (8, 9), (9, 0))
# Between these versions of cuBLAS many kernels free Tensor Memory twice, on the GPUs that have it: data are corrupted
# where another kernel runs beside one (jax_plugins/cuda/__init__.py of JAX, which warns of it).
WRONG_CUBLAS: Final = ((12, 8), (13, 2))
TENSOR_MEMORY: Final = ((10, 0), (12, 0))  # from, and before
PACKAGES: Final = re.compile(r"^(tensorflow|nvidia-cublas)(?:-cu\d+)?==([\d.]+)", re.MULTILINE)

Capability = tuple[int, int]


def packages(lock: str) -> Mapping[str, str]:
    """Return the versions in a lock of the packages that matter here, by name."""
    return dict(PACKAGES.findall(lock))


def uncompiled(capability: Capability) -> str:
    """Return what TensorFlow lacks for a GPU of this compute capability; empty: it has kernels for it."""
    if any(major == capability[0] and minor <= capability[1] for major, minor in CODE):
        return ""
    return "cannot run on it" if capability < CODE[0] else "has no kernels for it: the driver compiles them"


def faulty_cublas(capability: Capability, version: str) -> bool:
    """Return whether cuBLAS in this version is known to corrupt data on a GPU of this compute capability."""
    number = tuple(int(part) for part in version.split(".")[:2])
    return WRONG_CUBLAS[0] <= number < WRONG_CUBLAS[1] and TENSOR_MEMORY[0] <= capability < TENSOR_MEMORY[1]


def without_kernels(capability: Capability, locked: Mapping[str, Mapping[str, str]]) -> tuple[str, tuple[str, ...]]:
    """Return what TensorFlow lacks for a GPU, and the frameworks in whose lock it is; `locked`: by framework."""
    lacks = uncompiled(capability) if capability != (0, 0) else ""
    return lacks, tuple(name for name, found in locked.items() if lacks and "tensorflow" in found)


def with_faulty_cublas(
    capabilities: Iterable[Capability], locked: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield each framework, and the version of its cuBLAS, that may corrupt data on one of the GPUs."""
    gpus = tuple(capabilities)
    for name, found in locked.items():
        version = found.get("nvidia-cublas", "")
        if version and any(faulty_cublas(gpu, version) for gpu in gpus):
            yield name, version
