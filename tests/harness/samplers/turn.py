"""A replicate under a scripted NVML, on a host with a scripted /proc."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from bench.records.observation import Energy, Observation
from bench.turns.owner import INITIAL
from harness.host.gpus import open_gpu
from harness.samplers import observer as observing
from harness.samplers.base import Costs, Watched
from harness.samplers.nvml import Device, NvmlProbe
from harness.samplers.owner import Owner
from harness.samplers.stamps import Clocks
from harness.store.samples import Sample
from tests.fake_nvml import FakeNvml
from tests.fakes import FakeClock

MIB = 1 << 20
OWN, CHILD, STRANGER, GONE = 100, 101, 4711, 999
PHASES = [(0.0, "import"), (1.0, "build"), (2.0, "warmup"), (3.0, "rounds"), (4.0, "check"), (4.5, "teardown")]


class Host:
    """A /proc with processes in it: PID to control group and children."""

    def __init__(self, root: Path, namespace: str = f"pid:[{INITIAL}]") -> None:
        self.root = root
        (root / "self" / "ns").mkdir(parents=True)
        (root / "self" / "ns" / "pid").symlink_to(namespace)
        self.add(OWN, children=[CHILD])
        self.add(CHILD)
        self.add(STRANGER)
        self.add(os.getpid())  # the harness, in the control group of all who are logged in

    def add(self, pid: int, group: str = "/user.slice", children: Sequence[int] = ()) -> None:
        threads = self.root / str(pid) / "task" / str(pid)
        threads.mkdir(parents=True)
        (threads / "children").write_text(" ".join(map(str, children)))
        (self.root / str(pid) / "cgroup").write_text(f"0::{group}\n")


@dataclasses.dataclass
class Turn:
    """One replicate under a scripted NVML: `run` goes through PHASES at 10 Hz."""

    nvml: FakeNvml
    proc: Path
    energy: bool = False
    clock: FakeClock = dataclasses.field(default_factory=FakeClock)
    said: list[str] = dataclasses.field(default_factory=list)
    samples: list[Sample] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.watched = Watched("cell#1")
        self.costs = Costs(self.clock)
        self.device = Device(open_gpu("0", self.nvml), self.said.append)
        owner = Owner(self.watched, str(self.proc))
        self.probe = NvmlProbe(self.device, self.watched, owner, self.costs, energy=self.energy, clocks=self.clocks)

    def clocks(self) -> Clocks:
        """Unix time as in the samples, a boot clock that is ahead by the script's, a monotonic one of 100 s less."""
        now = round(self.nvml.now * 1e9)
        boot = now + 3600 * 10**9
        return now, boot, boot - 100 * 10**9

    def run(self, *, pid: int | None = OWN) -> Observation:
        self.nvml.now = 0.05
        self.samples += self.probe.begin(5 * 10**7)
        self.watched.pid = pid
        file = self.proc / "phase"
        self.watched._file = str(file)
        for tick in range(1, 50):
            now = tick / 10
            self.nvml.now = now
            file.write_text([name for since, name in PHASES if since <= now][-1])
            if self.watched.look():
                self.samples.append((tick * 10**8, "turn", "cell#1", self.watched.phase, 1.0))
            self.samples += self.probe.look(tick * 10**8)
        self.nvml.now = 5.0
        self.samples += self.probe.end(5 * 10**9)
        return self.seen()

    def seen(self, window: Energy | None = None) -> Observation:
        seen = observing.with_gpu(Observation(), self.probe, self.samples, window)
        return dataclasses.replace(seen, missing=tuple(observing.gaps(seen, self.probe, self.samples, window)))
