"""The limits of the machine as a run measured them, how near the cells come to them, and the cells above them.

    matmul      best rate of any library, in the cell's precision or in float32, in which parts of a step may be; a cell
                above it is compared with the best convolution, which has other kernels and may need fewer operations
    bandwidth   best rate of any library over the largest working set that is no larger than the cell's, and over all
                larger ones: what fits into a cache may be faster than memory, so a smaller working set is no bound of
                this cell, and a much larger one alone would be too low a bound
    launch      shortest empty launch of the cell's own library; it binds steps below 100 µs, and those below 1 % of
                every other limit: their time goes into launches and the framework's own Python

A limit is the best round of the run, a cell's figure its estimate. A cell above a limit is invalid: it did less work
than was declared for it, or other work, or the clock did not wait.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from bench.catalogue import LIMITS, FrameworkOffer, SizeOffer
from bench.records.record import FORWARD_ONLY, Cell, LimitKind, Record
from bench.reference.precision import BFLOAT16, FLOAT32
from bench.reference.work import forward_at
from harness.format import size_words
from harness.stats import estimate
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of

LAUNCH_BOUND_NS: Final = 100_000  # a step below this is bound by launches
LEAST_SHARE: Final = 0.01  # a limit that is used less does not bind
FEWEST_LAUNCHES: Final = 20  # a triad that takes less time than so many launches measures these and not the memory
BYTES: Final[Mapping[str, int]] = {BFLOAT16: 2}  # of a number, where they are not the 4 of the declared work

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
    rounds: int  # of which it is the best


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of one limit that a cell achieved."""

    limit: Best
    per_ns: float  # achieved, by the work declared for its step

    @property
    def value(self) -> float:
        """Achieved ÷ limit; above 1 is impossible."""
        return self.per_ns / self.limit.per_ns

    @property
    def sentence(self) -> str:
        """Both figures, and the operation that set the limit."""
        size = self.limit.size
        unit, operation = {
            "matmul": ("Gflop/s", f"{self.limit.precision} matrix product, n = {size}"),
            "convolution": ("Gflop/s", f"{self.limit.precision} convolution, {size} channels"),
        }.get(self.limit.kind, ("GB/s", f"a += s·b over {size_words(size)}"))
        measured = f"{self.limit.per_ns:.4g} {unit} of {self.limit.library}'s best {operation}"
        return f"{self.per_ns:.4g} {unit}, {self.value:.3g} of the {measured}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What binds a cell."""

    kind: BoundKind  # empty: not known
    share: Share | None = None  # of the limit that binds
    launches: float | None = None  # its step ÷ the shortest empty launch, where launches bind
    why: str = ""  # why nothing is known; empty: something is


class MachineLimits:
    """The limits of one run."""

    def __init__(self, records: Iterable[Record], frameworks: Iterable[FrameworkOffer]) -> None:
        """Take the best rounds of `records`; `frameworks` say which library each computes with."""
        self.library = {offer.name: offer.limits for offer in frameworks}
        rates: dict[tuple[str, LimitKind, str, int], list[float]] = {}
        for record in records:
            for limit in record.limits if record.cell.track == LIMITS else ():
                library = self.library.get(record.cell.framework, "")
                key = (library, limit.kind, limit.precision, limit.size)
                rates.setdefault(key, []).extend(limit.work / ns for ns in limit.round_ns)
        self.best = tuple(
            Best(library=library, kind=kind, precision=precision, size=size, per_ns=max(per_ns), rounds=len(per_ns))
            for (library, kind, precision, size), per_ns in rates.items()
        )

    def products(self, precision: str, per_ns: float) -> Best | None:
        """Return the best matrix product for a step in `precision`; convolutions count too if `per_ns` is above it."""
        usable = [best for best in self.best if best.precision in (precision, FLOAT32)]
        product = _fastest(best for best in usable if best.kind == "matmul")
        return _fastest(usable) if product and per_ns > product.per_ns else product

    def bandwidth(self, footprint: int) -> Best | None:
        """Return the best traffic for a step of `footprint` bytes; None where only larger sets were measured."""
        triads = [best for best in self.best if best.kind == "triad" and self._measures_memory(best)]
        fitting = [triad.size for triad in triads if triad.size <= footprint]
        return _fastest(triad for triad in triads if triad.size >= max(fitting)) if fitting else None

    def launch_ns(self, framework: str) -> float | None:
        """Return the shortest empty launch of the library that `framework` computes with; None: not measured."""
        return self._launch_ns(self.library.get(framework))

    def shares(self, precision: str, work: SizeOffer, step_ns: float) -> tuple[Share, ...]:
        """Return the share of each known limit that a step of `work` achieves when it takes `step_ns`."""
        bytes_ = BYTES.get(precision, 4)
        product = self.products(precision, work.flops / step_ns)
        traffic = self.bandwidth(work.footprint * bytes_ // 4)
        shares = []
        if product:
            shares.append(Share(limit=product, per_ns=work.flops / step_ns))
        if traffic:
            shares.append(Share(limit=traffic, per_ns=work.bytes * bytes_ / 4 / step_ns))
        return tuple(shares)

    def bound(self, cell: Cell, work: SizeOffer, step_ns: float) -> Bound:
        """Return what binds a cell whose step takes `step_ns`: launches, or the limit with the largest share."""
        shares = self.shares(cell.precision, work, step_ns)
        nearest = max(shares, key=lambda share: share.value, default=None)
        if step_ns < LAUNCH_BOUND_NS or (nearest and nearest.value < LEAST_SHARE):
            launch_ns = self.launch_ns(cell.framework)
            if launch_ns is None:
                return Bound(kind="", why=f"no launch was measured of the library that {cell.framework} computes with")
            return Bound(kind="launch", launches=step_ns / launch_ns)
        if nearest is None:
            return Bound(kind="", why="no limit was measured in this run")
        return Bound(kind=BINDS[nearest.limit.kind], share=nearest)

    def _measures_memory(self, triad: Best) -> bool:
        return triad.size / triad.per_ns >= FEWEST_LAUNCHES * (self._launch_ns(triad.library) or 0)

    def _launch_ns(self, library: str | None) -> float | None:
        launches = (best for best in self.best if (best.library, best.kind) == (library, "launch"))
        return next((1 / best.per_ns for best in launches), None)


def above_limits(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the good replicates of each cell whose estimate is above a measured limit."""
    limits = MachineLimits(records, facts.frameworks)
    works = {(workload.name, work.name): work for workload in facts.workloads for work in workload.works}
    inferring = {(offer.name, mode.name) for offer in facts.frameworks for mode in offer.modes if mode.source}
    above: dict[Cell, str] = {}
    for cell, step_ns in _steps(records).items():
        work = works.get((cell.workload, cell.size))
        is_other = (cell.framework, cell.mode) in inferring and not cell.batch  # what is declared is a training step
        if work is None or is_other or cell.ranks > 1:  # the limits are of one process
            continue
        shares = limits.shares(cell.precision, work_of(cell, work), step_ns)
        nearest = max(shares, key=lambda share: share.value, default=None)
        if nearest and nearest.value > 1:
            above[cell] = f"above what the machine can do: {nearest.sentence}"
    for record in records:
        if record.status == "ok" and record.cell in above:
            yield Finding(key=key_of(record), reason=above[record.cell])


def work_of(cell: Cell, work: SizeOffer) -> SizeOffer:
    """Return the work of a step of `cell`: for SGD without Adam's moments, for a forward pass the pass alone.

    The footprint of a forward pass is at least what it moves; at a batch it is that of so many rows.
    """
    if cell.batch:
        return forward_at(work, cell.batch)
    if cell.optimizer == "adam":
        return work
    if cell.optimizer != FORWARD_ONLY:
        moments = 2 * 4 * work.parameters
        return replace(work, bytes=work.bytes - 2 * moments, footprint=work.footprint - moments)
    return replace(work, flops=work.forward_flops, bytes=work.forward_bytes, footprint=work.forward_bytes)


def _steps(records: Iterable[Record]) -> Mapping[Cell, float]:
    """Return the time per step of each cell that has good replicates, as the tables estimate it."""
    by_cell: dict[Cell, list[float]] = {}
    for record in records:
        if record.status == "ok" and record.cell.track == "identical" and record.timing is not None:
            step_ns = estimate.step_ns(record.timing)
            if step_ns is not None:
                by_cell.setdefault(record.cell, []).append(step_ns)
    return {cell: estimate.estimate(steps).value for cell, steps in by_cell.items()}


def _fastest(limits: Iterable[Best]) -> Best | None:
    return max(limits, key=lambda limit: limit.per_ns, default=None)
