"""The programs as they are read and run: NumPy's in this interpreter, planted ones that fail, and what is chosen."""

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import FrameworkOffer, catalogue
from harness.environments.checkout import ROOT
from harness.environments.venvs import Environments
from harness.errors import SelectionError, SetupError
from harness.loops import programs, session, table
from harness.loops.programs import Loop, Place, Program
from harness.loops.truth import LOOKED_INTO, LOOPS
from harness.store import loops

OFFERS = {offer.name: offer for offer in catalogue().frameworks}
NUMPY = next(program for program in programs.programs() if program.path.name == "numpy_eager.py")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(python=Path(sys.executable), environment=OFFERS["numpy"].environment, scratch=tmp_path)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> tuple[Loop, ...]:
    """The shortest loop alone."""
    monkeypatch.setattr(session, "LOOPS", LOOPS[:1])
    return LOOPS[:1]


@pytest.fixture
def planted(tmp_path: Path) -> Callable[[str, str], Program]:
    def plant(there: str, instead: str) -> Program:
        source = NUMPY.path.read_text(encoding="utf-8")
        assert there in source
        path = tmp_path / "programs" / "numpy_planted.py"
        path.parent.mkdir()
        path.write_text(source.replace(there, instead, 1), encoding="utf-8")
        (program,) = programs.programs(path.parent)
        return program

    return plant


def test_every_program_belongs_to_a_framework_has_a_sentence_lines_and_one_body() -> None:
    found = programs.programs()
    assert {program.framework for program in found} <= set(OFFERS)
    for program in found:
        assert program.form
        assert program.sentence.endswith(".")
        assert program.every_lines > 1
        assert program.last_lines > 1
        assert program.path.read_text(encoding="utf-8").count("  # the body\n") == 1


def test_lines_are_those_of_each_function() -> None:
    assert (NUMPY.every_lines, NUMPY.last_lines) == (9, 8)  # counted by hand


def test_numpy_is_stepped_through_and_timed(place: Place) -> None:
    times, stops = programs.run(NUMPY, "time", LOOPS, place), programs.run(NUMPY, "stop", LOOKED_INTO, place)
    row = session.judged(NUMPY, OFFERS["numpy"], times, stops)
    assert (row.status, row.reason) == ("ok", "")
    assert row.stops
    assert row.stops.words == "each step"
    assert [cost.steps for cost in row.costs] == [5, 50, 500]
    assert row.python == sys.version.split()[0]
    shown = "\n".join(table.markdown([row]))
    assert "| each step |" in shown
    busy, idle = (
        dataclasses.replace(row, costs=tuple(dataclasses.replace(cost, cpu_share=share) for cost in row.costs))
        for share in (0.95, 0.5)
    )
    assert table.markdown([busy])[-1].startswith("|")
    assert table.markdown([idle])[-1].startswith("NumPy eager: other work ran, or it waited: its rounds got 50")
    kept = table.records([row])
    assert [record.steps for record in kept] == [5, 50, 500]
    assert table.as_csv([row]).count("\n") == 1 + 3


def test_a_wrong_intermediate_is_invalid_and_has_no_numbers(
    place: Place, planted: Callable[[str, str], Program], brief: tuple[Loop, ...]
) -> None:
    program = planted("products.append(product)", "products.append(product + (len(products) == 2))")
    times, stops = programs.run(program, "time", brief, place), programs.run(program, "stop", LOOKED_INTO, place)
    row = session.judged(program, OFFERS["numpy"], times, stops)
    assert (row.status, row.reason) == ("invalid", "product 3 of 5 is 25.0, not 24.0")
    (record,) = table.records([row])
    assert record.every_ns is None
    assert record.breakpoint is None
    assert table.markdown([row])[-1] == "NumPy planted: invalid: product 3 of 5 is 25.0, not 24.0"


def test_a_program_that_is_wrong_under_the_debugger_alone_is_invalid(
    place: Place, planted: Callable[[str, str], Program], brief: tuple[Loop, ...]
) -> None:
    program = planted(
        "return np.array(products)", "import sys\n        return np.array(products) + bool(sys.gettrace())"
    )
    times, stops = programs.run(program, "time", brief, place), programs.run(program, "stop", LOOKED_INTO, place)
    row = session.judged(program, OFFERS["numpy"], times, stops)
    assert (row.status, row.reason) == ("invalid", "product 1 of 5 is 7.0, not 6.0")


def test_a_program_that_fails_says_its_last_words(place: Place, planted: Callable[[str, str], Program]) -> None:
    program = planted("import numpy as np", "import numpy as np\n\nraise RuntimeError('no loops today')")
    with pytest.raises(SetupError, match=r"^RuntimeError: no loops today$"):
        programs.run(program, "time", LOOPS, place)


def test_a_program_that_ends_without_a_word_says_how(place: Place, planted: Callable[[str, str], Program]) -> None:
    program = planted("import numpy as np", "import os\n\nimport numpy as np\n\nos._exit(7)")
    with pytest.raises(SetupError, match=r"^it ended with exit code 7 and said nothing$"):
        programs.run(program, "time", LOOPS, place)


def test_a_program_that_hangs_is_ended(
    place: Place, planted: Callable[[str, str], Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "TIMEOUT_S", 1.0)
    program = planted("import numpy as np", "import time\n\nimport numpy as np\n\ntime.sleep(600)")
    with pytest.raises(SetupError, match=r"^still running after 1 s$"):
        programs.run(program, "time", LOOPS, place)


def names(framework: tuple[str, ...] = (), era: tuple[str, ...] = ()) -> set[str]:
    return {program.framework for program, _ in session.chosen(tuple(OFFERS.values()), framework, era)}


def test_the_past_takes_part_only_where_it_is_named() -> None:
    past = {program.framework for program in programs.programs() if OFFERS[program.framework].exhibit}
    today = {program.framework for program in programs.programs()} - past
    assert names() == today
    assert names(era=("all",)) == today | past
    assert names(era=("precursors",)) == today | {name for name in past if OFFERS[name].period == "precursors"}
    assert names(framework=("theano",)) == {"theano"}


def test_an_unknown_framework_and_era_are_named() -> None:
    with pytest.raises(SelectionError, match=r"There is no framework with a loop 'teano'\. Did you mean theano"):
        names(framework=("teano",))
    with pytest.raises(SelectionError, match="There is no era 'stone'"):
        names(era=("stone",))


def test_without_its_compiler_a_program_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    program = next(program for program in programs.programs() if program.framework == "theano")
    row, told = session.measured(program, OFFERS["theano"], Environments(ROOT, "cpu"), "")
    assert (row.status, told) == ("skipped", {})
    assert "g++" in row.reason


@pytest.mark.usefixtures("brief")
def test_the_command_writes_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Ready:
        def __init__(self, *_: object) -> None:
            pass

        def make(self, frameworks: tuple[str, ...], say: object) -> dict[str, str]:
            return {"jax": "its lock is missing"} if "jax" in frameworks else {}

    def python(offer: FrameworkOffer, environments: Any) -> Path:
        return Path(sys.executable)

    monkeypatch.setattr(session, "Environments", Ready)
    monkeypatch.setattr(session, "interpreter", python)
    output = tmp_path / "new" / "folder"
    assert session.main(framework="numpy,jax", era=None, output=output) == 3
    rows = json.loads((output / "loop.json").read_text(encoding="utf-8"))["rows"]
    assert [(row["framework"], row["status"], row["reason"]) for row in rows if row["status"] != "ok"] == [
        ("jax", "failed", "its lock is missing")
    ] * 2
    assert "its lock is missing" in (output / "loop.md").read_text(encoding="utf-8")
    assert (output / "loop.csv").read_text(encoding="utf-8").startswith("framework,form,era,")
    assert "the page of the run" not in capsys.readouterr().out
    (output / "run.json").touch()
    assert session.main(framework="numpy", era=None, output=output) == 0
    assert f"report {output} --output {output / 'report'}" in capsys.readouterr().out
    found = loops.read(output)
    assert found
    assert [(each.title, each.status) for each in found.rows] == [("NumPy", "ok")]
    assert found.programs == {"numpy_eager": NUMPY.path.read_text(encoding="utf-8")}
    (tmp_path / "file").touch()
    with pytest.raises(SelectionError, match="is no folder that can be made"):
        session.main(framework="numpy", era=None, output=tmp_path / "file" / "folder")
