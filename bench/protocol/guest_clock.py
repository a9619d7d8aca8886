"""The clock of a guest: its own for each round, held to the host's, which every round must lie within.

Both read CLOCK_MONOTONIC (`time.perf_counter_ns` on Linux). So a round that a guest says began before it was ordered,
or ended after its answer came, was timed by another clock, and none of its times count. Nor do they where the guest
worked outside of its rounds: then it did not time all of its calls. That is seen in processor time, for how much longer
an order took for the host proves nothing on a machine where others run. It is recorded.

An order may be for many rounds, which the guest makes one after the other: a short call after a wait for the pipe, on
caches that the host has used, takes up to three times as long.
"""

import itertools
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.interface import GuestRound, Output
from bench.protocol.required import InvalidResultError

# An order and its answer take 0.05 to 0.2 ms of the processor, more with cold caches, and each further round some 5 µs.
# So the order with the least counts: work that is not timed is in each. It may be so much, or so much of its rounds,
# whichever is more.
OUTSIDE_NS: Final = 500_000
FURTHER_NS: Final = 10_000  # for each round after the first
OUTSIDE_PART: Final = 0.05

Guest = Callable[[int, int], Sequence[GuestRound]]  # (calls, rounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Rounds by the clock that counts, in ns: a value for each."""

    begin_ns: tuple[int, ...]
    round_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]  # processor time
    pipe_ns: tuple[int, ...] = ()  # of a guest: its part of how much longer its order took for its host


@dataclass(frozen=True, slots=True)
class _Round:
    """A round as it is handed out; the first of its order has the order's sums."""

    made: GuestRound
    pipe_ns: int
    order_ns: int | None  # of all rounds of its order; None: it is not the first of them
    order_cpu_ns: int


@dataclass(slots=True)
class GuestClock:
    """The rounds that a guest made since they were last taken."""

    clock: Callable[[], int]  # the host's
    rounds: list[_Round] = field(default_factory=list)
    _ahead: deque[_Round] = field(default_factory=deque)  # made with the last order, and not yet handed out

    def run(self, guest: Guest, calls: int, together: int = 1) -> Sequence[Output]:
        """Return the outputs of the next round of `calls` calls; order `together` of them where none is left.

        Raises:
            InvalidResultError: by the guest's clock the rounds do not lie within the host's time for them.
        """
        if not self._ahead:
            self._ahead.extend(self._ordered(guest, calls, together))
        self.rounds.append(self._ahead.popleft())
        return self.rounds[-1].made.outputs

    def _ordered(self, guest: Guest, calls: int, together: int) -> Sequence[_Round]:
        begin = self.clock()
        made = guest(calls, together)
        end = self.clock()
        edges = [begin, *itertools.chain.from_iterable((each.begin_ns, each.end_ns) for each in made), end]
        if edges != sorted(edges):
            what = "a round" if together == 1 else f"the first of {together} rounds"
            raise InvalidResultError(
                f"the guest's clock is not the host's: by it, {what} began {edges[1] - begin} ns after the order"
                f" and {'' if together == 1 else 'the last '}ended {end - edges[-2]} ns before the answer"
            )
        own_ns = sum(each.end_ns - each.begin_ns for each in made)
        own_cpu_ns = sum(each.cpu_ns for each in made)
        pipe_ns = (end - begin - own_ns) // len(made)
        return [
            _Round(each, pipe_ns, None if number else own_ns, 0 if number else own_cpu_ns)
            for number, each in enumerate(made)
        ]

    def last_ns(self) -> int:
        """Return how long the last round took by the guest's clock, and forget all."""
        made = self.rounds[-1].made
        self._forget()
        return made.end_ns - made.begin_ns

    def take(self, cpu_ns: Sequence[int]) -> Times:
        """Return the last rounds, and forget all.

        Args:
            cpu_ns: of each, the processor time of host and guest together; that of an order is in its first round.

        Raises:
            InvalidResultError: the guest worked outside of what it timed.
        """
        last = self.rounds[len(self.rounds) - len(cpu_ns) :]
        self._forget()
        times = Times(
            begin_ns=tuple(each.made.begin_ns for each in last),
            round_ns=tuple(each.made.end_ns - each.made.begin_ns for each in last),
            cpu_ns=tuple(each.made.cpu_ns for each in last),
            pipe_ns=tuple(each.pipe_ns for each in last),
        )
        orders = [(all_ns, each) for all_ns, each in zip(cpu_ns, last, strict=True) if each.order_ns is not None]
        if not orders:
            return times
        outside = min(all_ns - each.order_cpu_ns for all_ns, each in orders)
        usual = statistics.median(each.order_ns or 0 for _, each in orders)
        further = -(-len(last) // len(orders)) - 1
        if outside > max(OUTSIDE_NS + FURTHER_NS * further, OUTSIDE_PART * usual):
            raise InvalidResultError(
                f"the guest timed {usual / 1e6:.2f} ms of an order (median), and worked {outside / 1e6:.2f} ms or more"
                " beside it"
            )
        return times

    def _forget(self) -> None:
        self.rounds.clear()
        self._ahead.clear()
