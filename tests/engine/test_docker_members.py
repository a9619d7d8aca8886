"""Members of a group in containers of the docker launcher, on the real engine."""

import dataclasses
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.records.record import Record
from bench.turns.parking import Parked
from bench.turns.turn import Outcome, to_record
from harness.launchers.docker import DockerLauncher
from harness.launchers.hardening import Allowance
from harness.launchers.remote import RemoteMember
from tests.engine.project import ROOT, until
from tests.engine.test_docker_runs import TURN, ours

pytestmark = pytest.mark.engine

SLICES = 20
GROUP = dataclasses.replace(
    TURN,
    alternates=True,
    cpus=(0,),
    calls_per_round=128,
    settings=dataclasses.replace(TURN.settings, slices=SLICES, warm_blocks=0),
)


@pytest.fixture
def launcher(engine: Any) -> Iterator[DockerLauncher]:
    made = DockerLauncher("cpu", code=ROOT)
    assert made.prepare(["numpy"], lambda line: None) == {}
    yield made
    made.close()
    assert ours(engine) == []


class Started:
    """Keeps the host's PID of a container and the folder of its turn."""

    def __init__(self) -> None:
        self.pid = 0
        self.folder = Path()

    def __call__(self, pid: int, folder: Path) -> None:
        self.pid, self.folder = pid, folder

    def phase(self) -> str:
        return (self.folder / "phase").read_text()

    def replicate(self) -> psutil.Process:
        """Return the member's process: the worker's child."""
        (worker,) = psutil.Process(self.pid).children()
        (made,) = worker.children()
        return made

    def cpu_s(self) -> float:
        """Return the processor time of all processes in the container."""
        tree = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        return sum(sum(process.cpu_times()[:2]) for process in tree)


def parked(launcher: DockerLauncher) -> tuple[RemoteMember, Started]:
    member, seen = launcher.member(GROUP), Started()
    answer = member.start(seen)
    assert isinstance(answer, Parked), answer
    return member, seen


def test_two_members_alternate_in_two_containers_and_agree(launcher: DockerLauncher, engine: Any) -> None:
    members = [parked(launcher), parked(launcher)]
    assert len(ours(engine)) == 2
    assert [seen.phase() for _, seen in members] == ["rounds", "rounds"]
    before = [seen.cpu_s() for _, seen in members]
    time.sleep(2)
    assert [seen.cpu_s() - was for was, (_, seen) in zip(before, members, strict=True)] == [0.0, 0.0]

    for _ in range(SLICES):
        for member, seen in members:
            assert member.run_slice() is None
            assert seen.replicate().status() == psutil.STATUS_STOPPED
    records = [to_record(GROUP, member.finish()) for member, _ in members]

    assert [(made.status, made.reason) for made in records] == [("ok", "")] * 2
    assert [seen.folder.parent.exists() for _, seen in members] == [False, False]
    first, second = (min(steps(made)) for made in records)  # a busy host preempts most rounds, and not all
    assert 1 / 1.2 < first / second < 1.2
    for made in records:
        assert made.environment is not None
        assert made.environment.cpus == (0,)
        assert made.environment.image == f"samestep/numpy:cpu@{engine.images.get('samestep/numpy:cpu').id}"
        assert made.phases is not None
        assert made.phases.total_ns() / made.wall_ns > 0.8


def steps(made: Record) -> list[float]:
    assert made.timing is not None
    assert len(made.timing.slice_rounds) == SLICES
    return [duration / made.timing.calls_per_round for duration in made.timing.round_ns]


def test_a_member_parks_about_as_soon_as_a_turn_starts(launcher: DockerLauncher) -> None:
    took = []
    for _ in range(3):
        begin = time.monotonic()
        member, _ = parked(launcher)
        waited_s = time.monotonic() - begin
        phases = to_record(GROUP, member.finish()).phases
        assert phases is not None
        begun_ns = phases.total_ns() - phases.rounds_ns - phases.check_ns - phases.teardown_ns - phases.repeats_ns
        took.append(waited_s - begun_ns / 1e9)
    assert min(took) < 1.5  # the engine's part of it, and the worker's


def test_a_member_that_is_killed_ends_as_a_record_and_the_other_goes_on(launcher: DockerLauncher) -> None:
    (first, seen), (second, _) = parked(launcher), parked(launcher)
    seen.replicate().kill()
    ended = first.run_slice()
    assert ended is not None
    assert (ended.signal, ended.phase) == ("SIGKILL", "rounds")
    assert not seen.folder.parent.exists()
    assert second.run_slice() is None
    second.kill()


def test_a_container_that_is_killed_loses_its_member(launcher: DockerLauncher, engine: Any) -> None:
    member, seen = parked(launcher)
    (name,) = ours(engine)
    engine.containers.get(name).kill()
    ended = member.run_slice()
    assert ended is not None
    assert (ended.signal, ended.phase, ended.out_of_memory) == ("SIGKILL", "rounds", False)
    assert not seen.folder.parent.exists()


def test_a_member_that_needs_too_much_memory_says_so(engine: Any) -> None:
    launcher = DockerLauncher("cpu", code=ROOT, allowance=Allowance(memory="40m", tmp="8m"))
    launcher.prepare(["numpy"], lambda line: None)
    ended = launcher.member(GROUP).start(lambda pid, folder: None)
    launcher.close()
    assert isinstance(ended, Outcome)
    assert to_record(GROUP, ended).status == "oom"
    assert ours(engine) == []


def test_a_member_that_is_ended_leaves_nothing(launcher: DockerLauncher, engine: Any) -> None:
    member, seen = parked(launcher)
    replicate = seen.replicate()
    member.kill()
    assert not replicate.is_running()
    assert ours(engine) == []
    assert not seen.folder.parent.exists()


HARNESS = """
import sys
from tests.engine.test_docker_members import GROUP, DockerLauncher, ROOT
launcher = DockerLauncher("cpu", code=ROOT)
launcher.prepare(["numpy"], lambda line: None)
members = [launcher.member(GROUP) for _ in range(2)]
for member in members:
    member.start(lambda pid, folder: print(pid, folder, flush=True))
print("parked", flush=True)
sys.stdin.read()
"""


def test_a_harness_that_is_killed_leaves_no_process_and_the_next_one_removes_the_rest(engine: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as harness:
        assert harness.stdout is not None
        lines = [line.split() for line in iter(harness.stdout.readline, "parked\n")]
        processes = [psutil.Process(int(pid)) for pid, _ in lines]
        everyone = [each for process in processes for each in (process, *process.children(recursive=True))]
        assert len(everyone) == 6
        harness.send_signal(signal.SIGKILL)
    until(lambda: not any(process.is_running() for process in everyone), seconds=2)
    assert len(ours(engine)) == 2

    said: list[str] = []
    launcher = DockerLauncher("cpu", code=ROOT)
    launcher.prepare(["numpy"], said.append)
    launcher.close()

    assert [line.endswith("of a samestep that was killed") for line in said] == [True, True]
    assert ours(engine) == []
    assert [Path(folder).parent.exists() for _, folder in lines] == [False, False]
