"""The environment variables of a process that is measured: stated, few, and no other. Standard library only.

Replicates, the programs without samestep and those of other tools get `measured`, and what their own part adds. The
programs that samestep calls to prepare itself (git, uv, docker) get `of_tools`. The caller's variables may change a
number unnoticed: an allocator's, an interpreter's, a scheduler's, a framework's that nobody has listed (decision 21).
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# The caller's choice about the machine: where compilers are, and which GPU.
MACHINE: Final = (
    "PATH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
)  # fmt: skip
# What a container is made with: a process that a worker starts in it has the same variables as one that it is made for.
OF_A_CONTAINER: Final = ("NVIDIA_REQUIRE_CUDA", "PYTHONDONTWRITEBYTECODE")
FIXED: Final[Mapping[str, str]] = {
    "LC_ALL": "C.UTF-8",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUNBUFFERED": "1",  # keeps the last lines of a killed process
    "USER": "samestep",  # PyTorch names its caches after the user; the images have the same one
}
# No variable may be named for a replicate that is samestep's own.
OWN: Final = (*FIXED, "HOME", "PYTHONHASHSEED", "PYTHONPATH", "TMPDIR")
OWN_PREFIXES: Final = ("SAMESTEP_", "PYTEST_")
LIBRARIES: Final = "LD_LIBRARY_PATH"
DRIVER: Final = "libcuda.so.1"
# CUDA's driver compiles a library's own kernels where it has none for the GPU, and keeps them there (decision 30).
KERNELS: Final = "CUDA_CACHE_PATH"

# Of pip's and uv's variables: where packages come from and how they are reached, not where they go or which they are.
WHENCE: Final = re.compile(
    "INDEX|LINK|MIRROR|CERT|TLS|SSL|HOST|PROXY|TIMEOUT|RETR|CACHE|KEYRING|OFFLINE|CONCURRENT|CONFIG|INSTALL_DIR"
    "|DOWNLOADS|CREDENTIAL|NETRC|TOKEN|AUTH|USERNAME|PASSWORD"
)
MISLEADING: Final = ("PYTHON", "GIT_", "VIRTUAL_ENV", "CONDA_", "__PYVENV_LAUNCHER__")
NEEDED_TO_FETCH: Final = ("PYTHON_KEYRING_BACKEND",)


def measured(
    inherited: Mapping[str, str],
    scratch: Path,
    *,
    named: Sequence[str] = (),
    in_image: bool = False,
    kernels: str = "",
) -> dict[str, str]:
    """Return the variables of a process that is measured.

    HOME is the scratch folder: a configuration file or a cache of the user is as good as a variable.

    Args:
        inherited: those of the calling process.
        scratch: the process's own folder for temporary files.
        named: "NAME=value" of each variable that the user named.
        in_image: `inherited` are those of a container's image, which has its libraries where it says.
        kernels: where CUDA's driver keeps what it compiles; empty: in HOME.
    """
    names = (*MACHINE, *(OF_A_CONTAINER if in_image else ()))
    kept = {name: inherited[name] for name in names if name in inherited}
    if kernels:
        kept[KERNELS] = kernels
    kept["PATH"] = _absolute(inherited.get("PATH", "")) or os.defpath
    libraries = inherited.get(LIBRARIES, "")
    if libraries := libraries if in_image else _with_driver(libraries):
        kept[LIBRARIES] = libraries
    return {**kept, **dict(pair(text) for text in named), **FIXED, "HOME": str(scratch), "TMPDIR": str(scratch)}


def of_tools(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a program that prepares a run: the caller's, but for those that lead it elsewhere.

    The settings of a company's mirrors stay. Git takes another repository from GIT_DIR, Python other packages from
    PYTHONPATH, pip and uv put packages elsewhere or take others.
    """
    return {name: value for name, value in inherited.items() if not _misleads(name)}


def pair(text: str) -> tuple[str, str]:
    """Return the name and the value in "NAME=value"."""
    name, _, value = text.partition("=")
    return name, value


def _misleads(name: str) -> bool:
    if name.startswith(("PIP_", "UV_")):
        return not WHENCE.search(name)
    return name.startswith(MISLEADING) and name not in NEEDED_TO_FETCH


def _absolute(path: str) -> str:
    """Return the folders of PATH without those that depend on the working directory."""
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if folder.startswith("/"))


def _with_driver(path: str) -> str:
    """Return the folders of a loader's path that hold NVIDIA's driver: on some hosts it is found in no other way."""
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if folder and (Path(folder) / DRIVER).exists())
