"""What a container that runs frameworks may do: one table for the docker launcher; a test checks compose.yaml with it.

A container may compute, write to its own /tmp, and communicate with the harness. It has no network, no capabilities and
no way to get one, no user of the host, a read-only root file system, and limits of memory, processes and processors.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CODE: Final = "/samestep"  # where bench/ is mounted, read-only: an edit needs no new image
DATA: Final = "/data"  # where the data sets that are streamed are mounted
USER: Final = "65532:65532"  # the user "samestep" of the images; usually not a user of the host
SECURITY: Final = ("no-new-privileges:true",)
DROPPED: Final = ("ALL",)
TMP_OPTIONS: Final = "exec,mode=1777"  # exec: compiled kernels are loaded from /tmp
PIDS: Final = 4096  # threads count as processes; XLA and OpenBLAS start several per core
VARIABLES: Final[Mapping[str, str]] = {
    "HOME": "/tmp",
    "PYTHONDONTWRITEBYTECODE": "1",  # the code is mounted read-only
    "PYTHONPATH": CODE,
    "TMPDIR": "/tmp",
    "USER": "samestep",  # PyTorch names its caches after the user, who has no passwd entry
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The limits that differ between hosts; the variables of compose.yaml have the same defaults."""

    memory: str = "16g"  # SAMESTEP_MEMORY: of one container, with its /tmp; there is no swap
    tmp: str = "4g"  # SAMESTEP_TMP: size of /tmp
    cpus: str = ""  # CPU set such as "1-3"; empty: all

    @staticmethod
    def of(variables: Mapping[str, str], cpus: str = "") -> "Allowance":
        """Return the allowance that SAMESTEP_MEMORY and SAMESTEP_TMP among `variables` set."""
        default = Allowance()
        return Allowance(
            memory=variables.get("SAMESTEP_MEMORY") or default.memory,
            tmp=variables.get("SAMESTEP_TMP") or default.tmp,
            cpus=cpus,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening:
    """All options of a hardened container, by their names in the Docker SDK."""

    mem_limit: str
    memswap_limit: str
    cpuset_cpus: str
    tmpfs: Mapping[str, str]
    user: str = USER
    network_mode: str = "none"
    read_only: bool = True
    init: bool = True  # ends the orphans of compilers, forwards signals
    pids_limit: int = PIDS
    cap_drop: tuple[str, ...] = DROPPED
    security_opt: tuple[str, ...] = SECURITY
    environment: Mapping[str, str] = field(default_factory=lambda: dict(VARIABLES))


def harden(allowance: Allowance) -> Hardening:
    """Return the options for a host's allowance."""
    return Hardening(
        mem_limit=allowance.memory,
        memswap_limit=allowance.memory,
        cpuset_cpus=allowance.cpus,
        tmpfs={"/tmp": f"{TMP_OPTIONS},size={allowance.tmp}"},
    )


def unreadable_file(folder: Path) -> str:
    """Return the first folder or Python file in `folder` that a container's user cannot read; empty: it reads all."""
    for path in (folder, *sorted(folder.rglob("*.py"))):
        needed = 0o005 if path.is_dir() else 0o004
        with contextlib.suppress(OSError):
            if path.stat().st_mode & needed != needed:
                return str(path)
    return ""
