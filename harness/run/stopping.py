"""When a run has blocks enough: at fixed looks, by the width of its intervals and never by what they say.

Who looks often and stops when a difference shows finds one in identical code in 19 % of all runs (simulated). To stop
when the intervals are narrow enough, at four looks at most, is paid for by the α that they are computed at
(`harness.stats.estimate`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.records.record import Cell, Record
from harness.plan.plan import Plan, PlannedReplicate
from harness.stats import estimate
from harness.stats.flags import is_precise
from harness.store.facts import RunFacts


class Stop:
    """Whether a run ends before its plan does."""

    def __init__(self, looks: Sequence[int] = (), until: int | None = None) -> None:
        """Take the blocks after which to look, or the block that a person asked for, whatever a look would say."""
        self._looks = looks
        self._until = until
        self._narrow: dict[int, bool] = {}  # what each look said

    def is_before(self, planned: PlannedReplicate, records: Sequence[Record]) -> bool:
        """Return whether the run is over before `planned`; the sentinel that closes its last block belongs to it."""
        if planned.cell.track == "sentinel":
            return False
        if self._until is not None:
            return planned.block > self._until
        return any(self._is_narrow(look, records) for look in self._looks if planned.block > look)

    def _is_narrow(self, look: int, records: Sequence[Record]) -> bool:
        if look not in self._narrow:
            self._narrow[look] = not imprecise(records, look)
        return self._narrow[look]


def imprecise(records: Iterable[Record], blocks: int | None = None) -> tuple[Cell, ...]:
    """Return the cells whose interval over the first `blocks` blocks (None: all) is wider than a run asks for.

    A trainer's step is the slope between two fits, which may be out of reach: nobody waits for it. Nor for a cell that
    has no time in some replicate, or only one.
    """
    steps: dict[Cell, list[float | None]] = {}
    for record in records:
        if record.cell.track == "identical" and (blocks is None or record.block <= blocks):
            is_waited_for = record.status == "ok" and record.timing is not None and not record.timing.double_round_ns
            step = estimate.step_ns(record.timing) if record.timing and is_waited_for else None
            steps.setdefault(record.cell, []).append(step)
    return tuple(cell for cell, seen in steps.items() if _is_wide(seen, cell.device))


def _is_wide(seen: Sequence[float | None], device: str) -> bool:
    told = [step for step in seen if step is not None]
    return len(told) == len(seen) and not is_precise(told, device)


def noted(facts: RunFacts, plan: Plan, records: Sequence[Record], until: int | None) -> RunFacts:
    """Return `facts` with the blocks that were run and why no more were; of an interrupted run without a reason."""
    done = {(record.cell, record.block) for record in records}
    missing = [planned.block for planned in plan.in_order() if (planned.cell, planned.block) not in done]
    blocks = min(missing, default=plan.blocks + 1) - 1
    return replace(facts, blocks_run=blocks, ended=_why(facts.device, plan, records, blocks, until))


def _why(device: str, plan: Plan, records: Sequence[Record], blocks: int, until: int | None) -> str:
    wanted = f"±{100 * estimate.PRECISE_HALF_WIDTH[device]:.0f} %"
    if blocks == plan.blocks:
        wide = len(imprecise(records)) if plan.looks else 0
        return f"all {blocks} blocks were run" + (f", {_count(wide)} not as precise as {wanted}" if wide else "")
    if until == blocks:
        return f"{blocks} blocks were asked for"
    narrow = (look for look in plan.looks if look <= blocks and not imprecise(records, look))
    return next((f"every interval was within {wanted} after block {look}" for look in narrow), "")


def _count(cells: int) -> str:
    return "one cell is" if cells == 1 else f"{cells} cells are"
