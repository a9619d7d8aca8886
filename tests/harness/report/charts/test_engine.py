"""The process that draws: what it survives, and that it takes nothing with it where it does not."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.report.charts import engine
from harness.report.charts.engine import ChartError

SPEC = {"data": {"values": [{"a": "one"}]}, "mark": "text", "encoding": {"text": {"field": "a"}}}
NUL = {**SPEC, "data": {"values": [{"a": "o\x00ne"}]}}  # at which vl-convert ends its process


@pytest.fixture
def fresh() -> Iterator[None]:
    """No engine is kept of a test that takes another program."""
    engine.close()
    yield
    engine.close()


def test_draws_in_one_process_that_is_not_this_one() -> None:
    assert ">one</text>" in engine.drawn(SPEC)
    first = engine._ENGINES[os.getpid()]
    assert ">one</text>" in engine.drawn(SPEC)
    assert engine._ENGINES[os.getpid()] is first
    assert first._process.pid != os.getpid()


def test_what_is_no_specification_is_an_error_and_the_next_is_drawn() -> None:
    with pytest.raises(ChartError, match="Error"):
        engine.drawn({"mark": 7})
    assert ">one</text>" in engine.drawn(SPEC)


def test_a_chart_that_ends_the_process_is_an_error_and_the_next_is_drawn() -> None:
    engine.drawn(SPEC)
    with pytest.raises(ChartError, match="the process that draws ended with SIG"):
        engine.drawn(NUL)
    assert ">one</text>" in engine.drawn(SPEC)


@pytest.mark.usefixtures("fresh")
def test_a_process_that_never_drew_is_not_started_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = tmp_path / "program.py"
    program.write_text(f"open({str(started)!r}, 'a').write('x')\nraise SystemExit(7)\n")
    monkeypatch.setattr(engine, "PROGRAM", program)
    for _ in range(3):
        with pytest.raises(ChartError, match="ended with exit code 7"):
            engine.drawn(SPEC)
    assert started.read_text() == "x"


@pytest.mark.usefixtures("fresh")
def test_one_that_does_not_answer_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(engine, "PROGRAM", program)
    monkeypatch.setattr(engine, "LONGEST_S", 0.2)
    with pytest.raises(ChartError, match="SIGKILL"):
        engine.drawn(SPEC)


def test_with_a_limited_address_space_there_is_an_error_and_this_process_goes_on() -> None:
    """V8 reserves more of it than a queue of a cluster allows."""
    code = (
        "from harness.report.charts import engine\n"
        "try:\n    engine.drawn({'mark': 'point'})\n"
        "except engine.ChartError as error:\n    print('told:', error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[4],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(
        r"told: the process that draws ended with SIG\w+; it needs `ulimit -v unlimited`\n", ended.stdout
    )


@pytest.mark.usefixtures("fresh")
def test_one_that_was_killed_between_two_charts_loses_none() -> None:
    assert ">one</text>" in engine.drawn(SPEC)
    (own,) = psutil.Process().children()
    own.kill()
    own.wait(10)
    assert ">one</text>" in engine.drawn(SPEC)


def test_a_forked_process_draws_too() -> None:
    engine.drawn(SPEC)
    child = os.fork()
    if not child:
        signal.alarm(30)
        drawn = ">one</text>" in engine.drawn(SPEC)
        engine.close()
        os._exit(0 if drawn else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert ">one</text>" in engine.drawn(SPEC)
