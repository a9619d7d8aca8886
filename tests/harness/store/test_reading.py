"""A damaged run ends in one sentence with file, line, field and remedy; a harmless change does not."""

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.records.codec import RecordError, to_json
from bench.turns.turn import Outcome, to_record
from harness.environments.variants import Resolved
from harness.errors import StoreError
from harness.plan.plan import make_plan
from harness.store import reading, rules
from harness.store.folder import RunFolder
from harness.strict import FieldError
from harness.validity import results
from tests import factories, mutants
from tests.harness.launchers.test_docker_members import TURN
from tests.older import OLDER

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return mutants.run(tmp_path)


def rewritten(folder: RunFolder, file: str, change: Change, line: int = 1) -> None:
    path = folder.path / file
    lines = path.read_text().splitlines() if file == "records.jsonl" else [path.read_text()]
    data = json.loads(lines[line - 1])
    change(data)
    lines[line - 1] = json.dumps(data, indent=None if file == "records.jsonl" else 1)
    path.write_text("\n".join(lines) + "\n")


def varied(lock: str, *wheels: str) -> Change:
    """Return what makes a run one of a variant with that lock and those wheels."""
    one = {"framework": "torch", "name": "2.9", "python": "3.11", "lock": lock, "sha256": "", "wheels": list(wheels)}
    return lambda data: data.update(variants=[one])


def test_the_variants_of_a_run_are_read_as_they_were_written(folder: RunFolder) -> None:
    found = Resolved(
        framework="torch", name="2.9", python="3.11", lock="torch@2.9.txt", sha256="00", changed=("torch 2 -> 1",)
    )
    folder.write_facts(dataclasses.replace(folder.facts(), variants=(found,)))
    assert folder.facts().variants == (found,)


def test_a_whole_run_is_read(folder: RunFolder) -> None:
    assert folder.records() == mutants.records()
    mutants.report(folder, page=False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data["timing"]["round_ns"].__setitem__(2, None), "timing.round_ns[2]: expected int, got null"),
        (lambda data: data["timing"].update(steady="yes"), "timing.steady: expected bool, got str"),
        (lambda data: data["proof"].update(threads=True), "proof.threads: expected int | null, got bool"),
        (lambda data: data.update(block=1.0), "block: expected int, got float"),
        (lambda data: data.update(status="fine"), "status: invalid enum value 'fine'"),
        (lambda data: data.pop("cell"), "cell is missing"),
        (lambda data: data["repeats"][1].pop("kind"), "repeats[1]: kind is missing"),
        (lambda data: data.update(speed=3), "speed is not a field of this schema"),
        (lambda data: data["timing"].update(rounds_ns=[]), "timing.rounds_ns is not a field of this schema"),
        (lambda data: data["timing"]["round_ns"].__setitem__(0, -5), "timing.round_ns[0] is -5: a duration is not"),
        (lambda data: data["timing"].update(round_begin_ns=[1]), "timing.round_begin_ns has 1 values for 3 rounds"),
        (lambda data: data["timing"].update(slice_rounds=[1, 1]), "timing.slice_rounds adds up to 2"),
        (lambda data: data["timing"].update(calls_per_round=0), "timing.calls_per_round is 0, which is too small"),
        (lambda data: data["timing"].update(calls_per_round=10**18), "timing.calls_per_round is 10"),
        (lambda data: data["timing"].update(clock_ns=10**400), "timing.clock_ns is too large"),
        (lambda data: data.update(started_unix_ns=10**400), "started_unix_ns is not between the years 1 and 9999"),
        (lambda data: data["accuracy"].update(weight=10**400), "accuracy.weight: number out of range"),
        (lambda data: data["accuracy"]["losses"].__setitem__(1, float("nan")), "accuracy.losses[1] is not a finite"),
        (lambda data: data["accuracy"].update(gradient_norms=[]), "accuracy.gradient_norms has 0 values for 1"),
        (lambda data: data.update(timing=None), "timing is missing although the status is ok"),
        (lambda data: data["cell"].update(precision="float8"), "'float8' is not a precision that this samestep knows"),
        (lambda data: data["cell"].update(framework="mxnet"), "run.json has no 'mxnet', only torch"),
        (lambda data: data["cell"].update(mode="warp"), "torch has no 'warp' in run.json, only eager, compile and"),
        (lambda data: data["cell"].update(variant="2.9"), "run.json has no variant '2.9' of torch, it ran as locked"),
        (lambda data: data["cell"].update(size="huge"), "is not in plan.json"),
        (lambda data: data.update(block=4), "has no block 4 in plan.json"),
        (lambda data: data.update(schema=0), "it has no schema number"),
        (lambda data: data.update(schema=-1), "it has no schema number"),
        (lambda data: data.update(schema=True), "it has no schema number"),
        (lambda data: data.update(schema=7.0), "it has no schema number"),
    ],
)
def test_a_damaged_record_is_named_with_line_field_and_remedy(folder: RunFolder, change: Change, sentence: str) -> None:
    rewritten(folder, "records.jsonl", change, line=2)
    with pytest.raises(StoreError) as said:
        results.load(folder)
    assert "records.jsonl, line 2: " in str(said.value)
    assert sentence in str(said.value)
    assert f"Delete the line (sed -i 2d {folder.records_path})" in str(said.value)


@pytest.mark.parametrize(
    ("file", "change", "sentence", "on"),
    [
        ("run.json", lambda data: data["host"].update(cores=None), "host.cores: expected int, got null", '"cores"'),
        ("run.json", lambda data: data.update(timeout_s=float("inf")), "timeout_s is not a finite", '"timeout_s"'),
        ("run.json", lambda data: data.update(started_unix_ns=10**21), "started_unix_ns is", '"started_unix_ns"'),
        ("run.json", lambda data: data.update(selection=["x"]), "selection[0] is not an option", '"x"'),
        ("run.json", varied("../lock"), "variants[0].lock is '../lock': it is the name of a file in locks/", '"lock"'),
        ("run.json", varied("lock", "/wheel"), "variants[0].wheels is '/wheel': it is the name", ""),
        ("plan.json", lambda data: data["order"][0].__setitem__(0, 99), "order[0][0] is 99, there are", "99"),
        ("plan.json", lambda data: data["cells"][1].update(track="x"), "cells[1].track: invalid enum", '"x"'),
        ("plan.json", lambda data: data["cells"].append(data["cells"][0]), "is there twice", ""),
    ],
)
def test_a_damaged_file_is_named_with_line_field_and_remedy(
    folder: RunFolder, file: str, change: Change, sentence: str, on: str
) -> None:
    rewritten(folder, file, change)
    with pytest.raises(StoreError, match=r"Put the file back as it was") as said:
        results.load(folder)
    lines = (folder.path / file).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if on in text)
    assert f"{file} cannot be read: line {line if on else ''}" in str(said.value)
    assert sentence in str(said.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe", "a byte that is no UTF-8, column 1"),
        (b"{", "not JSON"),
        (b'{"id": 1, "id": 2}', "'id' is there twice"),
        (b"[" * 100_000, "too many lists or objects within each other"),
        (b"1" * 5000, "a number has thousands of digits"),
        (b"[]", "expected object, got array"),
        (b"null", "expected object, got null"),
    ],
)
@pytest.mark.parametrize("file", ["run.json", "plan.json"])
def test_what_is_no_json_object_is_said(folder: RunFolder, file: str, content: bytes, sentence: str) -> None:
    (folder.path / file).write_bytes(content)
    with pytest.raises(StoreError) as said:
        results.load(folder)
    assert f"{file} cannot be read: line 1: " in str(said.value)
    assert sentence in str(said.value)


@pytest.mark.parametrize("file", ["run.json", "plan.json", "records.jsonl"])
def test_what_is_no_file_is_said(folder: RunFolder, file: str) -> None:
    path = folder.path / file
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match=rf"{file} cannot be read: Is a directory"):
        results.load(folder)
    path.rmdir()
    path.symlink_to(path)
    with pytest.raises(StoreError, match=rf"{file} cannot be read: Too many levels of symbolic links"):
        results.load(folder)


@pytest.mark.parametrize("file", ["run.json", "plan.json", "records.jsonl"])
def test_an_editors_mark_its_line_ends_and_a_lost_last_newline_change_nothing(folder: RunFolder, file: str) -> None:
    before = results.load(folder)
    path = folder.path / file
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n").rstrip())
    assert results.load(folder) == before


def test_a_record_after_a_lost_last_newline_is_on_a_line_of_its_own(folder: RunFolder) -> None:
    path = folder.records_path
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    added = factories.record(factories.cell(mode="fused"), block=2, status="skipped", reason="no")
    folder.append(added)
    assert folder.records() == (*mutants.records(), added)
    assert path.read_bytes().endswith(b"\n")


def test_a_torn_last_line_is_still_named(folder: RunFolder) -> None:
    path = folder.records_path
    count = len(folder.records())
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(StoreError, match=rf"records\.jsonl, line {count}: not JSON"):
        folder.records()


def test_a_record_of_a_failure_with_a_number_that_is_not_finite_is_read_without_that_part(folder: RunFolder) -> None:
    def older(data: dict[str, Any]) -> None:
        data["accuracy"]["losses"][0] = float("nan")
        data.update(status="invalid", reason="the losses are not finite", schema=6)

    rewritten(folder, "records.jsonl", older)
    read = folder.records()[0]
    assert (read.status, read.reason, read.accuracy) == ("invalid", "the losses are not finite", None)
    assert read.timing is not None


def test_a_run_of_a_framework_that_this_samestep_does_not_have_is_reported(folder: RunFolder) -> None:
    for file in ("run.json", "plan.json", "records.jsonl"):
        path = folder.path / file
        path.write_text(path.read_text().replace('"torch"', '"mxnet"'))
    mutants.report(folder, page=False)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("rubbish", "not JSON"),
        ("null", "it has no schema number"),
        ('{"schema": 7}', "cell is missing"),
        (to_json(factories.record()).replace('"steady":true', '"steady":"yes"'), "timing.steady: expected bool, got"),
        (to_json(factories.record(block=2)), "its process wrote the record of another replicate"),
        ("\ud800\x1b[31m", "not JSON"),
        ("[" * 100_000, "too many lists"),
    ],
)
def test_rubbish_from_a_replicate_is_a_failed_record(written: str, reason: str) -> None:
    ended = Outcome(started_unix_ns=1, wall_ns=1, exit_code=0, record=written, phase="rounds", tail=("caf\udce9",))
    record = to_record(TURN, ended, reading.record)
    assert (record.status, record.cell) == ("failed", TURN.cell)
    assert reason in record.reason
    assert reading.record(to_json(record)) == record


def test_every_value_of_a_record_damaged_in_any_way_is_read_or_named() -> None:
    """A part of all changes; `python -m tests.faults --kind folders` makes more."""
    rng, said = random.Random(20261128), []
    for record in mutants.records()[5:]:
        data = json.loads(to_json(record))
        for path in mutants.paths(data):
            for value in rng.sample(mutants.VALUES, 2):
                line = json.dumps(mutants.changed(data, path, value))
                try:
                    read = reading.record(line)
                except RecordError as error:
                    said.append(str(error))
                else:
                    assert reading.record(to_json(read)) == read
    assert max(map(len, said)) <= 200
    assert all(sentence.isprintable() for sentence in said)


def test_a_run_damaged_anywhere_is_reported_or_named(folder: RunFolder) -> None:
    rng, said = random.Random(16), []
    whole = {file: (folder.path / file).read_text() for file in ("run.json", "plan.json", "records.jsonl")}
    for _ in range(30):
        mutants.damage(folder, whole, rng)
        try:
            mutants.report(folder, page=False)
        except StoreError as error:
            said.append(str(error))
        for file, text in whole.items():
            (folder.path / file).write_text(text)
    assert said
    assert all(sentence.isprintable() for sentence in said)


@pytest.mark.parametrize("name", ["20261120-cpu-quick", "20261121-cpu-ladders"])
def test_a_run_of_an_older_schema_is_read(name: str) -> None:
    run = results.load(RunFolder(OLDER / name))
    assert {record.schema for record in run.records} == {factories.record().schema}
    assert dataclasses.is_dataclass(run.facts)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ranks": -1}, "is -1: it is a number of ranks"),
        ({"ranks": 2}, "is '' with 2 ranks"),
        ({"ranks": 2, "scaling": "medium"}, "is 'medium' with 2 ranks"),
        ({"scaling": "weak"}, "is 'weak' with 0 ranks"),
    ],
)
def test_ranks_and_scaling_belong_together(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(FieldError, match=said):
        rules.require_plan(make_plan((factories.cell(**changes),), blocks=1, seed=1))
