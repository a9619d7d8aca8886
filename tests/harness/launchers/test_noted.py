"""What the harness learns of a replicate in a worker: its phases for the sampler, and its PID where that is visible."""

import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pynvml
import pytest

from bench.turns.channel import Channel, Hello, LostError, connect
from bench.turns.turn import PHASE_FILE
from harness.launchers import noted as noting
from harness.launchers.noted import Noted, peer
from harness.launchers.workers import Patience, WorkersLauncher
from harness.samplers.base import STEADY_PHASES
from harness.samplers.observer import Observer, Watch
from tests.bench.turns.test_members import ROOT, WORKER
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.harness.launchers.test_workers import ENDED, QUICK, outcome, ready, turn

Called = list[tuple[int, Path]]


def test_phases_go_into_a_file_that_is_gone_at_the_end() -> None:
    called: Called = []
    noted = Noted(lambda pid, folder: called.append((pid, folder)), None)
    ((pid, folder),) = called
    assert pid == 0
    for phase in ("import", "rounds"):
        noted.note(phase)
        assert (folder / PHASE_FILE).read_text() == phase
    noted.close()
    noted.close()
    noted.note("teardown")
    assert not folder.exists()
    assert len(called) == 1


def test_the_newest_child_of_a_visible_worker_is_the_replicate(monkeypatch: pytest.MonkeyPatch) -> None:
    children = {7: {71}}  # a member that is parked
    monkeypatch.setattr(noting, "_children", lambda pid: set(children.get(pid, ())))
    called: Called = []
    noted = Noted(lambda pid, folder: called.append((pid, folder)), 7)
    noted.note("launch")
    children[7] = {71, 99}
    noted.note("import")
    children[7] = {71, 99, 100}
    noted.note("build")
    assert [pid for pid, _ in called] == [0, 99]
    noted.close()


def test_a_real_childs_pid_is_found() -> None:
    called: Called = []
    noted = Noted(lambda pid, folder: called.append((pid, folder)), os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        noted.note("import")
        assert called[-1][0] == child.pid
        assert child.stdin
        child.stdin.close()
    noted.close()


def test_a_worker_is_known_by_what_the_kernel_says_of_it(tmp_path: Path) -> None:
    here, there = socket.socketpair()
    me, proc = os.getpid(), tmp_path / str(os.getpid())
    with here, there:
        assert peer(here, me) == me
        assert peer(here, 7) is None  # another process, of another namespace
        proc.mkdir()
        (proc / "status").write_text(f"NSpid:\t{me}\t7\n")  # with `pid: host`: 7 is its PID inside its container
        assert (peer(here, 7, str(tmp_path)), peer(here, me, str(tmp_path))) == (me, None)


class Unseen:
    """A connection from another PID namespace: the kernel says 0."""

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option, size) == (socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return b"\0" * 12


def test_a_worker_of_another_pid_namespace_has_no_pid() -> None:
    assert peer(Unseen(), 7) is None  # type: ignore[arg-type]


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[WorkersLauncher]:
    made = WorkersLauncher(tmp_path / "harness.sock", patience=QUICK)
    yield made
    made.close()


def phases(watches: list[Watch]) -> Callable[[Channel], None]:
    """Go through a replicate as its worker reports it, and stay in each phase until the sampler has looked in it."""

    def looked(phase: str) -> bool:
        times = [t_ns for t_ns, source, _, name, _ in watches[0].samples if (source, name) == ("turn", phase)]
        return any(t_ns > times[0] for t_ns, *_ in list(watches[0].samples)) if times else False

    def go_through(channel: Channel) -> None:
        deadline = time.monotonic() + 20
        for phase in ("launch", "import", "warmup", "rounds", "check"):
            channel.send("phase", phase)
            while not looked(phase) and time.monotonic() < deadline:
                time.sleep(0.01)
        outcome(channel)

    return go_through


def test_clocks_and_power_of_a_worker_are_those_of_warm_up_and_timed_rounds(launcher: WorkersLauncher) -> None:
    watches: list[Watch] = []
    ready(launcher, torch=phases(watches))
    nvml = FakeNvml(FakeGpu(power_mw=400_000, events=pynvml.nvmlClocksEventReasonGpuIdle))
    observer = Observer(device="cuda", gpu="0", say=print, nvml=nvml)
    with observer.watch("cell#1") as watch:
        watches.append(watch)
        assert launcher.take(turn(), watch.started) == ENDED
    observer.close()
    seen = watch.observation()
    assert (seen.sm_clock_median_mhz, seen.power_median_mw, seen.clock_events) == (1980, 400_000, ("gpu idle",))
    begun = [phase for _, source, _, phase, _ in watch.samples if source == "turn"]
    assert [phase for phase in begun if phase in STEADY_PHASES] == ["warmup", "rounds"]
    assert "host_*: the harness sees no processes of this launcher" in seen.missing
    assert not any("sm_clock_median_mhz" in line for line in seen.missing)
    assert seen.foreign == ()


def test_a_member_tells_its_phases_as_well(launcher: WorkersLauncher) -> None:
    def parks(channel: Channel) -> None:
        channel.send("phase", "warmup")
        channel.send("parked", {"slice_ns": 1, "resident_bytes": 1})

    launcher.open()
    called: Called = []
    made = WorkerThread(launcher, parks)
    member = launcher.member(turn())
    member.start(lambda pid, folder: called.append((pid, folder)))
    folder = called[0][1]
    assert (folder / PHASE_FILE).read_text() == "rounds"  # in which it parks
    made.close()
    member.kill()
    assert not folder.exists()


class WorkerThread:
    """A worker that answers the first request of a member."""

    def __init__(self, launcher: WorkersLauncher, answer: Callable[[Channel], None]) -> None:
        self.channel = connect(launcher.address)
        self.channel.send("hello", dataclasses.asdict(Hello(framework="torch", pid=7, cpus=(0,), image="")))

        def work() -> None:
            try:
                self.channel.receive(5)
                answer(self.channel)
                self.channel.receive(5)
            except (LostError, TimeoutError):
                pass

        self.thread = threading.Thread(target=work)
        self.thread.start()

    def close(self) -> None:
        self.channel.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.channel.close()


def test_the_children_of_a_process_that_has_ended_are_none() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    assert not psutil.pid_exists(child.pid)
    assert noting._children(child.pid) == set()


# Stands in for an interpreter: called as `python -m bench turn FOLDER`, it goes through phases and ends.
GOES = """#!{python}
import sys, time
folder = sys.argv[4]
for phase in ("import", "build", "warmup", "rounds", "check"):
    with open(folder + "/phase", "w") as file:
        file.write(phase)
    time.sleep(0.5)
with open(folder + "/record.json", "w") as file:
    file.write("the record")
"""


def test_a_replicate_in_a_visible_worker_is_watched_as_any_other(tmp_path: Path) -> None:
    """As with `pid: host`: its processes are those of NVML's list, and no strangers."""
    python = tmp_path / "python"
    python.write_text(GOES.format(python=sys.executable))
    python.chmod(0o755)
    launcher = WorkersLauncher(tmp_path / "harness.sock", patience=Patience(worker=30.0, grace=30.0, shutdown=0.0))
    launcher.open()
    command = [sys.executable, "-c", WORKER, str(python), str(launcher.address), "numpy", "--once"]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}) as worker:

        def programs(now: float) -> dict[int, int | None]:
            return {child.pid: 300 << 20 for child in psutil.Process(worker.pid).children()}

        observer = Observer(device="cuda", gpu="0", say=print, nvml=FakeNvml(FakeGpu(programs=programs)))
        with observer.watch("cell#1") as watch:
            ended = launcher.take(turn("numpy", timeout_s=30), watch.started)
        observer.close()
        launcher.close()
    assert ended.record == "the record"
    seen = watch.observation()
    assert seen.device_process_peak_bytes == 300 << 20
    assert seen.foreign == ()
    assert seen.host_peak_rss_bytes is not None
    assert seen.host_peak_uss_bytes is not None
