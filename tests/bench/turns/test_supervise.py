"""A turn in a real fresh process: its record, its death, its time limit, and nothing left behind."""

import json
import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.records.codec import RecordError
from bench.turns import turn as turns
from bench.turns.environment import describe
from bench.turns.supervise import LOG_FILE, environment, read, read_log, supervise, tail
from bench.turns.turn import LOG_CHARACTERS, PHASE_FILE, RECORD_FILE, Turn, last_phase
from tests import factories
from tests.bench.protocol.test_replicate import turn

INTERPRETER = """#!/bin/sh
# stands in for an interpreter: called as `python -m bench turn FOLDER`
folder=$4
"""


def interpreter(tmp_path: Path, script: str) -> str:
    path = tmp_path / "python"
    path.write_text(INTERPRETER + script)
    path.chmod(0o755)
    return str(path)


def numpy_turn(**changes: object) -> Turn:
    return turn(cell=factories.cell(framework="numpy"), cpus=tuple(sorted(os.sched_getaffinity(0)))[-1:], **changes)


def test_a_cell_is_measured_in_a_fresh_process(tmp_path: Path) -> None:
    started: list[int] = []

    outcome = supervise(numpy_turn(hash_seed=7), tmp_path / "turn", on_start=started.append)
    record = turns.to_record(numpy_turn(), outcome)

    assert (record.status, record.reason) == ("ok", "")
    assert record.timing is not None
    assert len(record.timing.round_ns) == 5
    assert record.timing.calls_per_round > 1
    assert record.accuracy is not None
    assert record.accuracy.max_loss_deviation is not None
    assert record.accuracy.max_loss_deviation < 1e-6
    assert record.environment is not None
    assert record.environment.cpus == numpy_turn().cpus
    assert "OMP_NUM_THREADS=1" in record.environment.flags
    assert record.phases is not None
    assert 0.5 < record.phases.total_ns() / record.wall_ns <= 1.02
    assert started
    assert not psutil.pid_exists(started[0])
    assert not (tmp_path / "turn" / "scratch").exists()


def test_the_fresh_process_finds_bench_and_nothing_else_of_the_checkout(tmp_path: Path) -> None:
    python = interpreter(tmp_path, 'ls "$PYTHONPATH" "$PYTHONPATH/bench/__main__.py"; exit 3')

    outcome = supervise(turn(), tmp_path / "turn", python=python)

    path = tmp_path / "turn" / "path"
    assert outcome.tail == (f"{path}/bench/__main__.py", f"{path}:", "bench")


def test_peak_memory_is_that_of_the_process_and_not_of_its_parent(tmp_path: Path) -> None:
    ballast = bytearray(400 << 20)

    record = turns.to_record(numpy_turn(), supervise(numpy_turn(), tmp_path / "turn"))

    assert len(ballast) == 400 << 20
    assert record.memory is not None
    assert record.memory.host_peak_rss_bytes is not None
    assert 20 << 20 < record.memory.host_peak_rss_bytes < 200 << 20


def test_a_process_that_is_killed_says_its_phase_and_its_last_lines(tmp_path: Path) -> None:
    python = interpreter(tmp_path, "echo warmup >$folder/phase; echo one; echo two >&2; kill -SEGV $$")

    outcome = supervise(turn(), tmp_path / "turn", python=python)

    assert (outcome.exit_code, outcome.signal, outcome.phase) == (None, "SIGSEGV", "warmup")
    assert outcome.tail[:2] == ("one", "two")
    assert outcome.record == ""


def test_a_process_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    python = interpreter(tmp_path, "sleep 60 & echo $! >$folder/child; wait")

    outcome = supervise(turn(timeout_s=0.3), tmp_path / "turn", python=python)

    assert outcome.timed_out
    assert is_gone(int((tmp_path / "turn" / "child").read_text()))
    assert turns.to_record(turn(timeout_s=0.3), outcome).status == "timeout"


def test_what_a_process_leaves_running_is_ended(tmp_path: Path) -> None:
    python = interpreter(tmp_path, "sleep 60 & echo $! >$folder/child")

    outcome = supervise(turn(), tmp_path / "turn", python=python)

    assert outcome.exit_code == 0
    assert is_gone(int((tmp_path / "turn" / "child").read_text()))


def test_an_interrupt_ends_the_process_first(tmp_path: Path) -> None:
    pids: list[int] = []

    def interrupt(pid: int) -> None:
        pids.append(pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervise(turn(), tmp_path / "turn", python=interpreter(tmp_path, "sleep 60"), on_start=interrupt)
    assert is_gone(pids[0])


def test_an_interpreter_that_is_not_there_is_an_outcome(tmp_path: Path) -> None:
    outcome = supervise(turn(), tmp_path / "turn", python="/nonexistent/python")
    record = turns.to_record(turn(), outcome)
    assert record.status == "failed"
    assert "No such file" in record.reason


def test_the_fresh_process_gets_its_own_packages_seed_and_scratch(tmp_path: Path) -> None:
    inherited = {"PATH": "/bin", "PYTHONPATH": "/elsewhere", "VIRTUAL_ENV": "/elsewhere", "HOME": "/home/me"}

    given = environment(turn(hash_seed=7, named=("XLA_FLAGS=x",)), tmp_path, inherited)

    assert given["PYTHONHASHSEED"] == "7"
    assert given["TMPDIR"] == str(tmp_path / "scratch")
    assert given["PYTHONPATH"] == str(tmp_path / "path")
    assert "VIRTUAL_ENV" not in given
    assert given["HOME"] == given["TMPDIR"]
    assert given["XLA_FLAGS"] == "x"


def test_the_fresh_process_imports_the_code_that_its_turn_names(tmp_path: Path) -> None:
    python = interpreter(tmp_path, 'cat "$PYTHONPATH/bench/__main__.py"; exit 3')
    (tmp_path / "snapshot" / "bench").mkdir(parents=True)
    (tmp_path / "snapshot" / "bench" / "__main__.py").write_text("as the run began")

    outcome = supervise(turn(code=str(tmp_path / "snapshot")), tmp_path / "turn", python=python)

    assert outcome.tail == ("as the run began",)


def test_a_record_has_all_variables_of_its_process_and_the_same_in_every_replicate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONTRACEMALLOC", "25")
    home = pwd.getpwuid(os.getuid()).pw_dir
    named = ("A_CHOICE=x", f"B_CHOICE={home}/mine:/usr{home}:{home}2")
    job = numpy_turn(hash_seed=7, named=named, kernels=str(tmp_path / "kernels"))
    environments = [turns.to_record(job, supervise(job, tmp_path / name)).environment for name in ("a", "b")]

    assert environments[0] is not None
    assert environments[1] is not None
    assert environments[0].named == named
    assert environments[0].variables == environments[1].variables
    assert {"A_CHOICE=x", "HOME={scratch}", "TMPDIR={scratch}", "PYTHONPATH={code}", "OMP_NUM_THREADS=1"} <= set(
        environments[0].variables
    )
    assert "CUDA_CACHE_PATH={kernels}" in environments[0].variables
    assert f"B_CHOICE={{home}}/mine:/usr{home}:{home}2" in environments[0].variables
    assert environments[0].flags == ("OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
    assert not [text for text in environments[0].variables if "TRACEMALLOC" in text or str(tmp_path) in text]


def test_what_a_library_sets_for_itself_is_no_variable_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_ADDRESS_OF_A_TENSOR", "140098698660896")  # in this process only, as PyTorch's compiler does
    assert not [text for text in describe(numpy_turn(), ()).variables if text.startswith("_ADDRESS")]


def test_a_turn_and_an_outcome_survive_json() -> None:
    outcome = turns.Outcome(started_unix_ns=1, wall_ns=2, exit_code=None, signal="SIGKILL", tail=("a",))
    assert turns.turn_from_json(turns.to_json(turn())) == turn()
    assert turns.outcome_from_json(turns.to_json(outcome)) == outcome
    with pytest.raises(RecordError):
        turns.turn_from_json(json.dumps([1]))


STRAY = """
import os, subprocess, sys, time
from bench.turns import supervise
supervise.adopt_orphans()
# A process that left its group and whose parent has ended, as a compiler's daemon does.
code = "from subprocess import *; print(Popen(['sleep', '60'], stdout=DEVNULL, start_new_session=True).pid)"
stray = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout)
own = subprocess.Popen(["sleep", "60"])  # of this process and no turn, as what draws
assert {*supervise.children()} == {stray, own.pid}
supervise.end_strays()
assert own.poll() is None
own.kill()
own.wait()
try:
    os.kill(stray, 0)
except ProcessLookupError:
    print("gone")
"""


def test_a_process_that_left_its_group_is_ended_too() -> None:
    ended = subprocess.run([sys.executable, "-c", STRAY], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("gone\n", "")


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_callers_own_pytest_does_not_reach_the_replicate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--benchmark-disable")
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")  # pytest-benchmark measures nothing beside other workers

    record = turns.to_record(numpy_turn(), supervise(numpy_turn(), tmp_path / "turn"))

    assert (record.status, record.reason) == ("ok", "")


def test_whatever_a_process_leaves_in_its_folder_is_read(tmp_path: Path) -> None:
    phase, record, log = (tmp_path / name for name in (PHASE_FILE, RECORD_FILE, LOG_FILE))
    phase.write_bytes(b"rounds\xff\x1b[31m" + b"x" * 10_000)
    record.write_bytes(b"\xff\xfe not JSON")
    log.write_bytes(b"first\n" + b"x" * (1 << 20) + b"\ncaf\xe9\x00\x1b[31m\r\nlast\n")
    assert last_phase(tmp_path).startswith("rounds")
    assert len(last_phase(tmp_path)) <= 100
    assert read(record).endswith("not JSON")
    text = read_log(log)
    assert text.endswith("\ncaf\\xe9\\x00\nlast\n")
    assert len(text) <= LOG_CHARACTERS
    assert tail(text)[-2:] == ("caf\\xe9\\x00", "last")
    for path in (phase, record, log):
        path.unlink()
        path.mkdir()
    assert (last_phase(tmp_path), read(record), read_log(log)) == ("launch", "", "")
