"""Whether a run that was interrupted may go on: the same plan, the same code, or the difference."""

from collections.abc import Sequence

from bench.records.record import Cell, Record
from harness.errors import StoreError
from harness.plan.label import name
from harness.plan.plan import Plan, is_planned, make_plan
from harness.store.facts import RunFacts

SHOWN = 3  # differences named in a message


def require_fit(
    run_id: str,
    plan: Plan,
    facts: RunFacts,
    records: Sequence[Record],
    code: Sequence[tuple[str, ...]],
    cells: Sequence[Cell] | None,
) -> None:
    """Refuse to go on when the rest would not be comparable with what was measured.

    Args:
        run_id: what the run is called.
        plan: the plan as it was stored.
        facts: the facts as they were stored.
        records: what was measured so far.
        code: (file, SHA-256) of what decides a result now.
        cells: the cells selected now; None when nothing was selected with --resume.

    Raises:
        StoreError: names the difference.
    """
    differences = [
        *_plan_differences(plan, records),
        *([] if cells is None else _cell_differences(plan.cells, cells)),
        *_code_differences(facts.code, code),
    ]
    if differences:
        more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise StoreError(
            f"{run_id} cannot be resumed: {'; '.join(differences[:SHOWN])}{more}."
            " Its records stay as they are; start a new run, or bring back what has changed."
        )


def _plan_differences(plan: Plan, records: Sequence[Record]) -> list[str]:
    found = []
    again = make_plan(
        plan.cells,
        blocks=plan.blocks,
        seed=plan.seed,
        hello_blocks=plan.hello_blocks,
        limits_blocks=plan.limits_blocks,
        looks=plan.looks,
        memory_blocks=plan.memory_blocks,
        energy_blocks=plan.energy_blocks,
    )
    if plan != again:
        found.append(f"plan.json is not what seed {plan.seed} gives")
    planned = {(planned.cell, planned.block) for planned in plan.in_order()}
    measured = (record for record in records if record.attempt > 1 or is_planned(record))
    strangers = [record for record in measured if (record.cell, record.block) not in planned]
    found += [f"records.jsonl has {name(one.cell)}, block {one.block}, which is not planned" for one in strangers]
    return found


def _cell_differences(planned: Sequence[Cell], selected: Sequence[Cell]) -> list[str]:
    missing = [f"{name(cell)} is planned but not selected now" for cell in planned if cell not in selected]
    return missing + [f"{name(cell)} is selected now but not planned" for cell in selected if cell not in planned]


def _code_differences(before: Sequence[tuple[str, ...]], now: Sequence[tuple[str, ...]]) -> list[str]:
    then, today = dict(_pairs(before)), dict(_pairs(now))
    changed = [f"{path} has changed" for path in then if path in today and then[path] != today[path]]
    gone = [f"{path} is gone" for path in then if path not in today]
    return changed + gone + [f"{path} is new" for path in today if path not in then]


def _pairs(code: Sequence[tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(path, digest) for path, digest in code]
