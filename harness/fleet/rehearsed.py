"""Tasks that leave results without running anything: what the hosts of a simulated cluster do.

The figures are made up, and the same on every host but where a host is told to be slower.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.catalogue import DRIFT_PROBE, Catalogue, FrameworkOffer, ModeOffer, WorkloadOffer
from bench.records.codec import to_json
from bench.records.record import (
    Accuracy,
    Cell,
    Environment,
    Limit,
    Memory,
    ModeProof,
    Phases,
    Record,
    Timing,
)
from harness.fleet import split
from harness.fleet.attempts import BAD_HOST, INFRASTRUCTURE
from harness.fleet.folder import Begun, Ended, Fleet, FleetFolder
from harness.fleet.request import HostType
from harness.fleet.simulated import Start
from harness.fleet.split import Task
from harness.host.machine import HostFacts
from harness.plan import planner
from harness.plan.plan import Plan, make_plan
from harness.plan.planner import Planned
from harness.plan.profiles import PROFILES
from harness.plan.request import Request
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder

MODES: Final = ("eager", *(f"mode{number}" for number in range(1, 10)))
OFFER: Final = FrameworkOffer(
    name="numpy",
    title="NumPy",
    modes=tuple(ModeOffer(name=mode, sentence="", baseline="eager") for mode in MODES),
    baseline="eager",
    limits="NumPy",
)


REQUEST: Final = Request(measures=("time",), seed=1)
BEGAN_UNIX_NS: Final = 1_700_000_000 * 10**9


def planned(workloads: int, modes: int, *, blocks: int, seed: int = 1) -> Planned:
    """Return a plan of `workloads` × `modes` cells; there are ten modes."""
    names = [f"work{number:04}" for number in range(workloads)]
    cells = tuple(
        Cell(
            framework="numpy",
            mode=mode,
            workload=name,
            optimizer="adam",
            size="S",
            precision="float32",
            device="cpu",
            allocator="default",
        )
        for name in names
        for mode in MODES[:modes]
    )
    offers = tuple(WorkloadOffer(name=name, sentence="", sizes=("S",), optimizers=("adam",)) for name in names)
    return Planned(
        offer=Catalogue(frameworks=(dataclasses.replace(OFFER, modes=OFFER.modes[:modes]),), workloads=offers),
        profile=PROFILES["look"],
        device="cpu",
        launchers=("venv",),
        plan=make_plan(cells, blocks=blocks, seed=seed),
        left_out="",
    )


def fleet_of(whole: Planned, *host_types: HostType, blocks: int, requeue: bool = True) -> Fleet:
    """Return the fleet's run of a plan, on these types of hosts."""
    return Fleet(
        id="fleet-1",
        created_unix_ns=0,
        seed=whole.plan.seed,
        blocks=blocks,
        options=(("framework", "numpy"),),
        host_types=host_types,
        time_limit_min=10,
        requeue=requeue,
        scratch="",
        code=(),
        tasks=tuple(split.tasks(whole, REQUEST, host_types, blocks)),
    )


class Harness:
    """What the harness of a single host leaves of a task."""

    def __init__(
        self,
        folder: FleetFolder,
        whole: Planned,
        *,
        scratch: Path,
        speeds: Mapping[str, float] | None = None,
        bad_hosts: tuple[str, ...] = (),
        other_machines: tuple[str, ...] = (),
        blind_hosts: tuple[str, ...] = (),
    ) -> None:
        """Take the run's folder and plan, and the hosts that differ.

        Args:
            folder: where results are left.
            whole: what the tasks are shares of.
            scratch: folder for runs that are on their way there.
            speeds: by host, how often its step takes as long.
            bad_hosts: fail every task.
            other_machines: have another processor.
            blind_hosts: do not see the folder.
        """
        self._folder = folder
        self._whole = whole
        self._scratch = scratch
        self._speeds = speeds or {}
        self._bad_hosts = bad_hosts
        self._other_machines = other_machines
        self._blind_hosts = blind_hosts
        self._by_workload: dict[str, list[Cell]] = {}
        for each in whole.plan.cells:
            self._by_workload.setdefault(each.workload, []).append(each)

    def begin(self, start: Start) -> None:
        """Note that a task began."""
        if start.host not in self._blind_hosts:
            self._folder.begin(self._begun(start))

    def finish(self, start: Start) -> int:
        """Leave a task's result; return its exit code."""
        if start.host in self._blind_hosts:
            return BAD_HOST
        begun = self._begun(start)
        task = self._folder.fleet.tasks[begun.task - 1]
        code, reason = (INFRASTRUCTURE, "no engine") if start.host in self._bad_hosts else (0, "")
        if not code:
            self._folder.keep(self.run(task, start.host), begun)
        self._folder.end(begun, Ended(code=code, reason=reason, unix_ns=1))
        return code

    def run(self, task: Task, host: str) -> Path:
        """Write a task's run; return its folder."""
        cells = tuple(self._by_workload[task.workload])
        plan = planner.share(self._whole, REQUEST, cells, task.blocks, task.seed)
        path = self._scratch / f"run-{time.time_ns()}"
        path.mkdir(parents=True)
        folder = RunFolder(path)
        folder.write_plan(plan)
        folder.write_facts(self._facts(task, plan, host))
        lines = (to_json(each) for each in self.records(plan, self._speeds.get(host, 1.0)))
        folder.records_path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def records(self, plan: Plan, speed: float) -> Iterator[Record]:
        """Yield the replicates of a task's plan: each block's steps are 1 ns slower than the last one's."""
        for each in plan.in_order():
            step = round(100_000 * speed) + each.block
            made = _replicate(each.cell, block=each.block, position=each.position, step_ns=step)
            if each.cell.track == DRIFT_PROBE:
                limit = Limit(kind="matmul", precision="float32", size=64, work=1000, round_ns=(step,) * 5)
                made = dataclasses.replace(made, limits=(limit,), timing=None, accuracy=None, proof=None)
            yield made

    def _facts(self, task: Task, plan: Plan, host: str) -> RunFacts:
        cpu = "another processor" if host in self._other_machines else "a processor"
        return RunFacts(
            id=f"task-{task.number}",
            profile="default",
            seed=task.seed,
            blocks=task.blocks,
            replicates=plan.replicates,
            started_unix_ns=BEGAN_UNIX_NS,
            wall_s=10.0,
            host=HostFacts(cpu=cpu, cores=4, memory_bytes=8 << 30, os="Linux", python="3.11"),
            commit="",
            dirty=False,
            launcher="venv",
            cpus=(1,),
            threads=1,
            frameworks=self._whole.offer.frameworks,
            workloads=tuple(each for each in self._whole.offer.workloads if each.name == task.workload),
            ended=f"all {task.blocks} blocks were run",
            alternates=True,
        )

    def _begun(self, start: Start) -> Begun:
        number = int(start.array.arguments[0])
        return Begun(
            task=self._folder.submission(number).tasks[start.index],
            submission=number,
            restart=start.restart,
            host=start.host,
            unix_ns=1,
        )


def _replicate(cell: Cell, *, block: int, position: int, step_ns: int) -> Record:
    """Return a good replicate, each of whose rounds is one step."""
    losses = (4.0, 2.0, 1.0)
    return Record(
        cell=cell,
        block=block,
        position=position,
        status="ok",
        started_unix_ns=BEGAN_UNIX_NS,
        wall_ns=3_000_000_000,
        phases=Phases(startup_ns=100_000_000, import_ns=900_000_000),
        timing=Timing(
            steps_per_call=1,
            calls_per_round=1,
            first_step_ns=4_000_000,
            compile_cache="cold",
            warmup_rounds=20,
            steady=True,
            clock_ns=100,
            round_ns=(step_ns,) * 10,
        ),
        memory=Memory(host_peak_rss_bytes=300 << 20),
        accuracy=Accuracy(
            formula="kingma-ba",
            losses=losses,
            reference_losses=losses,
            max_loss_deviation=0.0,
            weight=2.9919,
            bias=2.0018,
            reference_weight=2.9919,
            reference_bias=2.0018,
            within_tolerance=True,
            data_sha256="0" * 64,
            init_sha256="0" * 64,
        ),
        proof=ModeProof(mode=cell.mode, device="cpu", threads=1, precision="float32", compilations=None),
        environment=Environment(
            python="3.11.7",
            platform="Linux",
            cpu="A processor",
            cpus=(1,),
            threads=1,
            device_name="A processor",
            versions=("numpy==2.4.0",),
            flags=(),
            launcher="venv",
        ),
    )
