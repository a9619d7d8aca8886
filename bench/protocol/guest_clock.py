"""The clock of a guest: its own for each round, held to the host's, which every round must lie within.

Both read CLOCK_MONOTONIC (`time.perf_counter_ns` on Linux). So a round that a guest says began before it was ordered,
or ended after its answer came, was timed by another clock, and none of its times count. Nor do they where the guest
worked outside of its rounds: then it did not time all of its calls. That is seen in processor time, for how much longer
a round took for the host proves nothing on a machine where others run. It is recorded.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.interface import GuestRound, Output
from bench.protocol.required import InvalidResultError

# An order and its answer take 0.05 to 0.2 ms of the processor, more with cold caches. So the round with the least
# counts: work that is not timed is in each. It may be so much, or so much of a round, whichever is more.
OUTSIDE_NS: Final = 500_000
OUTSIDE_PART: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Rounds by the clock that counts, in ns: a value for each."""

    round_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]  # processor time
    pipe_ns: tuple[int, ...] = ()  # of a guest: how much longer each took for its host


@dataclass(slots=True)
class GuestClock:
    """The rounds that a guest made since they were last taken."""

    clock: Callable[[], int]  # the host's
    rounds: list[tuple[GuestRound, int]] = field(default_factory=list)  # each with how long it took for the host, in ns

    def run(self, guest: Callable[[int], GuestRound], calls: int) -> Sequence[Output]:
        """Let the guest make a round of `calls` calls; return its outputs.

        Raises:
            InvalidResultError: by the guest's clock the round does not lie within the host's time for it.
        """
        begin = self.clock()
        made = guest(calls)
        end = self.clock()
        if not begin <= made.begin_ns <= made.end_ns <= end:
            raise InvalidResultError(
                f"the guest's clock is not the host's: by it, a round began {made.begin_ns - begin} ns after the order"
                f" and ended {end - made.end_ns} ns before the answer"
            )
        self.rounds.append((made, end - begin))
        return made.outputs

    def last_ns(self) -> int:
        """Return how long the last round took by the guest's clock, and forget all."""
        made, _ = self.rounds[-1]
        self.rounds.clear()
        return made.end_ns - made.begin_ns

    def take(self, cpu_ns: Sequence[int]) -> Times:
        """Return the last rounds, and forget all.

        Args:
            cpu_ns: of each, the processor time of host and guest together.

        Raises:
            InvalidResultError: the guest worked outside of what it timed.
        """
        last = self.rounds[len(self.rounds) - len(cpu_ns) :]
        self.rounds.clear()
        times = Times(
            round_ns=tuple(made.end_ns - made.begin_ns for made, _ in last),
            cpu_ns=tuple(made.cpu_ns for made, _ in last),
            pipe_ns=tuple(whole_ns - (made.end_ns - made.begin_ns) for made, whole_ns in last),
        )
        if not last:
            return times
        outside = min(all_ns - own for all_ns, own in zip(cpu_ns, times.cpu_ns, strict=True))
        usual = statistics.median(times.round_ns)
        if outside > max(OUTSIDE_NS, OUTSIDE_PART * usual):
            raise InvalidResultError(
                f"the guest timed {usual / 1e6:.2f} ms of a round (median), and worked {outside / 1e6:.2f} ms or more"
                " beside it"
            )
        return times
