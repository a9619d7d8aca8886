"""PID namespaces: whether this process sees those of the whole host, and what a container's process is called inside.

NVIDIA's open kernel module gives PIDs as the caller's namespace has them, and leaves out processes that are not in it
(os_find_ns_pid in open-gpu-kernel-modules). Older drivers give the host's PIDs to everybody. In the initial namespace
both are the same, and every process is there; a container is in it with `pid: host`.
"""

from pathlib import Path
from typing import Final

from bench.turns import owner

PROC: Final = "/proc"


def sees_host(proc: str = PROC) -> bool:
    """Return whether this process is in the host's own PID namespace, so that it sees every process."""
    return owner.namespace(Path(proc, "self")) == owner.INITIAL


def inner(pid: int, proc: str = PROC) -> int | None:
    """Return the PID of a process in its own namespace (proc(5), NSpid); None: it has ended, or cannot be seen."""
    try:
        status = Path(f"{proc}/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    names = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return int(names[-1]) if names else None
