"""Whether a run that was interrupted may go on: only with the same plan, the same code and on the same machine."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bench.records.record import Cell, Record
from harness.errors import StoreError
from harness.format import memory_size
from harness.host import processors
from harness.host.machine import HostFacts
from harness.launchers.choose import AUTO
from harness.plan import variables
from harness.plan.label import name
from harness.plan.plan import Plan, is_planned, make_plan
from harness.plan.request import Request, Setting
from harness.store.facts import RunFacts

SHOWN: Final = 3  # differences in a message
MEMORY_DIFFERS: Final = 0.05  # of the memory: a kernel of the same version keeps some per cent more or less of it
SAME_HOST: Final[Mapping[str, str]] = {  # by field of HostFacts: what it is; the harness's interpreter may be another
    "cpu": "the processor",
    "cores": "the number of processors",
    "os": "the system",
    "gpu": "the GPU",
    "driver": "the GPU's driver",
    "governor": "the governor of the clocks",
    "smt": "SMT",
}


def require_same_options(run_id: str, facts: RunFacts, plan: Plan, requested: Request, setting: Setting) -> None:
    """Raise an error where an option that was given now is not the one that the run was started with.

    What is not given is as it was. More blocks than planned are refused; fewer are those of a run that may end early.

    Raises:
        StoreError: the message names the option, and what the run was started with.
        SelectionError: the CPU set cannot be used.
    """
    if facts.hosts:
        raise StoreError(f"{run_id} was collected from a fleet: samestep fleet goes on with that.")
    cpus = None if setting.cpus is None else _numbers(processors.cpu_set(setting.cpus))
    pairs: list[tuple[str, object, object]] = [
        ("profile", requested.profile, facts.profile),
        ("seed", requested.seed, facts.seed),
        ("device", requested.device, facts.device),
        ("cpus", cpus, _numbers(facts.cpus)),
        ("threads", setting.threads, facts.threads),
        ("timeout", setting.timeout_s, facts.timeout_s),
        ("launcher", None if setting.launcher == AUTO else setting.launcher, facts.launcher),
        ("blocks", None if plan.looks else setting.blocks, plan.blocks),
    ]
    for option, given, stored in pairs:
        if given is not None and given != stored:
            raise StoreError(f"{run_id} cannot be resumed with {option} {given}: it was started with {stored}.")
    if setting.alternate not in (None, facts.alternates):
        option = "--alternate" if setting.alternate else "--no-alternate"
        raise StoreError(f"{run_id} cannot be resumed with {option}: it was started without.")
    if (setting.blocks or 0) > plan.blocks:
        raise StoreError(f"{run_id} cannot go on to block {setting.blocks}: its plan has {plan.blocks}.")
    _require_same_variables(run_id, setting, facts)


def _require_same_variables(run_id: str, setting: Setting, facts: RunFacts) -> None:
    """Raise StoreError when other variables are named now; without --env it goes on with those of the run."""
    given = variables.named(setting.env, os.environ, facts.frameworks) if setting.env else facts.env
    if difference := variables.differences(facts.env, given):
        raise StoreError(
            f"{run_id} cannot be resumed {difference}: its replicates ran with"
            f" {', '.join(facts.env) or 'no variable of yours'}. Leave --env out to go on with the same."
        )


def require_fit(
    run_id: str,
    *,
    plan: Plan,
    facts: RunFacts,
    records: Sequence[Record],
    code: Sequence[tuple[str, ...]],
    cells: Sequence[Cell] | None,
    host: HostFacts | None = None,
    cpus: Iterable[int] | None = None,
) -> None:
    """Raise an error where the rest of a run would not be comparable with its records.

    Args:
        run_id: name of the run.
        plan: of the run, as stored.
        facts: of the run, as stored.
        records: of the run so far.
        code: (file, SHA-256) of the present files that a result depends on.
        cells: the cells selected now; None: nothing was selected with --resume.
        host: the machine, as it is now; None: it is not compared.
        cpus: the processors that this process may use; None: they are not compared.

    Raises:
        StoreError: the message names the differences.
    """
    differences = [
        *_plan_differences(plan, records),
        *([] if cells is None else _cell_differences(plan.cells, cells)),
        *([] if cpus is None else _cpu_differences(facts.cpus, cpus)),
        *([] if host is None else host_differences(facts.host, host)),
        *_code_differences(facts.code, code),
    ]
    if differences:
        more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise StoreError(
            f"{run_id} cannot be resumed: {'; '.join(differences[:SHOWN])}{more}."
            " Its records stay as they are: start a new run, or restore what has changed."
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


def host_differences(then: HostFacts, now: HostFacts) -> list[str]:
    """Return what is another machine. What an older run does not hold is not compared."""
    found = []
    for field, what in SAME_HOST.items():
        before, after = getattr(then, field), getattr(now, field)
        if before not in ("", 0) and before != after:
            found.append(f"{what} was {before}, it is {after or 'not there'}")
    if abs(now.memory_bytes - then.memory_bytes) > MEMORY_DIFFERS * then.memory_bytes:
        found.append(f"its memory was {memory_size(then.memory_bytes)}, it is {memory_size(now.memory_bytes)}")
    if then.quota != now.quota:
        found.append(f"its CPU quota was {_quota(then.quota)}, it is {_quota(now.quota)}")
    return found


def _quota(processors: float | None) -> str:
    return "none" if processors is None else f"{processors:g} processors"


def _cpu_differences(planned: Iterable[int], usable: Iterable[int]) -> list[str]:
    missing = sorted(set(planned) - set(usable))
    if not missing:
        return []
    cpus, others = (",".join(map(str, sorted(each))) for each in (planned, usable))
    return [f"CPU {','.join(map(str, missing))} of its CPU set {cpus} cannot be used here; usable: {others}"]


def _numbers(cpus: Sequence[int]) -> str:
    return ",".join(map(str, cpus))


def _pairs(code: Sequence[tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(path, digest) for path, digest in code]
