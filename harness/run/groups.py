"""Groups of replicates that take turns: as many as memory allows, parked when warm, measured in random time slices.

    start each alone ─→ parked ─→ slices in random order, one process at a time ─→ finish each alone

The replicates of one work (workload, size, …) form groups, the modes of a framework side by side with their baseline,
and the variants of one cell together in one group: they start side by side, and follow one another in each cycle. One
parked process stays in every group of its work, so that members of different groups can be linked through it
(`harness.stats.alternation`).
"""

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from bench.records.record import Cell, Record
from bench.turns.parking import SLICE_NS
from bench.turns.turn import Settings
from harness.format import memory_size
from harness.launchers.choose import LAUNCHERS
from harness.plan.plan import PlannedReplicate
from harness.run.active import ActiveRun
from harness.run.progress import Show
from harness.run.room import Need, Room
from harness.run.runner import GroupMember

MOST: Final = 16  # members of a group: the slices of one cycle should meet the same machine
FEWEST_SLICES: Final = 10  # of a member; where they are long, half of what it would get, if that is less
LONGER: Final = 4  # a member whose slices are long may take so many times as long as one whose slices are short

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A replicate that is to be measured in a group."""

    planned: PlannedReplicate
    need: Need
    make: Callable[[], GroupMember | None]  # None: it cannot be started, and its record says why
    note: Callable[[Record], None]  # called with its record

    @property
    def cell(self) -> Cell:
        """Its cell."""
        return self.planned.cell


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """A member that is parked, or runs its slice."""

    candidate: Candidate
    member: GroupMember

    @property
    def slice_ns(self) -> int:
        """How long one of its slices takes."""
        return self.member.parked.slice_ns if self.member.parked else SLICE_NS

    @property
    def held(self) -> Need:
        """What it holds."""
        resident = self.member.parked.resident_bytes if self.member.parked else None
        return dataclasses.replace(self.candidate.need, host_bytes=resident)


class Groups:
    """The groups of one block."""

    def __init__(self, run: ActiveRun, rng: random.Random, show: Show, after_group: Callable[[], None]) -> None:
        """Measure for `run` in the random order of `rng`; call `after_group` when a group has ended."""
        self._settings = run.settings
        self._baselines = {
            (offer.name, mode.name): mode.baseline for offer in run.facts.frameworks for mode in offer.modes
        }
        self._baselines |= {
            (offer.name, strategy.name): self._baselines.get((offer.name, strategy.compared), "")
            for offer in run.facts.frameworks
            for strategy in offer.strategies
        }
        self._varied = {variant.framework for variant in run.facts.variants}
        self._room = Room.of(run.facts.device, in_container=[LAUNCHERS[run.facts.launcher].in_container])
        self._rng = rng
        self._show = show
        self._after_group = after_group
        self._seats: list[Seat] = []

    def measure(self, candidates: Sequence[Candidate]) -> None:
        """Measure all candidates; whatever interrupts it ends the processes that are parked."""
        try:
            for work in _shuffled_by(candidates, _work, self._rng):
                families = _shuffled_by(work, self._family, self._rng)
                waiting = [variant for family in families for cell in self._cells(family) for variant in cell]
                while waiting:
                    self._fill(waiting)
                    self._take_turns()
                    self._finish(stay=self._needed(waiting))
                    self._after_group()
        finally:
            for seat in self._seats:
                seat.member.kill()

    def _fill(self, waiting: list[Candidate]) -> None:
        """Start candidates, one after the other, until the group is full; the variants of a cell all or none.

        In an empty group as many of them as there is memory for.
        """
        stayed = len(self._seats)
        while waiting and len(self._seats) < MOST:
            variants = self._cells(waiting)[0]
            if not self._has_room(variants):
                if len(self._seats) > stayed:
                    break
                if stayed:  # from the group before
                    self._finish(stay=[])
                    stayed = 0
                    continue
                variants = variants[: self._fitting(variants)]
            for candidate in variants:
                waiting.remove(candidate)
                self._start(candidate)
        if len(self._seats) == 1 and waiting:
            free = self._room.free_bytes(waiting[0].need, [self._seats[0].held])
            self._show.say(f"Memory for one process at a time, {memory_size(max(0, free))} left: groups of one.")

    def _has_room(self, candidates: Sequence[Candidate]) -> bool:
        """Return whether the group has seats and memory for all `candidates`."""
        held = [seat.held for seat in self._seats]
        needs = [candidate.need for candidate in candidates]
        return len(held) + len(needs) <= MOST and self._room.has_all(needs, held)

    def _fitting(self, candidates: Sequence[Candidate]) -> int:
        """Return how many of `candidates` there is memory for, at least one."""
        return next((n for n in range(len(candidates), 1, -1) if self._has_room(candidates[:n])), 1)

    def _start(self, candidate: Candidate) -> None:
        member = candidate.make()
        if member is None:
            return
        seat = Seat(candidate, member)
        self._seats.append(seat)
        if (record := member.start()) is None:
            self._show.parked(candidate.planned)
        else:
            self._leave(seat, record)

    def _take_turns(self) -> None:
        """Run the slices of the group, in cycles: in each the frameworks in random order, and the modes of each."""
        group = list(self._seats)
        counts = {seat: slices_of(self._settings, seat.candidate.cell, seat.slice_ns) for seat in group}
        self._show.take_turns(len(group), sum(count * seat.slice_ns for seat, count in counts.items()) / 1e9)
        cycles = max(counts.values(), default=0)
        for cycle in range(cycles):
            due = [seat for seat in group if seat in self._seats and _is_due(counts[seat], cycle, cycles)]
            for family in _shuffled_by(due, lambda seat: self._family(seat.candidate), self._rng):
                seats = {seat.candidate: seat for seat in family}
                for candidate in itertools.chain.from_iterable(self._cells(seats)):
                    if (record := seats[candidate].member.run_slice()) is not None:
                        self._leave(seats[candidate], record)

    def _needed(self, waiting: Iterable[Candidate]) -> list[Seat]:
        """Return the members that stay for the next group of this work: a link, and the baselines of `waiting`."""
        families = {self._family(candidate) for candidate in waiting}
        baselines = [seat for seat in self._seats if self._is_baseline(seat.candidate.cell)]
        smallest = min(baselines or self._seats, key=lambda seat: seat.held.host_bytes or 0, default=None)
        staying = [
            seat
            for seat in self._seats
            if families and (seat is smallest or (seat in baselines and self._family(seat.candidate) in families))
        ]
        return staying[: MOST - 1]  # the next group has a seat for someone else

    def _finish(self, *, stay: Sequence[Seat]) -> None:
        """Let the members end, one after the other, except those that `stay`."""
        for seat in [seat for seat in self._seats if seat not in stay]:
            self._leave(seat, seat.member.finish())

    def _leave(self, seat: Seat, record: Record) -> None:
        self._seats.remove(seat)
        seat.candidate.note(record)

    def _cells(self, candidates: Iterable[Candidate]) -> list[list[Candidate]]:
        """Return the variants of each cell, in the order in which they come; where nothing varies, each one alone."""
        cells: dict[object, list[Candidate]] = {}
        for each in candidates:
            varies = each.cell.framework in self._varied
            cells.setdefault(dataclasses.replace(each.cell, variant="") if varies else each, []).append(each)
        return list(cells.values())

    def _family(self, candidate: Candidate) -> tuple[str, ...]:
        """Return what the members share that are compared with one baseline."""
        cell = candidate.cell
        return (cell.framework, self._baselines.get((cell.framework, cell.mode), ""))

    def _is_baseline(self, cell: Cell) -> bool:
        return cell.track == "identical" and self._baselines.get((cell.framework, cell.mode)) == cell.mode


def slices_of(settings: Settings, cell: Cell, slice_ns: int) -> int:
    """Return how many slices of `slice_ns` a member gets in a group: fewer where they are long."""
    at_batch = settings.batch_slices if cell.batch else None
    slices = max(settings.slices if at_batch is None else at_batch, FEWEST_SLICES)
    affordable = slices * LONGER * SLICE_NS // slice_ns
    return max(min(FEWEST_SLICES, slices // 2), min(slices, affordable))


def _work(candidate: Candidate) -> tuple[str, ...]:
    cell = candidate.cell
    return (cell.workload, cell.size, cell.optimizer, cell.precision, cell.allocator, str(cell.batch))


def _is_due(count: int, cycle: int, cycles: int) -> bool:
    """Return whether a member with `count` slices runs one in this cycle: they are spread evenly over `cycles`."""
    return (cycle + 1) * count // cycles > cycle * count // cycles


def _shuffled_by(items: Iterable[T], key: Callable[[T], tuple[str, ...]], rng: random.Random) -> list[list[T]]:
    """Return the items in groups of equal `key`: the groups in random order, and the items of each."""
    groups: dict[tuple[str, ...], list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    shuffled = [rng.sample(group, len(group)) for group in groups.values()]
    rng.shuffle(shuffled)
    return shuffled
