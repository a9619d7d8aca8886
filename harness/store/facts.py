"""The facts of a run: what `run.json` holds."""

from dataclasses import dataclass, replace

from bench.catalogue import FrameworkOffer, WorkloadOffer
from bench.records.record import Cell
from bench.records.schema import UPGRADES
from bench.turns.turn import Settings
from harness.environments.variants import Resolved
from harness.host.machine import HostFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredOn:
    """Which blocks of a collected run were measured on which host (`harness.fleet.collect`)."""

    host: str  # the type and a number, such as "h200-1": its own name says who owns it
    task: int  # number of the fleet's task
    first: int  # block
    last: int  # block; the drift probe after it is of this host, too


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """All that is known of a run without its records."""

    id: str  # name of the run's folder
    profile: str  # "look", "quick", "default" or "publish"
    seed: int  # of the order within the blocks
    blocks: int  # blocks planned: replicates of each cell
    replicates: int  # replicates planned, of all cells together
    started_unix_ns: int  # when the run began, time.time_ns
    wall_s: float  # time spent running, over all sessions of the run
    host: HostFacts
    commit: str  # git commit of samestep; empty: not run from a repository
    dirty: bool  # that repository had changes that were not committed
    branch: str = ""  # of that repository; empty: no branch was checked out, or not known
    commit_time: str = ""  # when the commit was made, in ISO 8601; empty: not known
    author_time: str = ""  # when its change was written, in ISO 8601; empty: not known
    launcher: str  # "venv", "here", "docker" or "workers"
    cpus: tuple[int, ...]  # CPU set of the replicates; empty: all
    threads: int  # threads that every framework has to use; with ranks, in each of them
    ranks: int = 0  # the most of any cell; 0: no step is data-parallel
    frameworks: tuple[FrameworkOffer, ...]  # in the order of the tables
    workloads: tuple[WorkloadOffer, ...] = ()  # those of the run
    selection: tuple[str, ...] = ()  # the request, such as "framework=torch,jax"
    left_out: str = ""  # what was named and is not in the plan, as sentences; empty: nothing, or the run is older
    device: str = "cpu"  # "cpu" or "cuda"
    settings: Settings | None = None  # numbers of the protocol
    timeout_s: float = 300.0  # of one replicate
    shared_gpu: bool = False  # other programs were allowed on the GPU
    interpreter: str = ""  # path of the interpreter of the launcher "here"; empty: each framework has its own
    versions: tuple[str, ...] = ()  # "framework: name==version …" as the replicates report them
    images: tuple[str, ...] = ()  # "framework: digest" of the container images
    # "framework: SHA-256" of what is installed in each local environment (`harness.environments.installed`)
    environments: tuple[str, ...] = ()
    again: str = ""  # id of the run that this one makes again from its folder; empty: none
    isolated: bool = False  # the kernel keeps these processors free of other work (isolcpus)
    blocks_run: int = 0  # blocks with a record of every replicate; 0 until the session ends
    ended: str = ""  # why there are no more blocks; empty: interrupted, or run by an older samestep
    alternates: bool = False  # the processes of a block took turns
    not_alternating: str = ""  # why they did not; empty: they did, or the run is older
    env: tuple[str, ...] = ()  # "NAME=value" of each variable that the user named for the replicates, sorted
    data: str = ""  # folder of the data sets that are streamed; empty: none is
    resumed_unix_ns: int = 0  # when it was resumed last; 0: never, or by an older samestep
    variants: tuple[Resolved, ...] = ()  # of the environments of frameworks; empty: all ran as locked
    hosts: tuple[MeasuredOn, ...] = ()  # of a run that was collected from a fleet; empty: one host, which is `host`
    code: tuple[tuple[str, ...], ...] = ()  # (file, SHA-256) of bench/ and the locks; resuming requires the same

    def host_of(self, block: int) -> str:
        """Return the host of a collected run that a block was measured on; empty: the run's only one."""
        return next((each.host for each in self.hosts if each.first <= block <= each.last + 1), "")


def upgraded(facts: RunFacts) -> RunFacts:
    """Return `facts` of an older run with the present names of frameworks and modes, as its upgraded records have."""
    return replace(facts, frameworks=tuple(_renamed(framework) for framework in facts.frameworks))


def renamed(cell: Cell) -> Cell:
    """Return `cell` of an older plan with its present names."""
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
