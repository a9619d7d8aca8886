"""A record survives the way to disk and back; damage and the future are refused with a sentence."""

import dataclasses
import hashlib
import json

import pytest

from bench.records import codec, schema
from bench.records import record as records
from bench.records.codec import RecordError, from_json, to_json
from tests import factories


def test_a_record_survives_the_way_to_json_and_back() -> None:
    full = factories.record(failure=factories.failure(tail=("one", "two")))
    assert from_json(to_json(full)) == full
    assert from_json(to_json(factories.idiomatic())) == factories.idiomatic()


def test_a_record_is_one_line() -> None:
    assert "\n" not in to_json(factories.record(reason="two\nlines"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"schema": 1, "cell"', "not JSON"),
        ("[]", "no schema number"),
        ('{"schema": "1"}', "no schema number"),
        ('{"schema": 1}', "missing"),
        ('{"schema": 1, "speed": 3}', "has no field 'speed'"),
        ('{"schema": 1, "cell": 3, "block": 1, "position": 1, "status": "ok"}', "Cell should be an object"),
    ],
)
def test_a_damaged_line_is_refused_with_what_is_wrong(line: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        from_json(line)


def test_a_newer_schema_is_refused() -> None:
    newer = json.dumps({**json.loads(to_json(factories.record())), "schema": schema.SCHEMA + 1, "future": True})
    with pytest.raises(RecordError, match="newer than this samestep reads"):
        from_json(newer)


def test_older_schemas_are_upgraded_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "SCHEMA", 3)
    monkeypatch.setattr(
        codec,
        "UPGRADES",
        {
            1: lambda data: {**data, "reason": data["reason"] + " one", "schema": 2},
            2: lambda data: {**data, "reason": data["reason"] + " two", "schema": 3},
        },
    )
    upgraded = from_json(to_json(dataclasses.replace(factories.record(), schema=1, reason="zero")))
    assert upgraded.reason == "zero one two"


def test_a_record_of_schema_3_has_no_beginnings_of_rounds() -> None:
    today = dataclasses.replace(factories.record(), timing=factories.timing(round_begin_ns=(1, 2, 3)))
    data = json.loads(to_json(today))
    assert from_json(json.dumps(data)) == today
    del data["timing"]["round_begin_ns"]
    older = from_json(json.dumps({**data, "schema": 3}))
    assert older.schema == schema.SCHEMA
    assert older.timing
    assert older.timing.round_begin_ns == ()


def test_every_field_has_a_line_that_says_what_it_means() -> None:
    import ast
    import inspect

    source = inspect.getsource(records)
    lines = source.splitlines()
    # these name themselves: a part of the record, described at its own class
    parts = {"phases", "timing", "memory", "accuracy", "proof", "environment", "idiomatic", "failure", "cell", "schema"}
    bare = [
        node.target.id
        for classdef in ast.parse(source).body
        if isinstance(classdef, ast.ClassDef)
        for node in classdef.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if "#" not in lines[node.lineno - 1] and node.target.id not in parts
    ]
    assert bare == []


def test_an_export_of_schema_7_was_onnx_and_its_digest_is_that_of_its_bytes() -> None:
    data = json.loads(to_json(factories.export()))
    del data["cell"]["batch"]
    data["cell"]["mode"] = "export"
    data["export"] = {"model_base64": "bW9kZWw=", "ir_version": 10, "opset": 18, "operators": [], "producer": "pytorch"}
    older = from_json(json.dumps({**data, "schema": 7}))
    assert (older.cell.mode, older.cell.batch) == ("export-onnx", 0)
    assert older.export
    assert (older.export.format, older.export.size_bytes) == ("onnx", 5)
    assert older.export.sha256 == hashlib.sha256(b"model").hexdigest()


def test_the_id_of_a_cell_has_its_batch_where_it_has_one() -> None:
    assert factories.cell(batch=256).id == f"{factories.cell().id}/b256"
    assert factories.cell(batch=1, track="memory").id == f"{factories.cell().id}/b1/memory"
