"""What was typed on the command line, checked: the CPU set, the device, the launcher."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.plan import selection
from harness.plan.selection import Selection

DEFAULT_PROFILE: Final = "default"
DEVICES: Final = ("cpu", "cuda")
LAUNCHERS: Final = ("auto", "docker", "venv", "here", "workers")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to run, as it was typed; None: not given."""

    framework: str | None = None
    workload: str | None = None
    mode: str | None = None
    optimizer: str | None = None
    profile: str | None = None
    device: str | None = None
    seed: int | None = None
    size: str | None = None
    precision: str | None = None
    allocator: str | None = None
    measure: str | None = None

    def selection(self) -> Selection:
        """Return the names; raises SelectionError."""
        return Selection(
            frameworks=selection.names(self.framework),
            modes=selection.names(self.mode),
            workloads=selection.names(self.workload),
            optimizers=selection.names(self.optimizer),
            sizes=selection.names(self.size),
            precisions=selection.names(self.precision),
            allocators=selection.names(self.allocator),
        )

    def words(self) -> tuple[str, ...]:
        """Return what was given, as run.json keeps it."""
        given = (
            ("framework", self.framework),
            ("workload", self.workload),
            ("mode", self.mode),
            ("optimizer", self.optimizer),
            ("size", self.size),
            ("precision", self.precision),
            ("allocator", self.allocator),
            ("measure", self.measure),
        )
        return tuple(f"{kind}={value}" for kind, value in given if value is not None)


@dataclass(frozen=True, slots=True)
class Where:
    """Where and with what to run, as it was typed; None: not given."""

    results: Path = Path("results")
    launcher: str | None = None
    python: Path | None = None
    cpus: str | None = None
    threads: int | None = None
    timeout: float | None = None
    blocks: int | None = None
    shared_gpu: bool = False  # others may use the GPU


def one_of(kind: str, name: str, valid: tuple[str, ...]) -> str:
    """Return `name` when it is valid; raises SelectionError."""
    selection.known(kind, name, dict.fromkeys(valid))
    return name
