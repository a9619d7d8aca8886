"""`--resume` and `report` on a run's folder: what is refused, and what counts as done."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.records.codec import to_json
from bench.records.record import Failure, Record
from harness import commands, session
from harness.errors import StoreError
from harness.host.machine import host_facts
from harness.plan.plan import make_plan
from harness.plan.request import Setting, parsed
from harness.store.folder import RunFolder, create
from tests import factories
from tests.factories import cell, record

CPUS = tuple(sorted(os.sched_getaffinity(0)))[-1:]


def folder(tmp_path: Path, *records: Record, **facts: Any) -> RunFolder:
    run = create(tmp_path, "run")
    plan = make_plan((cell(),), blocks=3, seed=1)
    given: dict[str, Any] = {"cpus": CPUS, "host": host_facts("cpu", CPUS), **facts}
    run.write_facts(factories.run_facts(id=run.id, profile="quick", **given))
    run.write_plan(plan)
    run.records_path.write_text("".join(to_json(one) + "\n" for one in records))
    return run


def go_on(tmp_path: Path, **setting: Any) -> None:
    session.resume("run", parsed(), Setting(results=tmp_path, **setting))


def test_another_processor_and_a_cpu_set_that_is_gone_are_named(tmp_path: Path) -> None:
    host = dataclasses.replace(host_facts("cpu", CPUS), cpu="Another processor")
    folder(tmp_path, record(), cpus=(*CPUS, 4000), host=host)
    with pytest.raises(StoreError, match="run cannot be resumed") as error:
        go_on(tmp_path)
    assert f"CPU 4000 of its CPU set {CPUS[0]},4000 cannot be used here; usable: " in str(error.value)
    assert f"the processor was Another processor, it is {host_facts('cpu').cpu}" in str(error.value)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"threads": 2}, "run cannot be resumed with threads 2: it was started with 1"),
        ({"timeout_s": 7.0}, "run cannot be resumed with timeout 7.0: it was started with 300.0"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(tmp_path: Path, setting: dict[str, Any], sentence: str) -> None:
    folder(tmp_path, record())
    with pytest.raises(StoreError, match=sentence):
        go_on(tmp_path, **setting)


def test_another_cpu_set_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, record(), cpus=(4000,))
    with pytest.raises(StoreError, match=f"run cannot be resumed with cpus {CPUS[0]}: it was started with 4000"):
        go_on(tmp_path, cpus=str(CPUS[0]))


def tables(tmp_path: Path) -> None:
    commands.report("run", format="csv", table="steps", results=tmp_path, output=None)


@pytest.mark.parametrize("command", [go_on, tables])
def test_a_second_record_that_says_something_else_is_named_with_both_lines(
    tmp_path: Path, command: Callable[[Path], None]
) -> None:
    run = folder(tmp_path, record(block=2), record(), record(wall_ns=1))
    before = run.records_path.read_bytes()
    with pytest.raises(StoreError, match=r"records\.jsonl, lines 2 and 3: both are torch eager regression adam"):
        command(tmp_path)
    assert run.records_path.read_bytes() == before


def test_a_line_that_is_there_twice_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, record(), record(block=2), record())
    tables(tmp_path)
    heading, row = capsys.readouterr().out.splitlines()
    assert dict(zip(heading.split(","), row.split(","), strict=True))["replicates"] == "2"


def test_what_never_ran_is_not_done(tmp_path: Path) -> None:
    never = record(block=2, status="failed", reason="launch: gone", failure=Failure(phase="launch"))
    run = folder(tmp_path, record(), never)
    assert session._done(run.replicates()) == 1
