"""What a report is made of: the facts of a run, and its records. `run.json` holds `RunFacts`.

Plain frozen data, so that `bench.records.record.to_json` writes it and `bench.records.record.decode` reads it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.catalogue import FrameworkOffer, ModeOffer, WorkloadOffer
from bench.records.record import UPGRADES, Cell, Record
from bench.turns.turn import Settings
from harness.stats.estimate import FEW_BLOCKS
from harness.stats.flags import Flag

QUICK: Final = "quick"

UNTIMED: Final = ("memory", "energy", "export")  # tracks of turns whose durations tell nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine, without anything that names it or its owner."""

    cpu: str  # model name of the processor
    cores: int  # logical processors
    memory_bytes: int  # physical memory
    os: str  # such as "Debian GNU/Linux 12, Linux 6.1"
    python: str  # the harness's interpreter; each replicate's own is in its record
    gpu: str = ""  # name of the accelerator; empty: none
    driver: str = ""  # version of its driver


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run, apart from its records."""

    id: str  # name of the run's folder
    profile: str  # "quick", "default" or "publish"
    seed: int  # of the order within the blocks
    blocks: int  # blocks planned: replicates of each cell
    replicates: int  # replicates planned, of all cells together
    started_unix_ns: int  # when the run began, time.time_ns
    wall_s: float  # time spent running, over all sessions of the run
    host: HostFacts
    commit: str  # git commit of samestep; empty: not run from a repository
    dirty: bool  # that repository had changes that were not committed
    launcher: str  # "venv", "here", "docker" or "workers"
    cpus: tuple[int, ...]  # CPU set of the replicates; empty: all
    threads: int  # threads that every framework was told to use
    frameworks: tuple[FrameworkOffer, ...]  # in the order of the tables
    workloads: tuple[WorkloadOffer, ...] = ()  # those of the run
    selection: tuple[str, ...] = ()  # what was asked for, such as "framework=torch,jax"
    device: str = "cpu"  # "cpu" or "cuda"
    settings: Settings | None = None  # the protocol's numbers
    timeout_s: float = 300.0  # of one replicate
    shared_gpu: bool = False  # other programs were allowed on the GPU
    interpreter: str = ""  # path of the one interpreter of the launcher "here"; empty: each framework's own
    versions: tuple[str, ...] = ()  # "framework: name==version …" as the replicates read them back
    images: tuple[str, ...] = ()  # "framework: digest" of the container images
    isolated: bool = False  # the kernel keeps these processors free of other work (isolcpus)
    blocks_run: int = 0  # blocks of which every replicate has a record; 0 while the run goes on
    ended: str = ""  # why there are no more blocks; empty: it was interrupted, or is of a samestep that did not say
    code: tuple[tuple[str, ...], ...] = ()  # (file, SHA-256) of bench/ and the locks: what a resumed run must find


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything a report is made from."""

    facts: RunFacts
    records: tuple[Record, ...]  # one for each replicate, in the order they were made
    samples: Path | None = None  # samples.parquet of the run; None: nothing was sampled
    replaced: tuple[Record, ...] = ()  # invalid replicates that another attempt, one of `records`, stands for
    warnings: Mapping[Cell, tuple[Flag, ...]] = field(default_factory=dict)  # beside those of the statistics
    incomplete: tuple[int, ...] = ()  # blocks that were begun and not finished: nothing is paired in them

    @property
    def is_timed(self) -> bool:
        """Whether time was measured; a run for memory or energy alone has nothing to say of it."""
        return not self.records or any(record.cell.track not in UNTIMED for record in self.records)

    @property
    def is_first_look(self) -> bool:
        """Whether it is too small for verdicts."""
        return self.facts.profile == QUICK or self.facts.blocks < FEW_BLOCKS

    def title(self, framework: str) -> str:
        """Return what people call `framework`; its own name when the run's facts lack it."""
        return next((facts.title for facts in self.facts.frameworks if facts.name == framework), framework)

    def baseline(self, framework: str, mode: str) -> str:
        """Return the mode that `mode` of `framework` compares with, itself for a baseline; empty when there is none."""
        shared = next((facts.baseline for facts in self.facts.frameworks if facts.name == framework), "")
        return self._mode(framework, mode).baseline or shared

    def source(self, framework: str, mode: str) -> str:
        """Return the framework whose exported model `mode` runs, so that it is inference; empty when it trains."""
        return self._mode(framework, mode).source

    def _mode(self, framework: str, mode: str) -> ModeOffer:
        offered = (one for facts in self.facts.frameworks if facts.name == framework for one in facts.modes)
        return next((one for one in offered if one.name == mode), ModeOffer(name=mode, sentence=""))


def upgraded(facts: RunFacts) -> RunFacts:
    """Return `facts` of an older run in the names that its records have once the schema's upgrades have run."""
    return replace(facts, frameworks=tuple(_renamed(framework) for framework in facts.frameworks))


def renamed(cell: Cell) -> Cell:
    """Return `cell` of an older plan by its present names."""
    names = UPGRADES[1]({"cell": {"framework": cell.framework, "mode": cell.mode}})["cell"]
    return replace(cell, framework=names["framework"], mode=names["mode"])


def _renamed(offer: FrameworkOffer) -> FrameworkOffer:
    def cell(mode: str) -> dict[str, str]:
        data: dict[str, dict[str, str]] = UPGRADES[1]({"cell": {"framework": offer.name, "mode": mode}})
        return data["cell"]

    return replace(
        offer,
        name=cell("")["framework"],
        modes=tuple(replace(mode, name=cell(mode.name)["mode"]) for mode in offer.modes),
        baseline=cell(offer.baseline)["mode"],
    )
