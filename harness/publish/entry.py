"""A run in brief: what a site keeps of it in `data/RUN.js`, and all that its pages but the report are made from.

The file is JSON in a call, because a page opened from the disk may load a script and nothing else.
"""

import dataclasses
import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from bench.records.record import Cell
from harness.compare import match, sessions
from harness.compare.choice import FIELDS
from harness.errors import StoreError
from harness.format import Value
from harness.plan.label import name
from harness.publish import names
from harness.report.exporters.csv import field
from harness.report.tables.steps import StepRow, step_rows
from harness.stats.estimate import Estimate
from harness.validity.noise_floor import floor, floor_of
from harness.validity.results import Run

FORMAT: Final = 1  # of the data files and of the site
CALL: Final = "samestepRun("  # the function of compare.html that gets the data
CALL_END: Final = ");\n"
SCRIPT_UNSAFE: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One cell of a run; times in ns."""

    label: str  # the cell in words
    framework: str
    title: str  # the framework's name for people
    mode: str
    workload: str
    optimizer: str
    size: str
    precision: str
    device: str
    allocator: str
    status: str
    reason: str
    inference: bool
    step_ns: float | None
    low_ns: float | None
    high_ns: float | None
    first_step_ns: float | None
    times: tuple[tuple[int, float, float], ...]  # (block, step, first step) of each good replicate
    flags: tuple[str, ...]  # names
    batch: int = 0  # of an inference at a stated batch; 0: the workload's own, and what older sites have
    ranks: int = 0  # of a data-parallel step; 0: it is none, and what older sites have
    scaling: str = ""  # "strong" or "weak"; empty: no ranks
    variant: str = ""  # of the framework's environment; empty: as locked
    machine: tuple[str, ...]  # what has to be the same to be compared, as `harness.compare.match.FACTS`

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(**{field: getattr(self, field) for field in FIELDS})

    @property
    def framework_id(self) -> str:
        """The framework with its variant, as in `Software`."""
        return f"{self.framework}@{self.variant}" if self.variant else self.framework


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """What one framework computed with on one device."""

    framework: str  # with its variant, as "jax@0.9.2"
    device: str
    python: str
    versions: tuple[str, ...]  # "name==version"
    image: str  # digest of the container image; empty outside a container


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A published run."""

    format: int
    id: str  # of the run: the name of its folder
    name: str  # of its files in the site
    begun_as: str  # the id in run.json, which stays when a folder is renamed
    started_unix_ns: int
    wall_s: float
    profile: str
    blocks: int
    seed: int
    replicates: int
    planned: int  # replicates
    ended: str  # why it ended; empty: interrupted, or by an older samestep
    launcher: str
    cpu: str
    cores: int
    memory_bytes: int
    os: str
    gpu: str
    driver: str
    threads: int
    commit: str  # of samestep
    dirty: bool
    caveat: str  # what has to stand beside every figure; empty: nothing
    is_first_look: bool
    floor: float  # noise floor, relative
    has_control: bool  # it was measured, by an A/A control
    probes: dict[str, float]  # drift probes, by what they do: ns per unit of work
    spans: dict[int, tuple[int, int]]  # when each block began and ended, time.time_ns
    incomplete: tuple[int, ...]  # blocks that nothing is paired in
    records: int
    records_sha256: str
    software: tuple[Software, ...]
    cells: tuple[Result, ...]
    files: tuple[str, ...]  # to download, by their paths in the run's folder

    @property
    def statuses(self) -> Mapping[str, int]:
        """Number of cells by status."""
        return Counter(cell.status for cell in self.cells)

    @property
    def invalid(self) -> int:
        """Number of invalid cells."""
        return self.statuses.get("invalid", 0)

    @property
    def host(self) -> str:
        """The machine in words: runs with the same are on one line of a history."""
        return ", ".join(filter(None, (f"{self.cpu}, {self.cores} CPUs", self.gpu)))

    @property
    def is_unfinished(self) -> bool:
        """Whether replicates that were planned are missing, and no rule of the profile ended it."""
        return self.replicates < self.planned and not self.ended


@dataclass(frozen=True)
class Kept:
    """An entry as it is in the site, and what all cells of it share."""

    entry: Entry
    digest: str  # of the data file

    @cached_property
    def host(self) -> str:
        """The machine in words: runs with the same are on one line of a history."""
        return self.entry.host

    @cached_property
    def csv_fields(self) -> tuple[str, ...]:
        """The fields of a row of a history that are the same for all of its cells."""
        entry = self.entry
        host = f"{entry.cpu}, {entry.cores} CPUs", entry.gpu, entry.driver
        session: tuple[Value, ...] = entry.floor, entry.has_control, entry.is_first_look, entry.caveat
        return tuple(field(value) for value in (entry.id, moment(entry.started_unix_ns), *host, *session))

    def software(self, framework: str, device: str) -> Software | None:
        """Return what a framework computed with on a device; None: it has no time there."""
        return self._software.get((framework, device))

    def parts(self, framework: str, device: str) -> Mapping[str, str]:
        """Return the versions of all that it computed with, by name; none: it has no time there."""
        return self._parts.get((framework, device), {})

    def software_fields(self, framework: str, device: str) -> tuple[str, str]:
        """Return the fields of a row of a history that are the same for all cells of a framework on a device."""
        return self._software_fields.get((framework, device), ("", ""))

    @cached_property
    def _software_fields(self) -> Mapping[tuple[str, str], tuple[str, str]]:
        return {key: (field(each.python), field(" ".join(each.versions))) for key, each in self._software.items()}

    @cached_property
    def _software(self) -> Mapping[tuple[str, str], Software]:
        return {(each.framework, each.device): each for each in self.entry.software}

    @cached_property
    def _parts(self) -> Mapping[tuple[str, str], Mapping[str, str]]:
        driver = {"driver": self.entry.driver} if self.entry.driver else {}
        found = {}
        for key, software in self._software.items():
            versions = dict(version.split("==", 1) for version in software.versions if "==" in version)
            found[key] = {**versions, "Python": software.python.split(" ", 1)[0], **driver}
        return found


def moment(unix_ns: int) -> str:
    """Return a time in UTC to the minute, in ISO 8601 with a blank."""
    return datetime.datetime.fromtimestamp(unix_ns / 1e9, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def entry_of(run: Run, *, begun_as: str, records: int, records_sha256: str) -> Entry:
    """Return `run` in brief, without its files; `records` are the lines of records.jsonl."""
    facts, host = run.facts, run.facts.host
    control = floor(run)
    return Entry(
        format=FORMAT,
        id=facts.id,
        name=names.segment(facts.id),
        begun_as=begun_as,
        started_unix_ns=facts.started_unix_ns,
        wall_s=facts.wall_s,
        profile=facts.profile,
        blocks=facts.blocks_run or facts.blocks,
        seed=facts.seed,
        replicates=sum(record.cell.track != "export" for record in run.records),
        planned=facts.replicates,
        ended=facts.ended,
        launcher=facts.launcher,
        cpu=host.cpu,
        cores=host.cores,
        memory_bytes=host.memory_bytes,
        os=host.os,
        gpu=host.gpu,
        driver=host.driver,
        threads=facts.threads,
        commit=facts.commit,
        dirty=facts.dirty,
        caveat=run.caveat,
        is_first_look=run.is_first_look,
        floor=floor_of(run),
        has_control=control is not None and control.pair is not None,
        probes={
            f"{probe.library} {probe.device} {probe.kind} {probe.precision} {probe.size}": ns
            for probe, ns in sessions.levels(run).items()
        },
        spans=dict(sessions.spans(run.records)),
        incomplete=run.incomplete,
        records=records,
        records_sha256=records_sha256,
        software=tuple(_software(run)),
        cells=tuple(_result(run, row) for row in step_rows(run)),
        files=(),
    )


def _software(run: Run) -> Iterator[Software]:
    """Yield what each framework computed with, as its first timed replicate on each device read it back."""
    known = set()
    for record in run.records:
        where, key = record.environment, (record.cell.framework_id, record.cell.device)
        if where is not None and record.timing is not None and key not in known:
            known.add(key)
            yield Software(
                framework=key[0], device=key[1], python=where.python, versions=where.versions, image=where.image
            )


def _result(run: Run, row: StepRow) -> Result:
    cell, step = row.cell, row.step_ns
    interval = step.interval if step else None
    return Result(
        label=name(cell),
        framework=cell.framework,
        title=row.title,
        mode=cell.mode,
        workload=cell.workload,
        optimizer=cell.optimizer,
        size=cell.size,
        precision=cell.precision,
        device=cell.device,
        allocator=cell.allocator,
        batch=cell.batch,
        ranks=cell.ranks,
        scaling=cell.scaling,
        variant=cell.variant,
        status=row.status,
        reason=row.reason,
        inference=row.is_inference,
        step_ns=step.value if step else None,
        low_ns=interval.low if interval else None,
        high_ns=interval.high if interval else None,
        first_step_ns=_value(row.first_step_ns),
        times=tuple((block, cost.step_ns, cost.first_ns) for block, cost in sorted(row.costs.items())),
        flags=tuple(flag.name for flag in row.flags),
        machine=match.facts_of(run, cell),
    )


def _value(estimate: Estimate | None) -> float | None:
    return estimate.value if estimate else None


def written(entry: Entry) -> str:
    """Return the text of the data file; no text in it can end a script or begin a tag."""
    data = json.dumps(dataclasses.asdict(entry), separators=(",", ":"), allow_nan=False)
    for character, escape in SCRIPT_UNSAFE.items():
        data = data.replace(character, escape)
    return f"{CALL}{data}{CALL_END}"


def read(path: Path) -> Kept:
    """Return the entry in the data file at `path`.

    Raises:
        StoreError: it is damaged; the message has the remedy.
    """
    try:
        source = path.read_bytes()
        data = source.removeprefix(CALL.encode()).removesuffix(CALL_END.encode())
        entry = msgspec.json.decode(data, type=Entry)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}. Check what it is, and who may read it.") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise StoreError(f"{path} is damaged: {error}. Delete it and publish the run {path.stem} again.") from error
    return Kept(entry, hashlib.sha256(source).hexdigest())
