"""Members of a group in a real worker process: parked, continued, killed, and all gone with the connection."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.turns import members
from bench.turns.channel import Channel, LostError
from bench.turns.members import Members
from bench.turns.turn import Outcome, Settings, Turn, to_record
from tests.bench.turns.test_supervise import numpy_turn

ROOT = Path(members.__file__).parents[2]
# Stands in for an interpreter: called as `python -m bench turn FOLDER`, it parks, spins in each slice, and ends.
PARKS = """#!{python}
import os, subprocess, sys, time
sys.path.insert(0, os.environ["PYTHONPATH"])
from bench.turns.parking import Keeper, KeeperError, Parked
from bench.turns.prepare import end_with_parent
end_with_parent()
folder = sys.argv[4]
def write(name, text):
    with open(f"{{folder}}/{{name}}", "w") as file:
        file.write(str(text))
write("phase", "warmup")
keeper = Keeper.inherited()
{setup}
write("phase", "rounds")
more = keeper.park(Parked(slice_ns=1, resident_bytes=2))
while more:
    {in_slice}
    more = keeper.end_slice()
write("record.json", "the record")
"""
# A worker whose turns run with another interpreter.
WORKER = """
import sys
python, *arguments = sys.argv[1:]
sys.executable = python
from bench.turns import worker
sys.exit(worker.main(arguments))
"""
Group = Callable[..., "Worker"]


class Worker:
    """A worker in a process of its own, and the harness's end of its connection."""

    def __init__(self, folder: Path, python: str, *options: str) -> None:
        address = folder / "harness.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            listener.listen()
            listener.settimeout(10)
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER, python, str(address), "numpy", "--once", *options],
                env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
            )
            self.channel = Channel(listener.accept()[0])
        assert self.channel.expect("hello", 10)["framework"] == "numpy"
        self.folder = folder
        self.seen: list[psutil.Process] = []

    def ask(self, kind: str, body: Any) -> tuple[str, Any]:
        """Return the answer."""
        self.channel.send(kind, body)
        return self.answer()

    def answer(self) -> tuple[str, Any]:
        """Return what it says next; phases are passed over."""
        while True:
            answer = self.channel.receive(30)
            if answer[0] != "phase":
                return answer

    def start(self, number: int, turn: Turn) -> tuple[str, Any]:
        return self.ask("start", {"member": number, "turn": dataclasses.asdict(turn)})

    def parked(self, number: int, turn: Turn) -> psutil.Process:
        """Start a member and return its process."""
        before = set(psutil.Process(self.process.pid).children())
        answer = self.start(number, turn)
        assert answer[0] == "parked", answer
        (made,) = set(psutil.Process(self.process.pid).children()) - before
        self.seen.append(made)
        assert made.status() == psutil.STATUS_STOPPED
        return made

    def folders(self) -> list[Path]:
        return list(self.folder.glob("turn-*"))

    def end(self) -> None:
        self.channel.close()
        try:
            self.process.wait(5)
        finally:
            self.process.kill()
            self.process.wait()
            for process in self.seen:
                if process.is_running():
                    process.kill()


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    """Start a worker; without a script its members are real replicates."""
    made: list[Worker] = []

    def start(*options: str, setup: str = "pass", in_slice: str = "pass", real: bool = False) -> Worker:
        script = tmp_path / "python"
        script.write_text(PARKS.format(python=sys.executable, setup=setup, in_slice=in_slice))
        script.chmod(0o755)
        made.append(Worker(tmp_path, sys.executable if real else str(script), *options))
        return made[-1]

    yield start
    for each in made:
        each.end()


def plain(**changes: Any) -> Turn:
    return dataclasses.replace(numpy_turn(timeout_s=20.0, alternates=True), **changes)


def runs(process: psutil.Process) -> bool:
    """Return whether it has not ended; whoever became its parent may be slow to reap it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(processes: list[psutil.Process], seconds: float = 1.0) -> bool:
    """Return whether all have ended within so long."""
    deadline = time.monotonic() + seconds
    while (left := any(map(runs, processes))) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not left


def outcome(answer: tuple[str, Any]) -> Outcome:
    assert answer[0] == "outcome", answer
    return Outcome(**{**answer[1], "tail": tuple(answer[1]["tail"])})


def test_numpy_replicates_take_turns_in_one_worker_and_use_no_processor_while_parked(group: Group) -> None:
    worker = group(real=True)
    settings = Settings(rounds=5, warmup_floor_ns=1, warmup_cap_ns=50_000_000, slices=3)
    turns = {number: plain(settings=settings, position=number) for number in (1, 2)}
    processes = {number: worker.parked(number, turn) for number, turn in turns.items()}

    before = processes[2].cpu_times()
    for _ in range(3):
        assert worker.ask("slice", 1) == ("ran", None)
        assert processes[1].status() == psutil.STATUS_STOPPED
    assert processes[2].cpu_times() == before
    for _ in range(3):
        assert worker.ask("slice", 2) == ("ran", None)

    for number, turn in turns.items():
        record = to_record(turn, outcome(worker.ask("finish", number)))
        assert (record.status, record.reason) == ("ok", "")
        assert record.timing is not None
        assert len(record.timing.slice_rounds) == 3
    assert gone(list(processes.values()))
    assert worker.folders() == []


def test_a_worker_sleeps_while_its_members_are_parked(group: Group) -> None:
    worker = group()
    for number in (1, 2, 3):
        worker.parked(number, plain())
    process = psutil.Process(worker.process.pid)

    def so_far() -> tuple[object, object]:
        return process.num_ctx_switches(), process.cpu_times()

    before, deadline = None, time.monotonic() + 20
    while before != so_far() and time.monotonic() < deadline:  # on a busy machine it may not sleep yet
        before = so_far()
        time.sleep(0.5)
    assert so_far() == before


def test_a_member_that_is_killed_while_parked_ends_as_an_outcome_and_the_others_go_on(group: Group) -> None:
    worker = group()
    first, second = worker.parked(1, plain()), worker.parked(2, plain())
    first.kill()

    ended = outcome(worker.ask("slice", 1))

    assert (ended.signal, ended.phase, ended.record, ended.out_of_memory) == ("SIGKILL", "rounds", "", False)
    assert worker.ask("slice", 2) == ("ran", None)
    assert outcome(worker.ask("finish", 2)).record == "the record"
    assert gone([first, second])


def test_a_member_that_ends_before_it_parks_is_an_outcome(group: Group) -> None:
    worker = group(setup="print('too early'); sys.exit(3)")
    ended = outcome(worker.start(1, plain()))
    assert (ended.exit_code, ended.tail, ended.phase) == (3, ("too early",), "warmup")
    assert worker.folders() == []


def test_a_member_that_hangs_in_a_slice_is_ended_at_its_time_limit(group: Group) -> None:
    worker = group(in_slice="time.sleep(60)")
    hangs = worker.parked(1, plain(timeout_s=2.0))
    time.sleep(0.5)  # parked: that does not count
    begin = time.monotonic()

    ended = outcome(worker.ask("slice", 1))

    assert ended.timed_out
    assert 1.0 < time.monotonic() - begin < 4.0
    assert gone([hangs])
    assert worker.parked(2, plain()).is_running()


def test_a_member_that_is_to_be_killed_is_gone_when_the_worker_answers(group: Group) -> None:
    worker = group(setup="child = subprocess.Popen(['sleep', '60'])")
    process = worker.parked(1, plain())
    tree = [process, *process.children()]
    assert len(tree) == 2
    assert worker.ask("kill", 1) == ("killed", None)
    assert gone(tree, 0.2)
    assert worker.folders() == []
    assert worker.ask("kill", 1) == ("killed", None)


def test_when_the_connection_drops_all_parked_members_are_gone_within_a_second(group: Group) -> None:
    worker = group(setup="child = subprocess.Popen(['sleep', '60'])")
    parked = [worker.parked(number, plain()) for number in (1, 2, 3)]
    everyone = [*parked, *(child for process in parked for child in process.children())]
    assert len(everyone) == 6
    worker.channel.close()
    assert gone(everyone)
    assert worker.process.wait(2) == 0
    assert worker.folders() == []


def test_when_the_connection_drops_in_a_slice_the_running_member_and_the_parked_ones_are_gone(group: Group) -> None:
    worker = group(in_slice="time.sleep(60)")
    everyone = [worker.parked(number, plain()) for number in (1, 2)]
    worker.channel.send("slice", 1)
    time.sleep(0.1)
    worker.channel.close()
    assert gone(everyone)


def test_a_message_while_a_member_runs_ends_the_connection(group: Group) -> None:
    worker = group(in_slice="time.sleep(60)")
    process = worker.parked(1, plain())
    worker.channel.send("slice", 1)
    time.sleep(0.1)
    worker.channel.send("slice", 1)
    with pytest.raises(LostError):
        worker.answer()
    assert gone([process])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_killed_leaves_nobody(group: Group, number: signal.Signals) -> None:
    worker = group()
    parked = [worker.parked(number, plain()) for number in (1, 2, 3)]
    worker.process.send_signal(number)
    assert gone(parked)


def test_a_worker_that_is_killed_while_a_member_starts_leaves_nobody(group: Group) -> None:
    worker = group(setup="time.sleep(60)")
    worker.channel.send("start", {"member": 1, "turn": dataclasses.asdict(plain())})
    while not (children := psutil.Process(worker.process.pid).children()):
        time.sleep(0.001)
    worker.process.kill()
    assert gone(children)


def test_a_goodbye_ends_the_members_too(group: Group) -> None:
    worker = group()
    process = worker.parked(1, plain())
    worker.channel.send("bye")
    assert worker.process.wait(5) == 0
    assert gone([process])


def test_tells_the_phases_while_a_member_starts(group: Group) -> None:
    worker = group("--phases", "0.01", setup="time.sleep(0.3)")
    worker.channel.send("start", {"member": 1, "turn": dataclasses.asdict(plain())})
    said = [worker.channel.receive(10)]
    while said[-1][0] == "phase":
        said.append(worker.channel.receive(10))
    assert said[-1] == ("parked", {"slice_ns": 1, "resident_bytes": 2})
    assert ("phase", "warmup") in said


def test_a_whole_turn_leaves_the_parked_members_alone(group: Group) -> None:
    worker = group()
    process = worker.parked(1, plain())
    ended = outcome(worker.ask("turn", dataclasses.asdict(plain(alternates=False, timeout_s=0.5))))
    assert ended.record == ""
    assert process.status() == psutil.STATUS_STOPPED
    assert worker.ask("slice", 1) == ("ran", None)


@pytest.mark.parametrize(
    ("kind", "body"),
    [("slice", 1), ("finish", 1), ("start", {"member": 1}), ("kill", "one"), ("start", {"member": 2, "turn": {}})],
)
def test_a_message_that_makes_no_sense_ends_the_connection(group: Group, kind: str, body: object) -> None:
    worker = group()
    process = worker.parked(2, plain())
    worker.channel.send(kind, body)
    with pytest.raises(LostError):
        worker.channel.receive(5)
    assert gone([process])


def test_a_full_file_system_is_an_outcome_of_the_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(prefix: str) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    ours, theirs = socket.socketpair()
    with theirs, Channel(ours) as channel:
        answer = Members(channel).answer("start", {"member": 1, "turn": dataclasses.asdict(plain())})
    assert outcome(answer).tail == ("[Errno 28] No space left on device",)
