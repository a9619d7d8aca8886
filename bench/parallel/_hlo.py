"""What a program of XLA exchanges between devices, read from the text of its optimized HLO. Standard library only."""

import math
import re
from collections.abc import Sequence
from typing import Final

SENDS: Final = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# an instruction: its result, one shape or a tuple of them, and its name; a "-done" repeats its "-start"
SENT: Final = re.compile(rf"= (\(.*?\)|\S+) ({'|'.join(SENDS)})(?:-start)?\(")
SHAPE: Final = re.compile(r"([a-z]+)(\d+)\[([\d,]*)\]")  # such as f32[784,128]
GROUPS: Final = re.compile(r"replica_groups=(.+?), (?:channel_id|use_global|constrain|to_apply|dimensions|metadata)")


def sent(program: str) -> Sequence[tuple[str, int]]:
    """Return name and bytes of each operation that exchanges; one on a tuple of arrays counts once, with all of them.

    The bytes are those of its result on one device.
    """
    return [(name, sum(_bytes_of(*shape) for shape in SHAPE.findall(shapes))) for shapes, name in SENT.findall(program)]


def groups(program: str) -> Sequence[str]:
    """Return how the program writes the groups of devices that exchange, each once."""
    return sorted(set(GROUPS.findall(program)))


def size_of(group: str) -> int | None:
    """Return among how many devices a group exchanges; None where it is written in a way that is not known here.

    XLA lists the groups, {{0,1},{2,3}}; or writes how many there are of which size, [2,2]<=[4]; or the axes of a mesh
    and those that a group has, mesh['a'=2,'b'=1] {'a'}.
    """
    if listed := re.match(r"\{\{([\d,]+)\}", group):
        return len(listed[1].split(","))
    if shaped := re.match(r"\[\d+,(\d+)\]<=", group):
        return int(shaped[1])
    if meshed := re.match(r"mesh\[(.*?)\] \{(.*?)\}", group):
        sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", meshed[1])}
        return math.prod(sizes[name] for name in re.findall(r"'(\w+)'", meshed[2]))
    return None


def _bytes_of(kind: str, bits: str, dimensions: str) -> int:
    return int(bits) // 8 * math.prod(int(n) for n in dimensions.split(",") if n)
