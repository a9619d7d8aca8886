"""Addresses in a site: a name from a record becomes a path that every file system and every server can hold.

A plain name stays as it is. Any other one (upper case, dots alone, blanks, slashes, other alphabets, or long) becomes
what is plain in it with a digest of the whole behind two hyphens, which no plain name has. So no two names share a
path, not even where a file system takes upper and lower case for the same.
"""

import functools
import hashlib
import json
import re
from typing import Final

from bench.records.record import Cell

PLAIN: Final = re.compile(r"[a-z0-9_]+(?:[.-][a-z0-9_]+)*")
# Of several parts joined by hyphens. A size of one or two letters is in upper case, as S and XL, and written in lower.
PLAIN_PART: Final = re.compile(r"[a-z0-9_]{3,}|[A-Z0-9]{1,2}")
LONGEST: Final = 80  # characters of a plain name
KEPT: Final = 40  # characters kept of any other
DIGEST: Final = 12  # hexadecimal digits
RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")  # devices of Windows
CELL_PARTS: Final = ("workload", "size", "optimizer", "precision", "device", "allocator")


def segment(*parts: str) -> str:
    """Return one segment of a path that names `parts`: other parts, another segment."""
    plain = "-".join(parts)
    pattern = PLAIN if len(parts) == 1 else PLAIN_PART
    if len(plain) <= LONGEST and all(map(pattern.fullmatch, parts)) and not RESERVED.fullmatch(plain.lower()):
        return plain.lower()
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGEST]
    kept = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:KEPT].strip("-")
    return f"{kept or 'x'}--{digest}"


def run_folder(name: str) -> str:
    """Return the folder of the run in the site's folder with this segment."""
    return f"runs/{name}"


def data_file(name: str) -> str:
    """Return the data file of the run with this segment."""
    return f"data/{name}.js"


def anchor(framework: str, device: str) -> str:
    """Return the id of a framework on a device in the page of what is stale."""
    return f"{segment(framework)}.{segment(device)}"


@functools.cache
def cell_folder(cell: Cell) -> str:
    """Return the folder of a cell: its permanent address, whatever runs have it."""
    parts = [*(getattr(cell, part) for part in CELL_PARTS), *([f"batch{cell.batch}"] if cell.batch else [])]
    parts += [f"ranks{cell.ranks}", cell.scaling] if cell.ranks else []
    parts += [cell.variant] if cell.variant else []
    return f"cells/{segment(cell.framework)}/{segment(cell.mode)}/{segment(*parts)}"
