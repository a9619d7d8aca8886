"""Rounds of one short call each, made and timed one after the other.

Whatever lies between two calls cools the caches for the second: collecting garbage doubles a call of 9 µs, and the
bookkeeping of a round makes one of 27 µs take 2 µs more. So the rounds of a time slice are made at once, with nothing
between them but two clocks, and handed out afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.protocol.guest_clock import Times

Clock = Callable[[], int]


@dataclass(slots=True)
class Burst:
    """Makes rounds, `count` at a time; each call of it hands one out."""

    run: Callable[[], None]  # one round
    count: int
    clock: Clock
    cpu_clock: Clock  # of the processor, all threads
    begin_ns: list[int] = field(default_factory=list)
    round_ns: list[int] = field(default_factory=list)
    cpu_ns: list[int] = field(default_factory=list)
    _left: int = 0  # made and not yet handed out

    def __call__(self) -> None:
        """Hand out the next round; make `count` where none is left."""
        if not self._left:
            self._make()
        self._left -= 1

    def _make(self) -> None:
        run, clock, cpu_clock = self.run, self.clock, self.cpu_clock
        used = cpu_clock()
        for _ in range(self.count):
            begin = clock()
            run()
            end = clock()
            spent, used = used, cpu_clock()
            self.begin_ns.append(begin)
            self.round_ns.append(end - begin)
            self.cpu_ns.append(used - spent)
        self._left = self.count

    def take(self, count: int) -> Times:
        """Return the last `count` rounds."""
        begins, rounds, cpu = ((each[-count:] if count else []) for each in (self.begin_ns, self.round_ns, self.cpu_ns))
        return Times(begin_ns=tuple(begins), round_ns=tuple(rounds), cpu_ns=tuple(cpu))
