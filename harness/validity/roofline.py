"""What the machine gave at most in a run, how near the cells come to it, and those that are above it.

    matmul      best rate of any library, in the cell's precision or in float32, which parts of a step may be in; a cell
                above it is held to the best convolution, whose kernels are others and may need fewer operations
    bandwidth   best rate of any library over working sets from the largest on that is no larger than the cell's own:
                what fits into a cache may be faster than memory, so a smaller set would be no limit of anything, and a
                larger one one of somebody else
    launch      emptiest launch of the cell's own library; it binds steps below 100 µs, and those that come to no
                hundredth of any other limit: their time goes into launches and the framework's own Python

A limit is the best round of the run, a cell's figure its estimate. Above a limit a cell is invalid: it did other work
than was declared for it, or less of it, or the clock did not wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from bench.catalogue import LIMITS, FrameworkOffer, SizeOffer
from bench.records.record import FORWARD_ONLY, Cell, Failure, LimitKind, Record
from bench.reference.precision import BFLOAT16, FLOAT32
from harness.format import size_words
from harness.stats import estimate
from harness.store.facts import RunFacts

LAUNCH_BOUND_NS: Final = 100_000  # a step below this is bound by launches
LEAST_SHARE: Final = 0.01  # of a limit that binds
FEWEST_LAUNCHES: Final = 20  # that a working set has to last: below, it tells of launches and not of memory
BYTES: Final[Mapping[str, int]] = {BFLOAT16: 2}  # of a number, where it is not the 4 of the declared work

BoundKind = Literal["matmul", "convolution", "bandwidth", "launch", ""]

BINDS: Final[Mapping[LimitKind, BoundKind]] = {"matmul": "matmul", "convolution": "convolution", "triad": "bandwidth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best round of one probe over all turns of a run."""

    library: str
    kind: LimitKind
    precision: str
    size: int  # as in bench.records.record.Limit
    per_ns: float  # work done in a nanosecond: Gflop/s, GB/s, or launches
    rounds: int  # that it is the best of


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a cell achieved of one limit."""

    limit: Best
    per_ns: float  # achieved, by the work declared for its step

    @property
    def value(self) -> float:
        """Achieved over limit; 1 is all of it."""
        return self.per_ns / self.limit.per_ns

    @property
    def sentence(self) -> str:
        """Both figures, and what was measured."""
        size = self.limit.size
        unit, what = {
            "matmul": ("Gflop/s", f"{self.limit.precision} matrix product, n = {size}"),
            "convolution": ("Gflop/s", f"{self.limit.precision} convolution, {size} channels"),
        }.get(self.limit.kind, ("GB/s", f"a += s·b over {size_words(size)}"))
        measured = f"{self.limit.per_ns:.4g} {unit} of {self.limit.library}'s best {what}"
        return f"{self.per_ns:.4g} {unit}, {self.value:.3g} of the {measured}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What binds a cell."""

    kind: BoundKind  # empty: not known
    share: Share | None = None  # of the limit that binds
    launches: float | None = None  # its step in emptiest launches, where these bind
    why: str = ""  # nothing is known; empty: something is


class Limits:
    """The limits of one run."""

    def __init__(self, records: Iterable[Record], frameworks: Iterable[FrameworkOffer]) -> None:
        """Take the best rounds of `records`; `frameworks` say which library each computes with."""
        self.library = {one.name: one.limits for one in frameworks}
        rates: dict[tuple[str, LimitKind, str, int], list[float]] = {}
        for record in records:
            for one in record.limits if record.cell.track == LIMITS else ():
                library = self.library.get(record.cell.framework, "")
                key = (library, one.kind, one.precision, one.size)
                rates.setdefault(key, []).extend(one.work / ns for ns in one.round_ns)
        self.best = tuple(
            Best(library=library, kind=kind, precision=precision, size=size, per_ns=max(seen), rounds=len(seen))
            for (library, kind, precision, size), seen in rates.items()
        )

    def products(self, precision: str, per_ns: float) -> Best | None:
        """Return the best matrix product that a step in `precision` may be made of, for one faster the convolution."""
        told = [one for one in self.best if one.precision in (precision, FLOAT32)]
        product = _fastest(one for one in told if one.kind == "matmul")
        return _fastest(told) if product and per_ns > product.per_ns else product

    def bandwidth(self, footprint: int) -> Best | None:
        """Return the best traffic of what holds `footprint` bytes; None where all that was measured is larger."""
        told = [one for one in self.best if one.kind == "triad" and self._tells_of_memory(one)]
        fitting = [one.size for one in told if one.size <= footprint]
        return _fastest(one for one in told if one.size >= max(fitting)) if fitting else None

    def launch_ns(self, framework: str) -> float | None:
        """Return the emptiest launch of the library that `framework` computes with."""
        library = self.library.get(framework)
        return next((1 / one.per_ns for one in self.best if (one.library, one.kind) == (library, "launch")), None)

    def _tells_of_memory(self, triad: Best) -> bool:
        launch = next((1 / one.per_ns for one in self.best if (one.library, one.kind) == (triad.library, "launch")), 0)
        return triad.size / triad.per_ns >= FEWEST_LAUNCHES * launch

    def shares(self, precision: str, work: SizeOffer, step_ns: float) -> tuple[Share, ...]:
        """Return what a step of `work` that takes `step_ns` achieves of each limit that is known for it."""
        bytes_ = BYTES.get(precision, 4)
        product = self.products(precision, work.flops / step_ns)
        traffic = self.bandwidth(work.footprint * bytes_ // 4)
        found = []
        if product:
            found.append(Share(limit=product, per_ns=work.flops / step_ns))
        if traffic:
            found.append(Share(limit=traffic, per_ns=work.bytes * bytes_ / 4 / step_ns))
        return tuple(found)

    def bound(self, cell: Cell, work: SizeOffer, step_ns: float) -> Bound:
        """Return what binds a cell whose step takes `step_ns`: launches, or the limit that it comes nearest to."""
        shares = self.shares(cell.precision, work, step_ns)
        nearest = max(shares, key=lambda share: share.value, default=None)
        if step_ns < LAUNCH_BOUND_NS or (nearest and nearest.value < LEAST_SHARE):
            launch_ns = self.launch_ns(cell.framework)
            if launch_ns is None:
                return Bound(kind="", why=f"no launch was measured of what {cell.framework} computes with")
            return Bound(kind="launch", launches=step_ns / launch_ns)
        if nearest is None:
            return Bound(kind="", why="no limit was measured in this run")
        return Bound(kind=BINDS[nearest.limit.kind], share=nearest)


def judged(records: Sequence[Record], facts: RunFacts) -> tuple[Record, ...]:
    """Return the records, those of a cell that is above a measured limit as invalid, with the reason."""
    limits = Limits(records, facts.frameworks)
    works = {(workload.name, work.name): work for workload in facts.workloads for work in workload.works}
    inferring = {(one.name, mode.name) for one in facts.frameworks for mode in one.modes if mode.source}
    above: dict[Cell, str] = {}
    for cell, step_ns in _steps(records).items():
        work = works.get((cell.workload, cell.size))
        if work is None or (cell.framework, cell.mode) in inferring:  # what is declared is a training step
            continue
        shares = limits.shares(cell.precision, work_of(cell, work), step_ns)
        nearest = max(shares, key=lambda share: share.value, default=None)
        if nearest and nearest.value > 1:
            above[cell] = f"above what the machine can do: {nearest.sentence}"
    return tuple(_judge(record, above.get(record.cell, "")) for record in records)


def work_of(cell: Cell, work: SizeOffer) -> SizeOffer:
    """Return what a step of `cell` amounts to: without Adam's moments for SGD, of a forward pass that alone.

    A forward pass holds at least what it moves.
    """
    if cell.optimizer == "adam":
        return work
    if cell.optimizer != FORWARD_ONLY:
        moments = 2 * 4 * work.parameters
        return replace(work, bytes=work.bytes - 2 * moments, footprint=work.footprint - moments)
    return replace(work, flops=work.forward_flops, bytes=work.forward_bytes, footprint=work.forward_bytes)


def _judge(record: Record, reason: str) -> Record:
    if not reason or record.status != "ok":
        return record
    return replace(record, status="invalid", reason=reason, failure=Failure(phase="check"))


def _steps(records: Iterable[Record]) -> Mapping[Cell, float]:
    """Return the time per step of each cell that has good replicates, as the tables estimate it."""
    found: dict[Cell, list[float]] = {}
    for record in records:
        if record.status == "ok" and record.cell.track == "identical" and record.timing is not None:
            step_ns = estimate.step_ns(record.timing)
            if step_ns is not None:
                found.setdefault(record.cell, []).append(step_ns)
    return {cell: estimate.estimate(steps).value for cell, steps in found.items()}


def _fastest(found: Iterable[Best]) -> Best | None:
    return max(found, key=lambda one: one.per_ns, default=None)
