"""A replicate that takes turns, in real processes: parked it uses no processor, and nothing of it is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.records.record import Record
from bench.turns import turn as turns
from bench.turns.kept import Kept, can_stop
from bench.turns.parking import Parked
from bench.turns.turn import Outcome
from tests.bench.protocol.test_replicate import turn
from tests.bench.turns.test_supervise import is_gone, numpy_turn

TALKS = """
import json, os, socket, sys, threading, time
folder = sys.argv[-1]
keeper = socket.socket(fileno=int(os.environ["SAMESTEP_KEEPER"]))
lines = keeper.makefile("rw")
def say(kind, body=None):
    lines.write(json.dumps({kind: body}) + "\\n"); lines.flush()
def wait():
    line = lines.readline()
    return next(iter(json.loads(line))) if line else "nobody"
PARKED = {"slice_ns": 1000000, "resident_bytes": 1}
"""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    """Make members whose interpreter runs a script, or NumPy's real turn without one; end them afterwards."""
    made: list[Kept] = []
    alive: set[int] = set()

    def make(script: str = "", **changes: Any) -> Kept:
        python = sys.executable
        if script:
            path = tmp_path / f"python{len(made)}"
            path.write_text(f"#!{sys.executable}\n{TALKS}{script}")
            path.chmod(0o755)
            python = str(path)
        job = turn(alternates=True, **changes) if script else numpy_turn(alternates=True, **changes)
        made.append(Kept(job, tmp_path / f"turn{len(made)}", alive, python))
        return made[-1]

    yield make
    for member in made:
        member.kill()


def started(member: Kept) -> int:
    """Start a member that parks; return its PID."""
    pids: list[int] = []
    parked = member.start(lambda pid, folder: pids.append(pid))
    assert isinstance(parked, Parked), parked
    return pids[0]


def ended(outcome: Outcome | Parked | None) -> Outcome:
    assert isinstance(outcome, Outcome)
    return outcome


def record_of(member: Kept) -> Record:
    return turns.to_record(numpy_turn(), member.finish())


def test_a_real_replicate_runs_as_many_slices_as_it_gets(kept: Callable[..., Kept]) -> None:
    member = kept()
    pid = started(member)
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    for _ in range(6):
        assert member.run_slice() is None
        assert psutil.Process(pid).status() == psutil.STATUS_STOPPED

    record = record_of(member)

    assert (record.status, record.reason) == ("ok", "")
    timing, phases = record.timing, record.phases
    assert timing is not None
    assert phases is not None
    assert len(timing.slice_rounds) == len(timing.switch_round_ns) == 6
    assert sum(timing.slice_rounds) == len(timing.round_ns) == len(timing.round_begin_ns)
    assert sum(timing.round_ns[: timing.slice_rounds[0]]) > 0.01e9
    assert timing.round_begin_ns == tuple(sorted(timing.round_begin_ns))
    assert is_gone(pid)


def test_the_time_in_which_it_was_parked_is_in_no_phase_and_not_in_its_wall_time(kept: Callable[..., Kept]) -> None:
    member = kept()
    started(member)
    time.sleep(1.5)
    for _ in range(3):
        assert member.run_slice() is None

    record = record_of(member)

    assert record.phases is not None
    assert record.timing is not None
    assert record.phases.parked_ns > 1.4e9
    assert record.phases.rounds_ns < 1.4e9
    assert 0.5 < record.phases.total_ns() / record.wall_ns <= 1.05
    assert record.timing.process_wall_ns < 1.4e9
    assert 0 < record.timing.process_cpu_ns / record.timing.process_wall_ns <= 1.1


def test_two_of_the_same_cell_that_take_turns_interleave(kept: Callable[..., Kept]) -> None:
    members = [kept(), kept(hash_seed=2)]
    for member in members:
        started(member)
    for _ in range(8):
        for member in members:
            assert member.run_slice() is None

    a, b = (record.timing for record in map(record_of, members))

    assert a is not None
    assert b is not None
    begins = [list(each.round_begin_ns[:: each.slice_rounds[0]]) for each in (a, b)]
    assert all(left < right for left, right in zip(*begins, strict=True))
    assert all(right < left for right, left in zip(begins[1], begins[0][1:], strict=False))


def test_a_parked_process_uses_no_processor_though_its_threads_spin(kept: Callable[..., Kept]) -> None:
    member = kept(
        "threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start(); say('parked', PARKED); wait()"
    )
    process = psutil.Process(started(member))
    before = sum(process.cpu_times()[:2])
    time.sleep(1.0)
    assert sum(process.cpu_times()[:2]) - before <= 0.01


@pytest.mark.parametrize(
    ("script", "signal_", "code"),
    [
        ("os.kill(os.getpid(), 11)", "SIGSEGV", None),
        ("print('no wheel'); sys.exit(3)", "", 3),
        ("keeper.close(); lines.close(); sys.exit(4)", "", 4),
    ],
)
def test_what_ends_before_it_parks_is_an_outcome(
    kept: Callable[..., Kept], script: str, signal_: str, code: int | None
) -> None:
    outcome = ended(kept(script).start(lambda pid, folder: None))
    assert (outcome.signal, outcome.exit_code, outcome.timed_out) == (signal_, code, False)


def test_a_record_that_it_wrote_before_it_parked_is_kept(kept: Callable[..., Kept]) -> None:
    outcome = ended(kept("open(folder + '/record.json', 'w').write('{}')").start(lambda pid, folder: None))
    assert (outcome.exit_code, outcome.record) == (0, "{}")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_what_is_killed_while_it_is_parked_is_an_outcome_of_its_next_turn(
    kept: Callable[..., Kept], number: int
) -> None:
    member = kept("say('parked', PARKED); wait()")
    pid = started(member)
    os.kill(pid, number)
    os.kill(pid, signal.SIGCONT)
    assert is_gone(pid)
    assert ended(member.run_slice()).signal == signal.Signals(number).name


def test_what_is_killed_while_it_is_parked_is_an_outcome_when_it_is_to_finish(kept: Callable[..., Kept]) -> None:
    member = kept("say('parked', PARKED); wait()")
    os.kill(started(member), signal.SIGKILL)
    assert ended(member.finish()).signal == "SIGKILL"


@pytest.mark.parametrize("script", ["time.sleep(60)", "say('parked', PARKED); wait(); time.sleep(60)"])
def test_what_hangs_is_ended_with_its_children(kept: Callable[..., Kept], script: str, tmp_path: Path) -> None:
    child = (
        f"import subprocess; open({str(tmp_path / 'child')!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid));"
    )
    member = kept(f"{child} {script}", timeout_s=0.6)

    outcome = member.start(lambda pid, folder: None)
    outcome = ended(outcome if isinstance(outcome, Outcome) else member.run_slice())

    assert outcome.timed_out
    assert is_gone(int((tmp_path / "child").read_text()))


def test_the_time_in_which_it_is_parked_does_not_count_against_its_limit(kept: Callable[..., Kept]) -> None:
    member = kept("say('parked', PARKED)\nwhile wait() == 'slice': say('ran')", timeout_s=0.8)
    started(member)
    time.sleep(1.2)
    assert member.run_slice() is None
    outcome = member.finish()
    assert (outcome.exit_code, outcome.timed_out) == (0, False)
    assert outcome.wall_ns < 0.8e9


def test_nonsense_ends_it(kept: Callable[..., Kept]) -> None:
    assert ended(kept("say('speed', 3); wait()").start(lambda pid, folder: None)).signal == "SIGKILL"
    assert ended(kept("say('parked', {'slice_ns': 'x'}); wait()").start(lambda pid, folder: None)).signal == "SIGKILL"


def test_an_interpreter_that_is_not_there_is_an_outcome(tmp_path: Path) -> None:
    member = Kept(turn(alternates=True), tmp_path / "turn", set(), "/nonexistent/python")
    outcome = ended(member.start(lambda pid, folder: None))
    assert "No such file" in turns.to_record(turn(), outcome).reason
    member.kill()


def test_a_process_of_another_member_is_spared(kept: Callable[..., Kept]) -> None:
    first = kept("say('parked', PARKED); wait()")
    pid = started(first)
    ended(kept("sys.exit(0)").start(lambda pid, folder: None))
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    assert first.finish().exit_code == 0


KEEPER = """
import os, signal, sys, time
from pathlib import Path
from bench.turns.kept import Kept
from bench.turns.supervise import adopt_orphans
from tests.bench.turns.test_supervise import numpy_turn
adopt_orphans()
members = [Kept(numpy_turn(alternates=True), Path(sys.argv[1]) / str(n), set()) for n in range(2)]
pids = []
for member in members:
    member.start(lambda pid, folder: pids.append(pid))
print(*pids, flush=True)
{then}
"""


@pytest.mark.parametrize("then", ["time.sleep(60)", "while True: members[0].run_slice()"])
def test_a_keeper_that_is_killed_leaves_nobody_stopped(tmp_path: Path, then: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER.replace("{then}", then), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdout
        pids = [int(pid) for pid in keeper.stdout.readline().split()]
        assert len(pids) == 2
        time.sleep(0.2)
        keeper.kill()
    assert all(map(is_gone, pids))


def test_processes_can_be_stopped_here() -> None:
    assert can_stop()
