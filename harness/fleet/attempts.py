"""How often a task may be tried, and on which hosts not again. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from harness.fleet.folder import Attempt

INFRASTRUCTURE: Final = 75  # exit code of a task: its host is at fault
BAD_HOST: Final = 76  # the same, where the scheduler is not to begin it again by itself
MOST_FAILURES: Final = 2  # of a fleet's tasks on one host
MOST_ATTEMPTS: Final = 4  # of a task: the first and three more


def count(attempts: Sequence[Attempt]) -> int:
    """Return how many attempts of a task count: not those that a bad host has refused."""
    return sum(attempt.ended is None or attempt.ended.counts for attempt in attempts)


def failures(attempts: Mapping[int, Sequence[Attempt]], lost: Iterable[Attempt] = ()) -> Mapping[str, int]:
    """Return by host how many attempts failed by its fault, those on hosts that were `lost` included."""
    ended = (attempt for several in attempts.values() for attempt in several if attempt.ended is not None)
    at_fault = [each for each in ended if each.ended and each.ended.counts and each.ended.code == INFRASTRUCTURE]
    return Counter(attempt.begun.host for attempt in (*at_fault, *lost))


def bad_hosts(
    attempts: Mapping[int, Sequence[Attempt]], lost: Iterable[Attempt] = (), never_began: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the hosts that get no more tasks; `never_began`: the host of each task that could not even say so."""
    counts = Counter(failures(attempts, lost))
    counts.update(never_began)
    return tuple(sorted(host for host, number in counts.items() if number >= MOST_FAILURES))
