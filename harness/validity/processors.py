"""Did a replicate have its processors? Where it ran is read back from it; a CPU quota is judged by processor time.

    elsewhere   it was seen on a processor outside its CPU set, or its CPU set was not the run's
    held_up     the host's CPU quota is smaller than the CPU set, and the timed rounds used it up, or the median round
                got less processor time than the replicate's best rounds

The kernel's count of stopped periods is not enough: a group that is slowed down all the time may be stopped in hardly
any. A step that waits by itself (a trainer, sleep) does so in all rounds alike, below the quota.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from bench.catalogue import TIMED
from bench.records.record import Record
from harness.launchers.choose import LAUNCHERS
from harness.plan import ranks
from harness.stats.estimate import median_share, threads_used
from harness.stats.flags import LEAST_CPU_SHARE
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of

USED_UP: Final = 0.85  # of a quota: the harness and the kernel's clock ticks need the rest


def elsewhere(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates that ran, or may have run, outside their CPU set."""
    for record in records:
        where = record.environment
        if record.status != "ok" or where is None:
            continue
        # A worker has the CPU set of its container, which may be a part of the harness's.
        own = ranks.cpus_of(record.cell.ranks, facts.cpus, facts.ranks)
        planned = where.cpus if facts.launcher == "workers" else own or where.cpus
        outside = sorted(set(where.ran_on) - set(planned))
        if outside:
            reason = f"machine: it ran on CPU {_list(outside)}, outside its CPU set {_list(planned)}"
            yield Finding(key=key_of(record), reason=reason)
        elif set(where.cpus) != set(planned):
            reason = f"machine: it could run on CPU {_list(where.cpus)}, its CPU set is {_list(planned)}"
            yield Finding(key=key_of(record), reason=reason)


def held_up(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the timed replicates on the CPU that a quota of the host held up; a container has one of its own."""
    quota, kind = facts.host.quota, LAUNCHERS.get(facts.launcher)
    if quota is None or quota >= len(facts.cpus) or (kind and kind.in_container):
        return
    for record in records:
        if record.status != "ok" or record.timing is None or record.cell.device != "cpu":
            continue
        used, median = threads_used(record.timing), median_share(record.timing)
        if record.cell.track in TIMED and ((used or 0.0) >= USED_UP * quota or median < LEAST_CPU_SHARE):
            reason = (
                f"machine: a CPU quota of {quota:.2g} processors held it up: its timed rounds used {used or 0.0:.2f},"
                f" the median round {median:.0%} of what its best rounds got"
            )
            yield Finding(key=key_of(record), reason=reason)


def _list(cpus: Sequence[int]) -> str:
    return ",".join(map(str, sorted(cpus)))
