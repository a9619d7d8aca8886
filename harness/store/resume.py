"""Whether a run that was interrupted may go on: only with the same plan and the same code."""

from collections.abc import Sequence

from bench.records.record import Cell, Record
from harness.errors import StoreError
from harness.plan.label import name
from harness.plan.plan import Plan, is_planned, make_plan
from harness.store.facts import RunFacts

SHOWN = 3  # differences in a message


def require_fit(
    run_id: str,
    *,
    plan: Plan,
    facts: RunFacts,
    records: Sequence[Record],
    code: Sequence[tuple[str, ...]],
    cells: Sequence[Cell] | None,
) -> None:
    """Raise an error where the rest of a run would not be comparable with its records.

    Args:
        run_id: name of the run.
        plan: of the run, as stored.
        facts: of the run, as stored.
        records: of the run so far.
        code: (file, SHA-256) of the present files that a result depends on.
        cells: the cells selected now; None: nothing was selected with --resume.

    Raises:
        StoreError: the message names the differences.
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
            " Its records stay as they are; start a new run, or restore what has changed."
        )


def _plan_differences(plan: Plan, records: Sequence[Record]) -> list[str]:
    differences = []
    remade = make_plan(
        plan.cells,
        blocks=plan.blocks,
        seed=plan.seed,
        hello_blocks=plan.hello_blocks,
        limits_blocks=plan.limits_blocks,
        interim_analyses=plan.looks,
        memory_blocks=plan.memory_blocks,
        energy_blocks=plan.energy_blocks,
    )
    if plan != remade:
        differences.append(f"plan.json is not what seed {plan.seed} gives")
    planned = {(planned.cell, planned.block) for planned in plan.in_order()}
    measured = (record for record in records if record.attempt > 1 or is_planned(record))
    unplanned = [record for record in measured if (record.cell, record.block) not in planned]
    return differences + [
        f"records.jsonl has {name(record.cell)}, block {record.block}, which is not planned" for record in unplanned
    ]


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
