"""JSON and Parquet: the tables of the CSV with types, for programs."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bench.records.record import Memory
from harness.report import frames
from harness.report.exporters import exporter, values
from harness.report.tables.all import TABLES, Tables, tables
from harness.report.write import render
from harness.validity.results import Run
from tests import factories
from tests.harness.report.example import example

SCHEMA = Path(__file__).parents[4] / "docs" / "report.schema.json"
PYTHON = {"string": str, "integer": int, "number": float, "boolean": bool, "strings": list}
DTYPES = {
    "integer": ("int64", "float64"),
    "number": ("float64",),
    "boolean": ("bool", "object"),
    "string": ("str", "object"),
}
PLAIN = {"true": True, "false": False}


@pytest.fixture(scope="module")
def run() -> Run:
    return example("quick", 6)


@pytest.fixture(scope="module")
def computed(run: Run) -> Tables:
    return tables(run)


@pytest.fixture(scope="module")
def read(run: Run, computed: Tables) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(made(run, computed, "json"), parse_constant=pytest.fail)
    return loaded


def made(run: Run, computed: Tables, format: str, table: str | None = None) -> Any:
    return exporter(format).render(run, computed, table)


def rows_of_csv(run: Run, computed: Tables, table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(made(run, computed, "csv", table))))


@pytest.mark.parametrize("table", TABLES)
def test_json_has_the_keys_and_the_values_of_the_csv(
    run: Run, computed: Tables, read: dict[str, Any], table: str
) -> None:
    found, expected = read["tables"][table]["rows"], rows_of_csv(run, computed, table)
    assert len(found) == len(expected)
    for row, fields in zip(found, expected, strict=True):
        assert list(row) == list(fields)
        for key, text in fields.items():
            value = " ".join(row[key]) if isinstance(row[key], list) else row[key]
            if isinstance(value, float):
                assert value == pytest.approx(float(text), rel=1e-8)
            elif isinstance(value, bool):
                assert text == ("true" if value else "false")
            else:
                assert ("" if value is None else str(value)) == text.removeprefix("'")


@pytest.mark.parametrize("table", TABLES)
def test_a_value_has_the_type_that_its_column_states(read: dict[str, Any], table: str) -> None:
    columns = read["tables"][table]["columns"]
    for row in read["tables"][table]["rows"]:
        for key, value in row.items():
            column = columns[key]
            assert value is None or type(value) is PYTHON[column["type"]] or value in column.get("words", ()), key


def test_numbers_have_all_their_digits(computed: Tables, read: dict[str, Any]) -> None:
    (first, *_) = computed.steps.rows
    assert first.step_ns is not None
    assert read["tables"]["steps"]["rows"][0]["step_us"] == first.step_ns.value / 1e3


def test_a_break_even_is_a_number_or_a_word(read: dict[str, Any]) -> None:
    found = {type(row["break_even_steps"]) for row in read["tables"]["steps"]["rows"]}
    assert {int, str} <= found


def test_a_row_without_a_result_has_its_reason_also_where_the_table_has_no_column_for_it() -> None:
    failed = replace(factories.idiomatic(), status="failed", reason="no memory", idiomatic=None)
    code = json.loads(render(factories.run([factories.record(), failed]), "json"))["tables"]["code"]
    assert "reason" not in code["columns"]
    assert code["rows"][0]["total_seconds"] is None
    assert code["reasons"] == [{"row": 0, "status": "failed", "reason": "no memory"}]


def test_a_number_that_json_lacks_is_null() -> None:
    accuracy = factories.accuracy(losses=(1.0, math.inf), max_loss_deviation=math.nan)
    text = render(factories.run([factories.record(accuracy=accuracy)]), "json")
    (row,) = json.loads(text, parse_constant=pytest.fail)["tables"]["accuracy"]["rows"]
    assert (row["last_loss"], row["max_loss_deviation"]) == (None, None)


def test_json_of_one_table_and_of_none(run: Run) -> None:
    assert list(json.loads(render(run, "json", "memory"))["tables"]) == ["memory"]
    empty = json.loads(render(factories.run([]), "json"))
    assert list(empty["tables"]) == list(TABLES)
    assert {len(table["rows"]) for name, table in empty["tables"].items() if name != "claims"} == {0}


def test_json_is_the_same_each_time(run: Run, computed: Tables) -> None:
    assert made(run, computed, "json") == made(run, tables(run), "json")


def test_json_fits_its_schema(read: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: pip install jsonschema")
    checker = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    checker.check_schema(checker.schema)
    assert [error.message for error in checker.iter_errors(read)] == []
    read_wrongly = {**read, "run": {**read["run"], "id": 3}}
    assert [list(error.path) for error in checker.iter_errors(read_wrongly)] == [["run", "id"]]


def test_the_schema_names_what_a_document_has(read: dict[str, Any]) -> None:
    """Holds without jsonschema, too: no key is required that is missing, and none is there that it does not know."""
    schema = json.loads(SCHEMA.read_text())
    table = schema["$defs"]["table"]
    for described, found in (
        (schema, read),
        (schema["properties"]["run"], read["run"]),
        (schema["properties"]["run"]["properties"]["host"], read["run"]["host"]),
        (table, read["tables"]["steps"]),
        (
            table["properties"]["columns"]["additionalProperties"],
            read["tables"]["steps"]["columns"]["break_even_steps"],
        ),
    ):
        assert set(described["required"]) <= set(found) == set(described["properties"])
    assert read["schema"] == schema["properties"]["schema"]["const"]


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("step_us", "µs"), ("first_step_cold_ms", "ms"), ("host_peak_rss_bytes", "bytes"), ("total_seconds", "s"),
        ("growth_low_bytes_per_step", "bytes/step"), ("gflop_per_s", "Gflop/s"), ("energy_per_step_uj", "µJ"),
        ("break_even_warm_low", "steps"), ("window_s", "s"), ("status", ""), ("speedup_vs_eager", ""), ("rounds", ""),
    ],
)  # fmt: skip
def test_the_unit_of_a_value_is_in_its_key(key: str, unit: str) -> None:
    assert values.unit(key) == unit


@pytest.mark.parametrize("table", TABLES)
def test_pandas_reads_from_parquet_what_it_reads_from_csv(run: Run, computed: Tables, table: str) -> None:
    found = pd.read_parquet(io.BytesIO(made(run, computed, "parquet", table)))
    expected = pd.read_csv(io.StringIO(made(run, computed, "csv", table)))
    words = [column for column in found.columns if column.endswith("_word")]
    for column in words:
        number = column.removesuffix("_word")
        both = found[number].astype("Int64").astype("string").fillna(found[column])
        assert both.fillna("").tolist() == rows_of(expected[number])
    found, expected = (
        frame.drop(columns=[*words, *(word.removesuffix("_word") for word in words)], errors="ignore")
        for frame in (found, expected)
    )
    assert list(found.columns) == list(expected.columns)
    for column in expected.columns:
        pd.testing.assert_series_equal(
            plain(found[column]), plain(expected[column]), check_dtype=False, check_index_type=False, rtol=1e-8
        )


def rows_of(series: pd.Series) -> list[str]:
    """The fields as the CSV has them: pandas reads a column of numbers with gaps as numbers with a fraction."""
    return ["" if pd.isna(value) else str(value).removesuffix(".0") for value in series]


def plain(series: pd.Series) -> pd.Series:
    """Numbers as floats, all else as text without the apostrophe of the CSV; what is missing as NaN or empty."""
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        return series.astype(float)
    texts = ["" if pd.isna(value) else str(value).removeprefix("'") for value in series]
    numbers = all(text == "" for text in texts)
    return pd.Series(
        [math.nan] * len(texts) if numbers else texts, name=series.name, dtype=float if numbers else object
    )


@pytest.mark.parametrize("table", TABLES)
def test_types_are_the_same_in_a_run_without_rows(run: Run, computed: Tables, table: str) -> None:
    empty_run = factories.run([])
    empty = pq.read_schema(io.BytesIO(made(empty_run, tables(empty_run), "parquet", table)))
    full = pq.read_schema(io.BytesIO(made(run, computed, "parquet", table)))
    assert [(field.name, field.type) for field in empty] == [(field.name, field.type) for field in full]


def test_steps_of_parquet_are_those_of_the_frames(run: Run, computed: Tables) -> None:
    found = pd.read_parquet(io.BytesIO(made(run, computed, "parquet", "steps")))
    cells = frames.load(run).cells
    assert (found["step_us"] * 1e3).tolist() == pytest.approx(cells["step_ns"].tolist(), nan_ok=True)
    assert found["step_us"].notna().sum() > 30
    assert found["mode"].tolist() == cells["mode"].tolist()


def test_a_parquet_file_says_what_it_is_of(run: Run, computed: Tables) -> None:
    schema = pq.read_schema(io.BytesIO(made(run, computed, "parquet", "memory")))
    said = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert (said["samestep.run"], said["samestep.table"]) == (run.facts.id, "memory")
    assert json.loads(said["samestep.units"])["host_peak_rss_bytes"] == "bytes"
    assert schema.field("host_peak_rss_bytes").metadata == {b"unit": b"bytes"}
    assert str(schema.field("host_peak_rss_bytes").type) == "int64"


def test_an_integer_that_parquet_lacks_is_missing() -> None:
    memory = replace(factories.record().memory or Memory(), host_peak_rss_bytes=1 << 63)
    run = factories.run([factories.record(memory=memory)])
    (row,) = pd.read_parquet(io.BytesIO(made(run, tables(run), "parquet", "memory"))).to_dict("records")
    assert pd.isna(row["host_peak_rss_bytes"])
