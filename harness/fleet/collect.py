"""Collect: of a fleet's results ordinary runs, one for each kind of host.

    task 1 on host A   blocks 1-3, closing probe in 4    ─→  blocks 1-3, probe in 4      5 is empty
    task 2 on host B   blocks 1-3, closing probe in 4    ─→  blocks 6-8, probe in 9      10 is empty …

Every task gets blocks of its own. What is compared is compared within a block, so every ratio is made on one host, and
a drift from one host's last probe to the next one's first is none, because an empty block is between them.

Results from another processor, GPU, driver or system are not of the same machine, even if the scheduler calls the hosts
alike. They become another run.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.catalogue import DRIFT_PROBE
from bench.records.record import Cell, Record
from harness.errors import StoreError
from harness.fleet.folder import Begun, Fleet, FleetFolder
from harness.fleet.request import run_of
from harness.fleet.split import Task
from harness.plan.plan import Plan
from harness.report import write
from harness.report.words import count
from harness.store import reading, replicates
from harness.store.facts import MeasuredOn, RunFacts
from harness.store.folder import RECORDS_FILE, RunFolder, log_path, require_space
from harness.store.resume import host_differences
from harness.terminal import failures

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A task's result: an ordinary run."""

    task: Task
    begun: Begun
    folder: RunFolder
    facts: RunFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What became of a fleet's results."""

    runs: tuple[RunFolder, ...]
    missing: tuple[str, ...]  # tasks without a result, in words


def collect(folder: FleetFolder, results: Path, say: Say, *, report: bool = True) -> Collected:
    """Make runs of the results that are there.

    Args:
        folder: of the fleet's run.
        results: folder of the runs; those of an earlier collection of the same fleet's run are replaced.
        say: called with a line of progress.
        report: write the reports, too.

    Raises:
        StoreError: no task has a result, one is damaged, or a run cannot be written.
    """
    fleet = folder.fleet
    done = folder.done()
    missing = tuple(str(task) for task in fleet.tasks if task.number not in done)
    if not done:
        raise StoreError(f"{folder.path} has no result yet: samestep fleet status says where its tasks stand.")
    results.mkdir(parents=True, exist_ok=True)
    require_space(results)
    found = [_result(folder, task, done[task.number]) for task in fleet.tasks if task.number in done]
    runs = []
    for name, several in _groups(fleet, found):
        lacking = [
            task for task in fleet.tasks if task.number not in done and task.host_type == several[0].task.host_type
        ]
        run = _merged(results / name, fleet, several, lacking)
        runs.append(run)
        hosts = dict.fromkeys(f"{_alias(several, each.begun.host)} = {each.begun.host}" for each in several)
        say(f"{run.id}: {count(len(several), 'task')} of {count(len(hosts), 'host')} ({', '.join(hosts)})")
        if report:
            say(_reported(run))
    return Collected(runs=tuple(runs), missing=missing)


def _reported(run: RunFolder) -> str:
    """Write the report of a run; return where it is, or why there is none."""
    try:
        return f"Report: {write.write_report(run)}"
    except (StoreError, OSError) as error:
        said = str(error) if isinstance(error, StoreError) else failures.sentence(error)
        return f"The report failed: {said} The run is kept: {run.path}"


def _result(folder: FleetFolder, task: Task, begun: Begun) -> Result:
    run = RunFolder(folder.result(task.number))
    return Result(task=task, begun=begun, folder=run, facts=run.facts())


def _groups(fleet: Fleet, results: Sequence[Result]) -> Iterator[tuple[str, Sequence[Result]]]:
    """Yield the results that were measured on one kind of host, with the name of their run."""
    for kind in fleet.host_types:
        of_type = [result for result in results if result.task.host_type == kind.name]
        groups: list[list[Result]] = []
        for result in of_type:
            group = next((group for group in groups if _is_same_kind(group[0].facts, result.facts)), None)
            if group is None:
                groups.append(group := [])
            group.append(result)
        for number, group in enumerate(groups, start=1):
            name = f"{fleet.id}-{kind.name}" if len(fleet.host_types) > 1 else fleet.id
            yield name if number == 1 else f"{name}-other{number}", group


def _is_same_kind(one: RunFacts, other: RunFacts) -> bool:
    return not host_differences(one.host, other.host) and (one.cpus, one.threads, one.launcher, one.device) == (
        other.cpus,
        other.threads,
        other.launcher,
        other.device,
    )


def _merged(path: Path, fleet: Fleet, results: Sequence[Result], lacking: Sequence[Task]) -> RunFolder:
    """Make one run of results; raises StoreError."""
    beside = RunFolder(path.with_name(f".{path.name}.new"))
    shutil.rmtree(beside.path, ignore_errors=True)
    try:
        beside.path.mkdir()
        with contextlib.closing(_Merging(beside, results[0].task.seed)) as merging:
            for result in results:
                merging.add(result)
            merging.finish(path.name, fleet, results, lacking)
        if path.exists():
            if not RunFolder(path).facts().hosts:
                raise StoreError(f"{path} is there already, and is no collected run: name another folder (--results).")
            shutil.rmtree(path)
        beside.path.rename(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {failures.explained(error)}.") from error
    finally:
        shutil.rmtree(beside.path, ignore_errors=True)
    return RunFolder(path)


def _alias(results: Sequence[Result], host: str) -> str:
    """Return the name of a host in the run: one that says nothing of its owner."""
    hosts = sorted({result.begun.host for result in results})
    return f"{results[0].task.host_type}-{hosts.index(host) + 1}"


class _Merging:
    """A run that grows by one task after the other; only the records of one are in memory."""

    def __init__(self, folder: RunFolder, seed: int) -> None:
        """Take an empty folder and a seed: runs with one seed would be taken for one session."""
        self._folder = folder
        self._seed = seed
        self._cells: dict[Cell, int] = {}
        self._order: list[tuple[int, ...]] = []
        self._positions = 0
        self._records = (folder.path / RECORDS_FILE).open("wb")
        self._blocks: list[tuple[Result, int, int]] = []
        self._trained: dict[str, object] = {}

    def add(self, result: Result) -> None:
        """Add a task's result; raises StoreError."""
        plan = result.folder.plan()
        records = result.folder.records()
        reading.require_one_run(result.folder.records_path, records, result.facts, plan)
        records = replicates.standing(result.folder.records_path, records)
        offset = len(self._order)
        indices = [self._cells.setdefault(cell, len(self._cells)) for cell in plan.cells]
        self._order += [tuple(indices[index] for index in block) for block in plan.order]
        closing = tuple(indices[index] for index, cell in enumerate(plan.cells) if cell.track == DRIFT_PROBE)
        self._order += [closing, ()]
        for record in records:
            moved = replace(record, block=record.block + offset, position=record.position + self._positions)
            # What was read strictly is safe and finite, so it need not be made so again: half of the time.
            self._records.write(msgspec.json.encode(moved) + b"\n")
            self._copy_log(result.folder, record, moved)
        self._positions += plan.replicates
        self._blocks.append((result, offset + 1, offset + plan.blocks))
        self._copy_samples(result.folder, offset)
        self._copy_models(result.folder)

    def close(self) -> None:
        """Close its records; safe to call twice."""
        self._records.close()

    def finish(self, name: str, fleet: Fleet, results: Sequence[Result], lacking: Sequence[Task]) -> None:
        """Write what describes the run; raises StoreError."""
        self.close()
        plan = self._plan()
        self._folder.write_plan(plan)
        self._folder.write_facts(self._facts(name, fleet, results, lacking))
        self._folder.merge_samples()
        if self._trained:
            self._folder.models.write_trained(self._trained)

    def _plan(self) -> Plan:
        """Return the plan; the closing probe of the last task is the one that closes every plan."""
        cells = tuple(self._cells)
        order = self._order[:-1]
        probes = tuple(index for cell, index in self._cells.items() if cell.track == DRIFT_PROBE)
        if order[-1] == probes:
            order = order[:-1]
        return Plan(seed=self._seed, cells=cells, order=tuple(order))

    def _facts(self, name: str, fleet: Fleet, results: Sequence[Result], lacking: Sequence[Task]) -> RunFacts:
        facts = [result.facts for result in results]
        first = facts[0]
        is_whole = not lacking and all(each.ended for each in facts)
        blocks = "its one block was run" if fleet.blocks == 1 else f"all {fleet.blocks} blocks were run"
        return replace(
            first,
            id=name,
            seed=self._seed,
            blocks=fleet.blocks,
            blocks_run=fleet.blocks if is_whole else 0,
            replicates=sum(each.replicates for each in facts) + sum(task.replicates for task in lacking),
            started_unix_ns=min(each.started_unix_ns for each in facts),
            wall_s=sum(each.wall_s for each in facts),
            frameworks=_once((offer.name, offer) for each in facts for offer in each.frameworks),
            workloads=_once((offer.name, offer) for each in facts for offer in each.workloads),
            selection=_selection(fleet),
            left_out=" ".join(dict.fromkeys(each.left_out for each in facts if each.left_out)),
            versions=_once((text.partition(":")[0], text) for each in facts for text in each.versions),
            images=_once((text.partition(":")[0], text) for each in facts for text in each.images),
            environments=_once((text.partition(":")[0], text) for each in facts for text in each.environments),
            code=_once((pair[0], pair) for each in facts for pair in each.code),
            shared_gpu=any(each.shared_gpu for each in facts),
            alternates=all(each.alternates for each in facts),
            not_alternating=next((each.not_alternating for each in facts if each.not_alternating), ""),
            ended=blocks if is_whole else "",
            hosts=tuple(
                MeasuredOn(host=_alias(results, result.begun.host), task=result.task.number, first=begin, last=end)
                for result, begin, end in self._blocks
            ),
        )

    def _copy_log(self, folder: RunFolder, record: Record, moved: Record) -> None:
        source, target = folder.path / log_path(record), self._folder.path / log_path(moved)
        if source.is_file():
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)

    def _copy_samples(self, folder: RunFolder, offset: int) -> None:
        """Copy what was sampled, its subjects in their new blocks."""
        if folder.samples.is_empty:
            return
        frame = folder.samples.frame()
        subjects = {text: _moved_subject(str(text), offset) for text in frame["subject"].unique()}
        frame["subject"] = frame["subject"].map(subjects)
        self._folder.append_samples(list(frame.itertuples(index=False, name=None)))

    def _copy_models(self, folder: RunFolder) -> None:
        if not folder.models.folder.is_dir():
            return
        self._folder.models.folder.mkdir(exist_ok=True)
        for path in folder.models.folder.iterdir():
            target = self._folder.models.folder / path.name
            if not target.exists():
                shutil.copyfile(path, target)
        self._trained.update(folder.models.trained())


def _moved_subject(text: str, offset: int) -> str:
    """Return the subject of samples, CELL#BLOCK or CELL#BLOCK/2, with the block moved."""
    cell, mark, rest = text.rpartition("#")
    block, slash, attempt = rest.partition("/")
    return f"{cell}{mark}{int(block) + offset}{slash}{attempt}" if block.isdigit() else text


def _selection(fleet: Fleet) -> tuple[str, ...]:
    return run_of(fleet.options)[0].options


def _once(pairs: Iterable[tuple[str, T]]) -> tuple[T, ...]:
    found: dict[str, T] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return tuple(found.values())
