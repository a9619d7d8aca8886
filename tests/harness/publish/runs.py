"""Small runs on disk, to be published: `written` makes one, `copied` makes another of one that was measured."""

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.records.record import Cell, Record
from harness.plan.plan import make_plan
from harness.store.folder import RECORDS_FILE, RUN_FILE, RunFolder
from tests import factories
from tests.harness.compare.test_sessions import sentinel

DAY_NS = 86_400_000_000_000
STEPS_US = (100.0, 101.0, 99.0, 100.5, 99.5, 100.2)
EAGER = factories.cell()
COMPILE = factories.cell(mode="compile")


def written(
    results: Path,
    run_id: str = "20261120-101500-default",
    *,
    cells: Sequence[Cell] = (EAGER, COMPILE),
    steps_us: Sequence[float] = STEPS_US,
    day: int = 0,
    versions: Sequence[str] = ("torch==2.13.0",),
    cpu: str = "A processor",
    probe_ns: int = 100,
    broken: Mapping[Cell, Mapping[str, Any]] | None = None,
    **facts: Any,
) -> RunFolder:
    """A finished run: each cell in as many blocks as there are times; `broken`: changes to the records of a cell."""
    where = factories.environment(versions=tuple(versions), cpu=cpu, device_name=cpu)
    records: list[Record] = []
    for block, us in enumerate(steps_us, start=1):
        for cell in cells:
            changes = {"environment": where, "round_ns": (round(us * 1000),) * 5, **(broken or {}).get(cell, {})}
            if changes.get("status", "ok") != "ok":
                changes.pop("round_ns")
            records.append(factories.record(cell, block=block, **changes))
    probes = [sentinel(block, matmul=probe_ns) for block in range(1, len(steps_us) + 2)]
    framework = factories.framework(modes=dict.fromkeys(cell.mode for cell in cells))
    plain = factories.run_facts(
        id=run_id,
        blocks=len(steps_us),
        blocks_run=len(steps_us),
        replicates=len(records) + len(probes),
        started_unix_ns=factories.run_facts().started_unix_ns + day * DAY_NS,
        host=dataclasses.replace(factories.run_facts().host, cpu=cpu),
        frameworks=(framework,),
    )
    folder = RunFolder(results / run_id)
    folder.path.mkdir(parents=True)
    folder.write_facts(dataclasses.replace(plain, **facts))
    folder.write_plan(make_plan((*cells, probes[0].cell), blocks=len(steps_us), seed=plain.seed))
    for record in (*records, *probes):
        folder.append(record)
    return folder


def copied(run: Path, to: Path, *, days: int, cpu: str = "", versions: Mapping[str, str] | None = None) -> Path:
    """Another run out of a measured one: begun `days` later, on `cpu`, with other `versions`, by package."""
    to.mkdir(parents=True)
    shutil.copyfile(run / "plan.json", to / "plan.json")
    facts = json.loads((run / RUN_FILE).read_text())
    facts["id"] = to.name
    facts["started_unix_ns"] += days * DAY_NS
    facts["host"]["cpu"] = cpu or facts["host"]["cpu"]
    (to / RUN_FILE).write_text(json.dumps(facts))
    with (to / RECORDS_FILE).open("w") as file:
        for line in (run / RECORDS_FILE).read_text().splitlines():
            record = json.loads(line)
            record["started_unix_ns"] = record.get("started_unix_ns", 0) + days * DAY_NS
            if where := record.get("environment"):
                where["cpu"] = cpu or where["cpu"]
                where["device_name"] = cpu or where["device_name"]
                pairs = (version.split("==") for version in where["versions"])
                where["versions"] = [f"{name}=={(versions or {}).get(name, number)}" for name, number in pairs]
            file.write(json.dumps(record) + "\n")
    return to
