"""A run on an emulated GPU says so in whatever is made of it; a real run says nothing of the kind."""

import csv
import dataclasses
import io
import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.records.observation import Observation
from harness.compare.choice import Choice
from harness.compare.compare import compare
from harness.compare.render import FORMATS, render, show
from harness.errors import SelectionError
from harness.host.emulated import CAVEAT
from harness.report import frames, write
from harness.report.exporters import EXPORTERS, SINGLE
from harness.report.tables.all import TABLES
from harness.validity.results import Run
from tests import factories
from tests.harness.report.example import example


def emulated(run: Run) -> Run:
    host = dataclasses.replace(run.facts.host, gpu="Emulated H100", driver="580.95.05-emulated")
    return dataclasses.replace(run, facts=dataclasses.replace(run.facts, host=host, device="cuda"))


@pytest.fixture(scope="module")
def real() -> Run:
    return example("quick", 3)


@pytest.fixture(scope="module")
def run(real: Run) -> Run:
    return emulated(real)


def said_by(**changes: Any) -> str:
    record = dataclasses.replace(factories.record(factories.cell(device="cuda")), **changes)
    return factories.run([record], device="cuda").caveat


def test_a_record_alone_says_it() -> None:
    assert said_by(observation=Observation(gpu="GPU-emulated-1")) == CAVEAT
    assert said_by(environment=factories.environment(device_name="Emulated H100")) == CAVEAT
    assert said_by(environment=factories.environment(device_name="NVIDIA H100 80GB HBM3")) == ""


def test_an_emulated_processor_is_no_emulated_gpu() -> None:
    name = "An emulated processor"
    assert said_by(environment=factories.environment(cpu=name, device_name=name)) == ""


@pytest.mark.parametrize(("format", "table"), [*((name, None) for name in EXPORTERS), *product(SINGLE, TABLES)])
def test_every_format_and_table_says_it(run: Run, real: Run, format: str, table: str | None) -> None:
    text = readable(write.document(run, format, table))
    assert CAVEAT in text or (format == "csv" and is_empty(text))
    assert CAVEAT not in readable(write.document(real, format, table))


def readable(made: str | bytes) -> str:
    return made if isinstance(made, str) else made.decode("latin-1")


def is_empty(text: str) -> bool:
    return text.count("\n") == 1 and text.endswith(",caveat\n")


def test_every_row_of_a_csv_has_it_last(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(write.render(run, "csv", "memory"))))
    assert rows
    assert {list(row)[-1] for row in rows} == {"caveat"}
    assert {row["caveat"] for row in rows} == {CAVEAT}


def test_every_file_of_a_report_says_it(run: Run, tmp_path: Path) -> None:
    write.write(run, tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 2 * len(TABLES)
    texts = {path.name: readable(path.read_bytes()) for path in files}
    silent = [name for name, text in texts.items() if CAVEAT not in text and not is_empty(text)]
    assert silent == []


def test_each_picture_has_it_where_the_page_is_cut_apart(run: Run) -> None:
    page = write.render(run, "html")
    pictures = page.split("<svg")[1:]
    assert pictures
    assert all(CAVEAT in picture.partition("</svg>")[0] for picture in pictures)


def test_the_terminal_says_it_before_the_tables_and_with_the_summary(run: Run) -> None:
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as printed:
        write.show(run, console)
    assert printed.get().startswith(CAVEAT)
    assert printed.get().count(CAVEAT) == 2


def test_each_frame_has_it(run: Run, real: Run) -> None:
    for name, frame in dataclasses.asdict(frames.load(run)).items():
        assert "caveat" in frame.columns, name
        assert set(frame["caveat"]) <= {CAVEAT}
    assert "caveat" not in frames.load(real).cells.columns


@pytest.mark.parametrize("format", FORMATS)
def test_a_comparison_of_two_says_it(run: Run, real: Run, format: str) -> None:
    assert CAVEAT in render(compare(run, run, modes()), format)
    assert CAVEAT not in render(compare(real, real, modes()), format)


def test_a_comparison_says_it_in_the_terminal(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    show(compare(run, run, modes()), Console(file=io.StringIO(), width=200))
    assert CAVEAT in capsys.readouterr().out


def modes() -> tuple[Choice, Choice]:
    return tuple(Choice("", {"framework": ("jax",), "mode": (mode,)}) for mode in ("jit", "jit-donate"))  # type: ignore[return-value]


@pytest.mark.parametrize("turned", [False, True])
def test_it_is_not_compared_with_a_real_run(run: Run, real: Run, turned: bool) -> None:
    sides = (real, run)
    with pytest.raises(SelectionError, match=CAVEAT):
        compare(*(sides[::-1] if turned else sides))


def test_json_keeps_its_layout(run: Run) -> None:
    found = json.loads(write.render(run, "pytest-benchmark"))
    assert found["machine_info"]["caveat"] == CAVEAT
    assert {benchmark["extra_info"]["caveat"] for benchmark in found["benchmarks"]} == {CAVEAT}
