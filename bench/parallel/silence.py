"""Notices a rank that hangs: alive and silent, while nobody uses the processor."""

from collections.abc import Sequence
from typing import Final

from bench.guests import usage
from bench.parallel.member import Member
from bench.protocol.family import family
from bench.turns.kept import is_stopped

IDLE: Final = 0.02  # of a processor: what threads use that only look around
SPINNING: Final = 10  # times as long, where the leader uses the processor: it may compile, or spin as it waits


class Silence:
    """A rank hangs where it owes an answer and does not use the processor, and nobody else of the group does.

    Time is counted by looks: a group that is stopped between two time slices does not look.
    """

    def __init__(self, members: Sequence[Member], silent_s: float) -> None:
        """Watch `members`; `silent_s`: how long one may be silent."""
        self._members = members
        self._silent_s = silent_s
        self._still_s = dict.fromkeys((member.rank for member in members), 0.0)
        self._begin()

    def look(self, since_s: float) -> str:
        """Take it that `since_s` have passed since the last look; return the sentence about a rank; empty: none."""
        silent = [member for member in self._members if member.is_silent()]
        if not silent:
            self._still_s = dict.fromkeys(self._still_s, 0.0)
            self._begin()
            return ""
        self._elapsed_s += since_s
        if self._elapsed_s < self._silent_s:
            return ""
        allowed_ns = IDLE * self._elapsed_s * 1e9
        all_are_idle = family().cpu_ns - self._used_ns < allowed_ns
        still = [member for member in silent if usage.cpu_ns_of(member.pid) - self._of_each[member.rank] < allowed_ns]
        for rank in self._still_s:
            is_still = any(member.rank == rank for member in still)
            self._still_s[rank] = self._still_s[rank] + self._elapsed_s if is_still else 0.0
        self._begin()
        # Of several that wait for each other, one that was stopped is the reason.
        for member in sorted(still, key=lambda member: not is_stopped(member.pid)):
            still_s = self._still_s[member.rank]
            if all_are_idle or still_s >= SPINNING * self._silent_s:
                return (
                    f"{member.name}, told to {member.order}, is alive and has not answered for {still_s:.0f} s, in"
                    " which it did not use the processor"
                )
        return ""

    def _begin(self) -> None:
        self._elapsed_s = 0.0
        self._used_ns = family().cpu_ns
        self._of_each = {member.rank: usage.cpu_ns_of(member.pid) for member in self._members}
