"""One record for each process: copies, contradictions, and replicates that never ran."""

from pathlib import Path
from typing import Any

import pytest

from bench.records.record import Cell, Failure, Record
from harness.errors import StoreError
from harness.store.replicates import measured, never_ran, standing
from tests import factories
from tests.factories import record

PATH = Path("/results/a run/records.jsonl")


def failed(phase: str = "launch", of: Cell | None = None, **changes: Any) -> Record:
    return record(
        of, status="failed", reason=f"{phase}: exit code 1", failure=Failure(phase=phase, exit_code=1), **changes
    )


def test_a_replicate_that_ended_before_its_import_never_ran() -> None:
    assert never_ran(failed())
    assert not never_ran(failed("import"))
    assert not never_ran(record())
    assert not never_ran(record(status="oom", failure=Failure(phase="launch")))  # left out: a smaller size ran out
    assert not never_ran(record(status="skipped"))


def test_a_line_that_repeats_another_one_counts_once() -> None:
    first, second = record(), record(block=2)
    assert standing(PATH, [first, second, first]) == (first, second)


@pytest.mark.parametrize("changes", [{"wall_ns": 5}, {"position": 9}, {"status": "invalid", "reason": "wrong"}])
def test_two_lines_that_say_different_things_of_one_replicate_are_named(changes: dict[str, Any]) -> None:
    lines = [record(block=2), record(), record(**changes)]
    with pytest.raises(StoreError, match=r"records\.jsonl, lines 2 and 3: both are torch eager") as error:
        standing(PATH, lines)
    assert "block 1, attempt 1, and they differ" in str(error.value)
    assert "sed -i 3d '/results/a run/records.jsonl'" in str(error.value)


def test_another_block_attempt_or_track_is_another_replicate() -> None:
    lines = [
        record(),
        record(block=2),
        factories.again(record()),
        record(factories.cell(track="twin")),
        record(factories.cell(track="memory")),
    ]
    assert standing(PATH, lines) == tuple(lines)


def test_an_export_may_be_made_again() -> None:
    lines = [factories.export(status="failed", export=None), factories.export()]
    assert standing(PATH, lines) == tuple(lines)


def test_what_never_ran_gives_way_to_the_record_of_when_it_was_taken_again() -> None:
    other = record(block=2)
    assert standing(PATH, [failed(), other, failed(wall_ns=7), record()]) == (other, record())
    assert standing(PATH, [record(), failed()]) == (record(),)
    assert standing(PATH, [failed(), failed(wall_ns=7)]) == (failed(wall_ns=7),)


def test_what_never_ran_is_taken_again_and_a_drift_probe_only_before_its_block() -> None:
    probe = factories.cell(mode="sentinel", track="sentinel")
    never, probes = failed(block=2), [failed(of=probe, block=block) for block in (1, 2)]
    assert measured([record(), never, *probes]) == (record(), probes[0])
