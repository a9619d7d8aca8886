"""The run folder: what is appended stays, damage is named and never repaired, a full disk loses nothing."""

import os
from pathlib import Path

import pytest

from bench.records.codec import to_json
from harness.errors import StoreError
from harness.plan.plan import make_plan
from harness.store.folder import RUN_FILE, RunFolder, create, find, latest, log_path
from tests import factories


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "results", "run")


def test_records_come_back_in_the_order_they_were_added(folder: RunFolder) -> None:
    records = tuple(factories.record(block=block) for block in (1, 2, 3))
    for record in records:
        folder.append(record)
    assert folder.records() == records
    assert RunFolder(folder.path).records() == records


def test_facts_and_plan_come_back(folder: RunFolder) -> None:
    plan = make_plan((factories.cell(), factories.cell(mode="compile")), blocks=3, seed=7)
    facts = factories.run_facts(code=(("bench/records/record.py", "00"),))
    folder.write_plan(plan)
    folder.write_facts(facts)
    assert folder.plan() == plan
    assert folder.facts() == facts


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    assert [create(tmp_path, "run").id for _ in range(3)] == ["run", "run-2", "run-3"]


@pytest.mark.parametrize("damage", ['{"schema": 1, "cel', "rubbish", ""])
def test_a_damaged_line_is_named_with_its_remedy_and_left_alone(folder: RunFolder, damage: str) -> None:
    folder.append(factories.record())
    with folder.records_path.open("a") as file:
        file.write(damage + "\n" + to_json(factories.record(block=2)) + "\n")
    before = folder.records_path.read_bytes()

    with pytest.raises(StoreError, match=r"records\.jsonl, line 2: .*sed -i 2d .*records\.jsonl"):
        folder.records()

    assert folder.records_path.read_bytes() == before


def test_a_newer_schema_asks_for_an_update_and_not_for_the_line(folder: RunFolder) -> None:
    folder.records_path.write_text('{"schema": 99}\n')
    with pytest.raises(StoreError, match=r"line 1: schema 99 is newer .*: update samestep\.$"):
        folder.records()


def test_a_line_that_does_not_fit_on_the_disk_is_taken_back(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.append(factories.record())
    before = folder.records_path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left on device.*--resume"):
        folder.append(factories.record(block=2))

    assert folder.records_path.read_bytes() == before


def test_a_results_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written .*--results"):
        create(tmp_path / "file" / "results", "run")


def test_a_disk_that_is_nearly_full_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 3 << 20

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(StoreError, match="only 3 MiB are free"):
        create(tmp_path, "run")
    assert list(tmp_path.iterdir()) == []


def test_one_run_folder_has_one_writer(folder: RunFolder) -> None:
    folder.lock()
    other = RunFolder(folder.path)
    with pytest.raises(StoreError, match="another samestep is running it"):
        other.lock()
    folder.unlock()
    other.lock()
    other.unlock()


def test_a_run_is_found_by_id_path_or_latest(tmp_path: Path) -> None:
    made = [begun(tmp_path, name, at=at) for at, name in enumerate("ab", start=1)]
    os.utime(made[1].path, (1, 1))
    assert find(tmp_path, "a").path == made[0].path
    assert find(tmp_path, str(made[0].path)).path == made[0].path
    assert find(tmp_path, "latest").path == made[1].path


def begun(results: Path, name: str, *, at: int, resumed: int = 0, empty: bool = False) -> RunFolder:
    """A run that was started `at` this time, with one record unless it is `empty`."""
    run = create(results, name)
    run.write_facts(factories.run_facts(id=name, started_unix_ns=at, resumed_unix_ns=resumed))
    if not empty:
        run.append(factories.record())
    return run


def test_the_latest_is_the_run_that_was_started_or_resumed_last(tmp_path: Path) -> None:
    begun(tmp_path, "old", at=1, resumed=5)
    begun(tmp_path, "new", at=3)
    assert [run.id for run in latest(tmp_path)] == ["old", "new"]
    (tmp_path / "new" / "report").mkdir()  # made again today
    begun(tmp_path, "new", at=3).write_facts(factories.run_facts(started_unix_ns=3))
    assert find(tmp_path, "latest").id == "old"


def test_a_run_without_a_record_is_not_the_latest_but_can_be_resumed(tmp_path: Path) -> None:
    begun(tmp_path, "whole", at=1)
    begun(tmp_path, "died", at=2, empty=True)
    assert find(tmp_path, "latest").id == "whole"
    assert find(tmp_path, "latest", empty=True).id == "died"


def test_runs_without_any_record_are_said(tmp_path: Path) -> None:
    begun(tmp_path, "died", at=2, empty=True)
    with pytest.raises(StoreError, match=r"No run in .* has a record yet; the last one is died\."):
        find(tmp_path, "latest")


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"started_unix_ns": null}', '{"started_unix_ns": 1e999}'])
def test_damaged_facts_hide_no_other_run(tmp_path: Path, text: str) -> None:
    begun(tmp_path, "whole", at=1)
    (begun(tmp_path, "damaged", at=2).path / RUN_FILE).write_text(text)
    assert {run.id for run in latest(tmp_path)} == {"whole", "damaged"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 300, r"The run 'x{60}… \(300 characters\)' cannot be read: .*choose a shorter name"),
        ("a\0b", r"There is no run|NUL"),
    ],
)
def test_a_name_that_no_file_can_have_is_one_sentence(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        find(tmp_path, name)


def test_results_that_are_a_file_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file cannot be read: .*Not a directory"):
        find(tmp_path / "file", "latest")


@pytest.mark.parametrize("results", ["x" * 300, "a\0b"])
def test_a_results_folder_that_cannot_be_named_is_said(tmp_path: Path, results: str) -> None:
    with pytest.raises(StoreError, match=r"cannot be written.*(a shorter name|NUL)"):
        create(tmp_path / results, "run")


def test_the_log_of_a_framework_with_a_long_name_is_kept(folder: RunFolder) -> None:
    folder.write_log(factories.record(factories.cell(mode="m" * 300)), "text")
    (log,) = (folder.path / "logs").iterdir()
    assert log.read_text() == "text"


def test_logs_are_named_by_their_replicates(folder: RunFolder) -> None:
    assert folder.logs() == frozenset()
    first, again, silent = factories.record(), factories.record(attempt=2), factories.record(block=2)
    for record, printed in ((first, "text"), (again, "more"), (silent, "")):
        folder.write_log(record, printed)
    assert folder.logs() == {str(log_path(first)), str(log_path(again))}
    assert len(folder.logs()) == 2


def test_a_run_that_is_not_there_names_the_last_ones(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no run 'x' .*none yet"):
        find(tmp_path, "x")
    with pytest.raises(StoreError, match="no run 'latest'"):
        find(tmp_path, "latest")


@pytest.mark.parametrize("text", ["{", "[]", '{"id": 3}'])
def test_a_damaged_run_json_is_one_sentence(folder: RunFolder, text: str) -> None:
    (folder.path / RUN_FILE).write_text(text)
    with pytest.raises(StoreError, match=r"run\.json cannot be read"):
        folder.facts()
