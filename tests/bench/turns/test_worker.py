"""The worker of `docker compose up`: takes turns from a socket and leaves nothing running."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.turns import worker
from bench.turns.channel import Channel, Hello, LostError
from bench.turns.turn import Outcome, Settings, Turn
from bench.turns.watch import PhaseWatch
from tests.factories import cell

HELLO = Hello(framework="torch", pid=7, cpus=(1,), image="samestep/torch:cpu")
SETTINGS = Settings(rounds=1, warmup_floor_ns=1, warmup_cap_ns=1)
ENDED = Outcome(started_unix_ns=1, wall_ns=2, exit_code=0, record='{"schema":1}')


def turn(**changes: object) -> Turn:
    plain = Turn(
        cell=cell(),
        block=1,
        position=1,
        settings=SETTINGS,
        calls_per_round=None,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=5,
        launcher="workers",
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


class Harness:
    """Listens as the harness does, for a `serve` that runs in a thread."""

    def __init__(self, folder: Path, phase_every_s: float) -> None:
        self.address = folder / "harness.sock"
        self.phase_every_s = phase_every_s
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.address))
        self.listener.listen()
        self.listener.settimeout(5)
        self.said: list[str] = []
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        worker.serve(self.address, HELLO, patience_s=0.5, phase_every_s=self.phase_every_s, say=self.said.append)

    def accept(self) -> Channel:
        channel = Channel(self.listener.accept()[0])
        assert channel.expect("hello", 5)["framework"] == "torch"
        return channel

    def leave(self, channel: Channel) -> None:
        channel.send("bye")
        self.thread.join(5)
        assert not self.thread.is_alive()
        channel.close()


@pytest.fixture
def harness(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    monkeypatch.setattr(worker, "end_strays", lambda spare: None)  # they would be the test runner's other children
    monkeypatch.setattr(worker, "RETRY_FIRST_S", 0.01)
    made = Harness(tmp_path, getattr(request, "param", 60))
    yield made
    made.listener.close()
    made.thread.join(5)


def fake_supervise(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[Turn, Path, Callable[[int], None]], Outcome]
) -> None:
    def supervise(turn: Turn, folder: Path, *, on_start: Callable[[int], None]) -> Outcome:
        return run(turn, folder, on_start)

    monkeypatch.setattr(worker, "supervise", supervise)


def test_runs_the_turns_it_is_given_and_leaves_at_goodbye(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Turn] = []

    def run(turn: Turn, folder: Path, on_start: Callable[[int], None]) -> Outcome:
        taken.append(turn)
        return ENDED

    fake_supervise(monkeypatch, run)
    channel = harness.accept()
    for position in (1, 2):
        channel.send("turn", dataclasses.asdict(turn(position=position)))
        assert channel.expect("outcome", 5)["record"] == ENDED.record
    harness.leave(channel)
    assert taken == [turn(position=1), turn(position=2)]
    assert harness.said == []


def test_kills_its_turn_and_connects_anew_when_the_harness_goes_away(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int | None] = []

    def sleep(turn: Turn, folder: Path, on_start: Callable[[int], None]) -> Outcome:
        with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
            on_start(process.pid)
            ended.append(process.wait(10))
        return ENDED

    fake_supervise(monkeypatch, sleep)
    channel = harness.accept()
    channel.send("turn", dataclasses.asdict(turn()))
    time.sleep(0.1)
    begin = time.monotonic()
    channel.close()
    again = harness.accept()
    assert time.monotonic() - begin < 2
    assert ended == [-signal.SIGKILL]
    harness.leave(again)
    assert harness.said == ["lost the harness: the turn was ended"]


@pytest.mark.parametrize("harness", [0.01], indirect=True)
def test_tells_the_phase_of_a_running_turn(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()

    def run(turn: Turn, folder: Path, on_start: Callable[[int], None]) -> Outcome:
        (folder / "phase").write_text("warmup")
        assert told.wait(5)
        return ENDED

    fake_supervise(monkeypatch, run)
    channel = harness.accept()
    channel.send("turn", dataclasses.asdict(turn()))
    phases = [channel.receive(5)]
    while phases[-1] != ("phase", "warmup"):
        phases.append(channel.receive(5))
    told.set()
    assert channel.receive(5)[0] == "outcome"
    assert phases[:-1] in ([], [("phase", "launch")])
    harness.leave(channel)


def test_an_error_of_the_file_system_ends_the_turn_with_its_sentence(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(turn: Turn, folder: Path, on_start: Callable[[int], None]) -> Outcome:
        raise OSError(28, "No space left on device")

    fake_supervise(monkeypatch, full)
    channel = harness.accept()
    channel.send("turn", dataclasses.asdict(turn()))
    assert channel.expect("outcome", 5)["tail"] == ["[Errno 28] No space left on device"]
    harness.leave(channel)


def test_a_message_it_does_not_know_makes_it_connect_anew(harness: Harness) -> None:
    for kind, body in (("sing", None), ("turn", None), ("turn", {"cell": {}})):
        channel = harness.accept()
        channel.send(kind, body)
        with pytest.raises(LostError):
            channel.receive(5)
        channel.close()
    harness.leave(harness.accept())
    assert harness.said[0] == "lost the harness: unknown message 'sing'"
    assert harness.said[2].startswith("lost the harness: a turn that cannot be read: ")


def test_leaves_when_no_harness_answers(tmp_path: Path) -> None:
    said: list[str] = []
    worker.serve(tmp_path / "none.sock", HELLO, patience_s=0.02, say=said.append)
    assert said == [f"no harness at {tmp_path}/none.sock for 0.02 s: leaving"]


def test_a_turn_that_starts_after_the_connection_was_lost_is_killed_at_once(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with Channel(ours) as channel, PhaseWatch(channel, tmp_path) as watch:
        theirs.close()
        while not watch.lost:
            time.sleep(0.001)
        with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
            watch.started(process.pid)
            assert process.wait(5) == -signal.SIGKILL


def test_tells_its_image_by_the_lock_files_in_it(tmp_path: Path) -> None:
    assert worker.identity("torch", tmp_path) == ""
    (tmp_path / "torch.cpu-py311.txt").write_text("torch==2.13.0+cpu")
    first = worker.identity("torch", tmp_path)
    (tmp_path / "numpy.cpu-py311.txt").write_text("numpy==2.4.6")
    assert first.startswith("samestep/torch, locks sha256:")
    assert worker.identity("torch", tmp_path) != first


IDLE = """
import sys
from bench.turns import worker
heavy = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"bench", "__main__"}
print(sorted(name for name in heavy if not name.startswith(("_", "sitecustomize"))))
print(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
"""


def test_idles_below_40_mb_and_imports_the_standard_library_only() -> None:
    # -S: no packages beside the interpreter, as hooks of an editable install would bring some along
    environment = {**os.environ, "PYTHONPATH": str(Path(worker.__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-S", "-c", IDLE], capture_output=True, text=True, check=True, env=environment
    )
    heavy, resident_kib = ended.stdout.splitlines()
    assert heavy == "[]"
    assert int(resident_kib) < 40_000


def test_the_drivers_kernels_last_as_long_as_the_worker(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kernels: list[str] = []

    def run(turn: Turn, folder: Path, on_start: Callable[[int], None]) -> Outcome:
        kernels.append(turn.kernels)
        return ENDED

    fake_supervise(monkeypatch, run)
    channel = harness.accept()
    for device in ("cuda", "cuda", "cpu"):
        channel.send("turn", dataclasses.asdict(turn(cell=cell(device=device))))
        channel.expect("outcome", 5)
    harness.leave(channel)
    assert kernels == [str(tmp_path / "kernels"), str(tmp_path / "kernels"), ""]
    assert (tmp_path / "kernels").is_dir()


def test_the_worker_of_a_single_replicate_keeps_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its container is gone before a second attempt could find them."""
    kernels: list[str] = []

    def run(turn: Turn, folder: Path, on_start: Callable[[int], None]) -> Outcome:
        kernels.append(turn.kernels)
        return ENDED

    monkeypatch.setattr(worker, "end_strays", lambda spare: None)
    fake_supervise(monkeypatch, run)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "harness.sock"))
        listener.listen()
        listener.settimeout(5)
        serving = threading.Thread(target=worker.serve, args=(tmp_path / "harness.sock", HELLO), kwargs={"once": True})
        serving.start()
        channel = Channel(listener.accept()[0])
        channel.expect("hello", 5)
        channel.send("turn", dataclasses.asdict(turn(cell=cell(device="cuda"))))
        channel.expect("outcome", 5)
        channel.send("bye")
        serving.join(5)
        channel.close()
    assert kernels == [""]
