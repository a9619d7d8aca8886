"""Whether the kernel kills processes for want of memory: its counters, and which process it takes. Stdlib only."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
# The counters of a container's own memory cgroup: version 2, version 1.
OOM_COUNTERS: Final = (CGROUPS / "memory.events", CGROUPS / "memory/memory.oom_control")
OF_HOST: Final = Path("/proc/vmstat")  # counts those of all its control groups, and is readable for everybody


def oom_kills(counters: Sequence[Path] | None = None) -> int:
    """Return how many processes the kernel has killed for memory where this one runs; 0 where that is unknown.

    Args:
        counters: files of the kernel, of which the first that can be read and has a count is taken. None: that of this
            process's control group, else that of the host.
    """
    for path in (*own_counters(), OF_HOST) if counters is None else counters:
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            continue
        if counts := [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]:
            return sum(counts)
    return 0


def own_counters(membership: Path = Path("/proc/self/cgroup"), root: Path = CGROUPS) -> tuple[Path, ...]:
    """Return the files with the counters of this process's control groups, in the container or on the host.

    A line of /proc/self/cgroup is "0::/user.slice/x" in version 2 and "4:memory:/x" in version 1 (cgroups(7)).
    """
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            found.append(root / "memory" / path.lstrip("/") / "memory.oom_control")
        elif not controllers:
            found.append(root / path.lstrip("/") / "memory.events")
    return (*found, *OOM_COUNTERS)


def prefer(pid: int) -> None:
    """Let the kernel kill this process, and what it starts, before all others when memory runs out (proc(5))."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000", encoding="ascii")
