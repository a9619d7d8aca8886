"""One measurement: an ordinary run in which several versions take turns, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Final, Protocol

from bench.catalogue import CONTROL
from bench.records.record import Cell, Record
from harness import session
from harness.bisect.asked import request_of, setting_of
from harness.bisect.candidates import of_build
from harness.bisect.facts import Asked, Bits, Failed, Measurement, Ratio
from harness.bisect.folder import BisectFolder
from harness.errors import INTERRUPTED, StoreError
from harness.plan.request import Request, Setting
from harness.stats import estimate, pairs
from harness.validity.noise_floor import NoiseFloor, floor_of
from harness.validity.ratios import ratios_of
from harness.validity.results import Run, load

BITS: Final = "bits"
UNSTABLE: Final = "its bits are not the same in every process"
NO_FIGURE: Final = "its processes have no such figure"


class Measurer(Protocol):
    """Measures versions together."""

    def begun(self, number: int) -> tuple[str, ...]:
        """Return the versions of a measurement that was interrupted; empty: it was not begun."""
        ...

    def __call__(self, number: int, versions: Sequence[str]) -> Measurement:
        """Make a measurement, or go on with it; raises KeyboardInterrupt and SamestepError."""
        ...


class RealMeasurer:
    """Measures by a run of samestep."""

    def __init__(self, folder: BisectFolder, asked: Asked, versions: Sequence[str]) -> None:
        """Measure what was asked for; `versions` are all of the bisection."""
        self._folder = folder
        self._asked = asked
        self._versions = versions

    def begun(self, number: int) -> tuple[str, ...]:
        """Return the versions of a run that was begun, as its plan has them."""
        run = self._folder.begun(number)
        if run is None:
            return ()
        planned = {of_build(cell.variant) for cell in run.plan().cells if cell.framework == self._asked.framework}
        return tuple(version for version in self._versions if of_build(version) in planned)

    def __call__(self, number: int, versions: Sequence[str]) -> Measurement:
        """Make the run, or go on with it."""
        place = self._folder.place(number)
        if begun := self._folder.begun(number):
            code = session.resume(begun.id, Request(), Setting(results=place, tables=False))
        else:
            code = session.run(request_of(self._asked, versions), setting_of(self._asked, place))
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        run = self._folder.begun(number)
        if run is None:
            raise StoreError(f"{place} holds no run.")
        path = run.path.relative_to(self._folder.path)
        return taken(load(run), number=number, path=path, versions=versions, asked=self._asked)


def taken(run: Run, *, number: int, path: Path, versions: Sequence[str], asked: Asked) -> Measurement:
    """Return what is kept of a run that measured `versions`; `path` is its folder's, from that of the bisection."""
    cells = _cells(run, versions, asked.framework)
    failed = {version: fault for version in versions if (fault := _fault(run, cells.get(version), asked))}
    held = tuple(version for version in versions if version not in failed)
    bits = [Bits(version=version, fingerprint=_bits(run, cells[version])[0]) for version in held]
    ratios = [
        Ratio(older=older, newer=newer, by_block=_ratios(run, cells[newer], cells[older], asked))
        for older, newer in combinations(held, 2)
    ]
    return Measurement(
        number=number,
        run=path.as_posix(),
        versions=tuple(versions),
        held=held,
        floor=_floor(run, asked),
        ratios=() if asked.measure == BITS else tuple(ratios),
        bits=tuple(bits) if asked.measure == BITS else (),
        failed=tuple(Failed(version=version, reason=reason) for version, reason in failed.items()),
    )


def good(run: Run, cell: Cell | None) -> dict[int, Record]:
    """Return the good replicates of `cell` by block, without blocks that were not finished."""
    return {
        record.block: record
        for record in run.records
        if record.cell == cell and record.status == "ok" and record.block not in run.incomplete
    }


def value(record: Record, asked: Asked) -> float | None:
    """Return what is compared of a replicate: ns, or bytes; None: it has no such figure."""
    if asked.measure == "memory":
        memory = record.memory
        if memory is None:
            return None
        return memory.host_peak_rss_bytes if asked.device == "cpu" else memory.allocated_peak_bytes
    cost = estimate.cost(record.timing) if record.timing else None
    if cost is None:
        return None
    return cost.step_ns if asked.measure == "step" else cost.first_ns


def _cells(run: Run, versions: Sequence[str], framework: str) -> dict[str, Cell]:
    found = {
        of_build(record.cell.variant): record.cell
        for record in run.records
        if record.cell.framework == framework and record.cell.track == "identical"
    }
    return {version: found[of_build(version)] for version in versions if of_build(version) in found}


def _fault(run: Run, cell: Cell | None, asked: Asked) -> str:
    """Return why a version has no result; empty: it has one."""
    replicates = good(run, cell) if cell else {}
    if not replicates:
        reasons = (record.reason for record in run.records if record.cell == cell and record.status != "ok")
        return next(reasons, "it was not measured")
    if asked.measure == BITS:
        several = _bits(run, cell)
        return "" if len(several) == 1 and several[0] else UNSTABLE if all(several) else NO_FIGURE
    return "" if any((value(record, asked) or 0) > 0 for record in replicates.values()) else NO_FIGURE


def _bits(run: Run, cell: Cell | None) -> tuple[str, ...]:
    """Return each fingerprint of the cell's replicates."""
    found = (record.accuracy.fingerprint if record.accuracy else "" for record in good(run, cell).values())
    return tuple(dict.fromkeys(found))


def _ratios(run: Run, newer: Cell, older: Cell, asked: Asked) -> tuple[float, ...]:
    """Return newer ÷ older in each block that has both; of steps of processes that took turns, from their slices."""
    b, a = good(run, newer), good(run, older)
    shared = sorted(b.keys() & a.keys())
    if asked.measure == "step":
        return tuple(ratios_of(run).by_block(newer, older, shared).values())
    pairs_of = [(value(b[block], asked) or 0, value(a[block], asked) or 0) for block in shared]
    return tuple(above / below for above, below in pairs_of if above > 0 and below > 0)


def _floor(run: Run, asked: Asked) -> float:
    """Return the noise floor of what is compared, by the A/A control of the run."""
    control = next((record.cell for record in run.records if record.cell.track == CONTROL), None)
    if asked.measure in (BITS, "step") or control is None:
        return floor_of(run)
    plain = replace(control, track="identical")
    ratios = _ratios(run, control, plain, asked)
    return NoiseFloor(cell=plain, pair=pairs.paired(ratios) if ratios else None).value
