"""The control groups of this process (cgroups(7)): its own and those that contain it, in version 1 and version 2."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

MEMBERSHIP: Final = Path("/proc/self/cgroup")
MOUNTS: Final = Path("/sys/fs/cgroup")


def folders(
    controllers: Collection[str], membership: Path = MEMBERSHIP, mounts: Path = MOUNTS
) -> Iterator[tuple[str, Path]]:
    """Yield (controller, folder) of each of its groups that one of `controllers` has; "" is version 2, which has all.

    A container may see the host's path of its group, but only its own group mounted. Then the folder at the top is its
    own group, and a folder that does not exist sets no limit.

    Args:
        controllers: such as "" and "memory".
        membership: lines "number:controllers:path".
        mounts: where version 2 is mounted, and version 1 in a folder for each controller.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        group = Path(path.strip("/"))
        for name in names.split(","):
            if name in controllers:
                yield from ((name, mounts / name / folder) for folder in (group, *group.parents))
