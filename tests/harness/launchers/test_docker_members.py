"""Members of a group in containers of a fake engine: a worker in each, removed whatever happens."""

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from requests.exceptions import ConnectionError as EngineError

from bench.turns import worker
from bench.turns.channel import Channel, Hello, LostError, connect
from bench.turns.parking import Parked
from bench.turns.turn import Outcome, to_record
from harness.errors import SetupError
from harness.launchers import container_link
from harness.launchers.base import Member
from harness.launchers.docker import DockerLauncher
from tests.harness.launchers import test_docker
from tests.harness.launchers.test_docker import FakeContainer, FakeEngine, prepared

PARKED = Parked(slice_ns=50, resident_bytes=9)
ENDED = Outcome(started_unix_ns=1, wall_ns=2, exit_code=0, record="the record")
TURN = dataclasses.replace(test_docker.turn(cpus=(1, 3)), alternates=True)
Answer = Callable[[Channel], None]


class Contained:
    """The worker of each container that starts: answers as its script says, and ends the container with it."""

    def __init__(self, engine: FakeEngine, *script: Answer) -> None:
        self.engine = engine
        self.script = script
        self.got: list[tuple[str, Any]] = []
        self.threads: list[threading.Thread] = []
        engine.on_start = self._start
        engine.on_wait = lambda container, timeout: self.join()

    def _start(self, container: FakeContainer) -> None:
        self.threads.append(threading.Thread(target=self._work, args=(container.folder(),)))
        self.threads[-1].start()

    def _work(self, folder: Path) -> None:
        with connect(folder / "harness.sock") as channel:
            channel.send("hello", dataclasses.asdict(Hello(framework="torch", pid=7, cpus=(), image="its locks")))
            try:
                for answer in self.script:
                    self.got.append(channel.receive(5))
                    answer(channel)
                channel.receive(5)
            except LostError:
                pass
        self.engine.state["Running"] = False

    def join(self) -> None:
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()


def says(kind: str, body: Any = None) -> Answer:
    return lambda channel: channel.send(kind, body)


def die(channel: Channel) -> None:
    raise LostError


PARKS = says("parked", dataclasses.asdict(PARKED))
RAN = says("ran")
ENDS = says("outcome", dataclasses.asdict(ENDED))


class Seen:
    def __init__(self) -> None:
        self.calls: list[tuple[int, Path]] = []

    def __call__(self, pid: int, folder: Path) -> None:
        self.calls.append((pid, folder))

    @property
    def folder(self) -> Path:
        return self.calls[0][1]


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine("samestep/torch:cpu")


@pytest.fixture
def launcher(engine: FakeEngine) -> DockerLauncher:
    return prepared(engine)


def parked(launcher: DockerLauncher) -> tuple[Member, Seen]:
    member, seen = launcher.member(TURN), Seen()
    assert member.start(seen) == PARKED
    return member, seen


def test_a_member_is_kept_by_the_worker_of_a_hardened_container(engine: FakeEngine, launcher: DockerLauncher) -> None:
    inside = Contained(engine, PARKS, RAN, ENDS)
    member, seen = parked(launcher)
    assert [pid for pid, _ in seen.calls] == [4321]
    assert (seen.folder / "phase").read_text() == "rounds"
    assert seen.folder.parent.stat().st_mode & 0o777 == 0o700
    assert member.run_slice() is None
    assert member.finish() == ENDED
    inside.join()

    (container,) = engine.made
    options = container.options
    assert options["command"][:6] == ["python", "-m", "bench", "worker", "/out/harness.sock", "torch"]
    assert (options["network_mode"], options["cap_drop"], options["cpuset_cpus"]) == ("none", ["ALL"], "1,3")
    assert [volume.rpartition(":")[2] for volume in options["volumes"]] == ["ro", "ro"]
    assert [kind for kind, _ in inside.got] == ["start", "slice", "finish"]
    assert inside.got[0][1]["turn"]["image"] == "samestep/torch:cpu@sha256:samestep/torch:cpu"
    assert engine.running == []
    assert not seen.folder.parent.exists()


def test_the_command_is_one_that_the_worker_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[dict[str, Any]] = []
    monkeypatch.setattr(worker, "serve", lambda address, hello, **options: served.append(options))
    monkeypatch.setattr(worker, "adopt_orphans", lambda: None)
    worker.main(container_link.worker_command("torch")[4:])
    assert served == [{"patience_s": 5.0, "phase_every_s": 0.1, "once": True}]


def test_two_members_have_a_container_each(engine: FakeEngine, launcher: DockerLauncher) -> None:
    Contained(engine, PARKS, RAN)
    (first, _), (second, _) = parked(launcher), parked(launcher)
    assert len(engine.running) == 2
    first.kill()
    first.kill()
    assert engine.running == [engine.made[1]]
    assert second.run_slice() is None
    second.kill()
    assert engine.running == []


def test_the_phases_are_written_where_the_sampler_reads_them(engine: FakeEngine, launcher: DockerLauncher) -> None:
    seen = Seen()
    written: list[str] = []

    def read(channel: Channel) -> None:
        channel.send("phase", "warmup")
        deadline = time.monotonic() + 5
        while not (seen.folder / "phase").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.01)
        written.append((seen.folder / "phase").read_text())
        PARKS(channel)

    Contained(engine, read)
    member = launcher.member(TURN)
    assert member.start(seen) == PARKED
    assert written == ["warmup"]
    member.kill()


@pytest.mark.parametrize(("memory", "status"), [(True, "oom"), (False, "failed")])
def test_a_container_that_ends_while_its_member_is_parked_says_how(
    engine: FakeEngine, launcher: DockerLauncher, memory: bool, status: str
) -> None:
    Contained(engine, PARKS, die)
    member, seen = parked(launcher)
    engine.state |= {"ExitCode": 137, "OOMKilled": memory}
    ended = member.run_slice()
    assert ended is not None
    assert (ended.signal, ended.phase, ended.tail) == ("SIGKILL", "rounds", ("first line", "last line"))
    assert to_record(TURN, ended).status == status
    assert engine.running == []
    assert not seen.folder.parent.exists()


def test_a_container_that_ends_before_its_worker_connects_says_how(
    engine: FakeEngine, launcher: DockerLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_link, "LOOK_S", 0.01)
    engine.state |= {"ExitCode": 1, "Running": False}
    seen = Seen()
    ended = launcher.member(TURN).start(seen)
    assert isinstance(ended, Outcome)
    assert (ended.exit_code, ended.timed_out, ended.phase, ended.tail[-1]) == (1, False, "launch", "last line")
    assert engine.running == []
    assert not seen.folder.parent.exists()


def test_a_worker_that_never_connects_is_killed(
    engine: FakeEngine, launcher: DockerLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_link, "LOOK_S", 0.01)
    monkeypatch.setattr(container_link, "CONNECT_S", 0.05)
    ended = launcher.member(TURN).start(Seen())
    assert isinstance(ended, Outcome)
    assert ended.timed_out
    assert engine.made[0].done == ["start", "kill", "wait"]


def test_a_worker_that_hangs_is_killed_a_grace_after_the_time_limit(
    engine: FakeEngine, launcher: DockerLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.launchers.docker.GRACE_S", 0.1)
    Contained(engine, PARKS, lambda channel: None)
    member = launcher.member(dataclasses.replace(TURN, timeout_s=0.1))
    assert member.start(Seen()) == PARKED
    ended = member.run_slice()
    assert ended is not None
    assert to_record(TURN, ended).status == "timeout"
    assert "kill" in engine.made[0].done
    assert engine.running == []


def test_a_container_that_is_refused_is_an_outcome_with_the_reason(
    engine: FakeEngine, launcher: DockerLauncher
) -> None:
    def refuse(container: FakeContainer) -> None:
        raise APIError("500", explanation="no space left on device")

    engine.on_start = refuse
    ended = launcher.member(TURN).start(Seen())
    assert isinstance(ended, Outcome)
    assert "The Docker engine's disk is full" in to_record(TURN, ended).reason
    assert engine.running == []


def test_stops_when_the_engine_stops(engine: FakeEngine, launcher: DockerLauncher) -> None:
    def vanish(container: FakeContainer) -> None:
        raise EngineError("Connection aborted.")

    engine.on_start = vanish
    with pytest.raises(SetupError, match="The Docker engine stopped during a replicate"):
        launcher.member(TURN).start(Seen())


def test_an_interrupt_while_it_starts_removes_the_container(engine: FakeEngine, launcher: DockerLauncher) -> None:
    def interrupted(pid: int, folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launcher.member(TURN).start(interrupted)
    assert engine.running == []


def test_a_long_temporary_folder_is_no_hindrance(
    engine: FakeEngine, launcher: DockerLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    with container_link.listening(long) as listener:
        assert (long / "harness.sock").is_socket()
        assert listener.getsockname()
