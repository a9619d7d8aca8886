"""When a run has enough blocks: at fixed interim analyses, by the width of its intervals, never by their position.

A run that tests often and stops at the first difference finds one in identical code in 19 % of all runs (simulated).
To stop when the intervals are narrow enough, at four interim analyses at most, costs less: the α of the intervals
(`harness.stats.estimate`) pays for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.catalogue import DRIFT_PROBE
from bench.records.record import Cell, Record
from harness.plan.plan import Plan, PlannedReplicate
from harness.stats import estimate
from harness.stats.flags import is_precise
from harness.store.facts import RunFacts
from harness.validity.ratios import Ratios
from harness.validity.results import Run


class Stop:
    """Whether a run ends before its plan does."""

    def __init__(
        self, interim_analyses: Sequence[int] = (), *, until: int | None = None, facts: RunFacts | None = None
    ) -> None:
        """Take the blocks after which to analyse, and the run's facts, which name the baselines.

        With `until`, the run ends after that block and analyses nothing.
        """
        self._interim_analyses = interim_analyses
        self._facts = facts
        self._until = until
        self._all_narrow: dict[int, bool] = {}  # by block: whether all intervals were narrow enough after it

    def is_before(self, planned: PlannedReplicate, records: Sequence[Record]) -> bool:
        """Return whether the run ends before `planned`; the drift probe after the last block still runs."""
        if planned.cell.track == DRIFT_PROBE:
            return False
        if self._until is not None:
            return planned.block > self._until
        return any(self._is_narrow_after(block, records) for block in self._interim_analyses if planned.block > block)

    def _is_narrow_after(self, block: int, records: Sequence[Record]) -> bool:
        if block not in self._all_narrow:
            self._all_narrow[block] = not imprecise(records, block, facts=self._facts)
        return self._all_narrow[block]


def imprecise(
    records: Iterable[Record], blocks: int | None = None, *, facts: RunFacts | None = None
) -> tuple[Cell, ...]:
    """Return the cells whose interval over the first `blocks` blocks (None: all) is wider than a run requires.

    It is the interval of the ratio to the baseline where processes took turns (`Ratios.is_narrow`), else that of the
    step. Some cells are never among them. The step of a trainer is the slope between two fits, and its interval may
    stay wide. A cell without a time in some replicate, or with one replicate only, has no interval that could become
    narrow.
    """
    counted = [record for record in records if blocks is None or record.block <= blocks]
    ratios = Ratios(Run(facts=facts, records=tuple(counted))) if facts else None
    steps: dict[Cell, list[float | None]] = {}
    for record in counted:
        if record.cell.track == "identical":
            counts = record.status == "ok" and record.timing is not None and not record.timing.double_round_ns
            step_ns = estimate.step_ns(record.timing) if record.timing and counts else None
            steps.setdefault(record.cell, []).append(step_ns)
    return tuple(cell for cell, steps_ns in steps.items() if _is_wide(cell, steps_ns, ratios))


def _is_wide(cell: Cell, steps_ns: Sequence[float | None], ratios: Ratios | None) -> bool:
    timed = [step for step in steps_ns if step is not None]
    if len(timed) != len(steps_ns):
        return False
    is_narrow = ratios.is_narrow(cell) if ratios else None
    return not (is_precise(estimate.estimate(timed), cell.device) if is_narrow is None else is_narrow)


def noted(facts: RunFacts, plan: Plan, records: Sequence[Record], *, until: int | None) -> RunFacts:
    """Return `facts` with the blocks that were run and why there are no more; an interrupted run has no reason.

    Args:
        facts: of the run.
        plan: of the run.
        records: those that count, judged.
        until: the block that a person asked for; None: none.
    """
    done = {(record.cell, record.block) for record in records}
    missing = [planned.block for planned in plan.in_order() if (planned.cell, planned.block) not in done]
    blocks = min(missing, default=plan.blocks + 1) - 1
    reason = _reason(plan, records, facts=facts, blocks=blocks, until=until)
    return replace(facts, blocks_run=blocks, ended=reason)


def _reason(plan: Plan, records: Sequence[Record], *, facts: RunFacts, blocks: int, until: int | None) -> str:
    required = f"±{100 * estimate.PRECISE_HALF_WIDTH[facts.device]:.0f} %"
    if blocks == plan.blocks:
        wide = len(imprecise(records, facts=facts)) if plan.looks else 0
        done = "its one block was run" if blocks == 1 else f"all {blocks} blocks were run"
        return done + (f", {_count(wide)} not as precise as {required}" if wide else "")
    if until == blocks:
        return "one block was asked for" if blocks == 1 else f"{blocks} blocks were asked for"
    narrow = (block for block in plan.looks if block <= blocks and not imprecise(records, block, facts=facts))
    return next((f"every interval was within {required} after block {block}" for block in narrow), "")


def _count(cells: int) -> str:
    return "one cell is" if cells == 1 else f"{cells} cells are"
