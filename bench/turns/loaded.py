"""Whether a file that this process has loaded changed under the run. Standard library only.

A run imports a copy of bench/, but a library lies where it is installed. Files are judged by their time of change: the
number of links, which an installer changes when it shares a file with another environment, is not a change.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.records import codec
from bench.records.record import Failure, Record
from bench.turns.prepare import scratch
from bench.turns.turn import RECORD_FILE, Turn, last_phase

MAPS: Final = Path("/proc/self/maps")


def require_unchanged(turn: Turn, folder: Path) -> None:
    """Put a failed record in the place of a good one in `folder`, if a file that this process loaded has changed."""
    path = folder / RECORD_FILE
    changed = changed_since(turn.unchanged_since_unix_ns) if turn.unchanged_since_unix_ns else None
    if changed is None or not path.is_file():
        return
    record = codec.from_json(path.read_text(encoding="utf-8"))
    if record.status != "ok":
        return
    reason = f"{changed} changed under the run: what follows would be another program; start a new run"
    failed = Record(
        cell=record.cell,
        block=record.block,
        position=record.position,
        status="failed",
        reason=reason,
        phases=record.phases,
        environment=record.environment,
        failure=Failure(phase=last_phase(folder)),
    )
    path.write_text(codec.to_json(failed) + "\n", encoding="utf-8")


def changed_since(unix_ns: int) -> Path | None:
    """Return the first file that this process has loaded and that was changed after `unix_ns`; None: there is none."""
    now = time.time_ns()
    for path in sorted(set(_loaded())):
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            continue
        if unix_ns < changed <= now and not path.is_relative_to(scratch()):  # a time to come was never set by a change
            return path
    return None


def _loaded() -> Iterator[Path]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str):
            yield Path(file)
    for line in MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
        _, _, path = line.partition("/")
        if path and not path.endswith(" (deleted)"):
            yield Path("/", path)
