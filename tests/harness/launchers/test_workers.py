"""The launcher of `docker compose up`: sends turns to workers that connect."""

import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.turns.channel import Channel, Hello, LostError, connect
from bench.turns.turn import Outcome, Settings, Turn, to_record
from harness.errors import SetupError
from harness.launchers import workers
from harness.launchers.workers import Patience, WorkersLauncher
from tests.factories import cell

QUICK = Patience(worker=0.2, grace=0.1, shutdown=0.0)
ENDED = Outcome(started_unix_ns=1, wall_ns=2, exit_code=0, record="the record")


def turn(framework: str = "torch", timeout_s: float = 5) -> Turn:
    return Turn(
        cell=cell(framework=framework),
        block=1,
        position=1,
        settings=Settings(rounds=1, warmup_floor_ns=1, warmup_cap_ns=1),
        calls_per_round=None,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=timeout_s,
        launcher="workers",
    )


class Worker:
    """A worker in a thread that answers each turn as it is told to."""

    def __init__(self, address: Path, framework: str, answer: Callable[[Channel], None], image: str = "") -> None:
        self.turns: list[str] = []
        self.images: list[str] = []
        self.codes: list[str] = []
        self.answer = answer
        self.channel = self._connect(address)
        self.channel.send("hello", dataclasses.asdict(Hello(framework=framework, pid=7, cpus=(0,), image=image)))
        self.ending = ""
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _connect(self, address: Path) -> Channel:
        deadline = time.monotonic() + 5
        while True:
            try:
                return connect(address)
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.001)

    def _work(self) -> None:
        try:
            while True:
                kind, body = self.channel.receive(5)
                if kind == "bye":
                    self.ending = "bye"
                    return
                self.turns.append(body["cell"]["framework"])
                self.images.append(body["image"])
                self.codes.append(body["code"])
                self.answer(self.channel)
        except LostError:
            self.ending = "lost"
        finally:
            self.channel.close()

    def join(self) -> str:
        self.thread.join(5)
        assert not self.thread.is_alive()
        return self.ending


def outcome(channel: Channel) -> None:
    channel.send("outcome", dataclasses.asdict(ENDED))


def die(channel: Channel) -> None:
    channel.send("phase", "warmup")
    channel.close()
    raise LostError


def hang(channel: Channel) -> None:
    channel.send("phase", "first_step")


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[WorkersLauncher]:
    made = WorkersLauncher(tmp_path / "harness.sock", patience=QUICK)
    yield made
    made.close()


def ready(launcher: WorkersLauncher, **answers: Callable[[Channel], None]) -> dict[str, Worker]:
    """Prepare a launcher with one worker per framework."""
    launcher.open()
    made = {name: Worker(launcher.address, name, answer) for name, answer in answers.items()}
    assert launcher.prepare(list(answers), lambda line: None) == {}
    return made


def test_waits_for_the_workers_and_says_what_it_waits_for(launcher: WorkersLauncher) -> None:
    said: list[str] = []
    came: list[Worker] = []
    thread = threading.Thread(target=lambda: came.append(Worker(launcher.address, "torch", outcome)))
    thread.start()
    reasons = launcher.prepare(["torch", "jax"], said.append)
    thread.join()
    assert said == ["waiting for the workers of torch, jax", "torch: its worker is ready"]
    assert reasons == {
        "jax": "no worker of jax has connected: `docker compose logs jax` says why, "
        "`docker compose up -d jax` starts it; SAMESTEP_FRAMEWORK and SAMESTEP_PROFILE say which are started with a run"
    }
    launcher.close()
    assert came[0].join() == "bye"


def test_a_worker_whose_framework_no_cell_needs_is_neither_waited_for_nor_kept(launcher: WorkersLauncher) -> None:
    launcher.open()
    made = [Worker(launcher.address, name, outcome) for name in ("flax", "torch", "lightning")]
    said: list[str] = []
    assert launcher.prepare(["torch"], said.append) == {}
    assert said == ["waiting for the workers of torch", "torch: its worker is ready"]
    assert launcher.take(turn("torch"), lambda pid, folder: None) == ENDED
    launcher.close()
    assert [(each.join(), each.turns) for each in made] == [("bye", []), ("bye", ["torch"]), ("bye", [])]


def test_sends_each_turn_to_the_worker_of_its_framework(launcher: WorkersLauncher) -> None:
    made = ready(launcher, torch=outcome, jax=outcome)
    for framework in ("jax", "torch", "jax"):
        assert launcher.take(turn(framework), lambda pid, folder: None) == ENDED
    assert (made["torch"].turns, made["jax"].turns) == (["torch"], ["jax", "jax"])
    launcher.close()
    assert [each.join() for each in made.values()] == ["bye", "bye"]


def test_the_turn_carries_the_workers_image(launcher: WorkersLauncher) -> None:
    ready(launcher)
    made = Worker(launcher.address, "torch", outcome, image="samestep/torch:cpu@sha256:1")
    launcher.take(turn(), lambda pid, folder: None)
    assert made.images == ["samestep/torch:cpu@sha256:1"]


def test_a_worker_that_dies_in_mid_turn_is_a_failed_record_with_its_phase(launcher: WorkersLauncher) -> None:
    ready(launcher, torch=die)
    ended = launcher.take(turn(), lambda pid, folder: None)
    assert (ended.phase, ended.tail) == (
        "warmup",
        ("its worker disconnected during the turn: the connection was closed",),
    )
    assert to_record(turn(), ended).status == "failed"


def test_a_worker_that_came_back_takes_the_next_turn(launcher: WorkersLauncher) -> None:
    ready(launcher, torch=die)
    launcher.take(turn(), lambda pid, folder: None)
    Worker(launcher.address, "torch", outcome)
    assert launcher.take(turn(), lambda pid, folder: None) == ENDED


def test_waits_once_for_a_worker_that_does_not_come_back(launcher: WorkersLauncher) -> None:
    ready(launcher, torch=die)
    launcher.take(turn(), lambda pid, folder: None)
    begin = time.monotonic()
    first = launcher.take(turn(), lambda pid, folder: None)
    waited = time.monotonic() - begin
    assert launcher.take(turn(), lambda pid, folder: None).tail == first.tail
    assert first.tail[0].startswith("no worker of torch has connected: ")
    assert time.monotonic() - begin < waited + QUICK.worker / 2
    assert waited >= QUICK.worker
    Worker(launcher.address, "torch", outcome)  # later still, it is welcome
    assert launcher.take(turn(), lambda pid, folder: None) == ENDED


def test_a_worker_that_died_idle_is_replaced_by_the_one_that_came_back(launcher: WorkersLauncher) -> None:
    made = ready(launcher, torch=outcome)
    made["torch"].channel.socket.shutdown(socket.SHUT_RDWR)
    made["torch"].join()
    Worker(launcher.address, "torch", outcome)
    assert launcher.take(turn(), lambda pid, folder: None) == ENDED


def test_a_second_worker_of_a_framework_is_a_spare(launcher: WorkersLauncher) -> None:
    ready(launcher, torch=die)
    spare = Worker(launcher.address, "torch", outcome)
    assert launcher.take(turn(), lambda pid, folder: None).tail
    assert launcher.take(turn(), lambda pid, folder: None) == ENDED
    assert spare.turns == ["torch"]


def test_a_worker_that_hangs_beyond_the_limit_is_disconnected_as_a_timeout(launcher: WorkersLauncher) -> None:
    made = ready(launcher, torch=hang)
    ended = launcher.take(turn(timeout_s=0.05), lambda pid, folder: None)
    assert (ended.timed_out, ended.phase, to_record(turn(), ended).status) == (True, "first_step", "timeout")
    assert made["torch"].join() == "lost"


def test_an_interrupt_disconnects_the_worker_and_goes_on(
    launcher: WorkersLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ready(launcher, torch=hang)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(launcher, "_await_outcome", interrupted)
        with pytest.raises(KeyboardInterrupt):
            launcher.take(turn(), lambda pid, folder: None)
    assert made["torch"].join() == "lost"


def test_a_connection_that_is_not_a_worker_is_closed(launcher: WorkersLauncher) -> None:
    launcher.open()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(launcher.address))
        stranger.sendall(b"GET / HTTP/1.1\n")
        assert set(launcher.prepare(["torch"], lambda line: None)) == {"torch"}
        assert stranger.recv(10) == b""


def test_refuses_to_run_beside_another_harness(launcher: WorkersLauncher) -> None:
    ready(launcher)
    with pytest.raises(SetupError, match="another samestep uses the workers at "):
        workers.listen(launcher.address)


def test_replaces_a_harness_that_was_killed(launcher: WorkersLauncher) -> None:
    workers.listen(launcher.address).close()
    assert launcher.address.exists()
    ready(launcher, torch=outcome)
    assert launcher.take(turn(), lambda pid, folder: None) == ENDED


def test_outside_compose_it_says_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="the launcher 'workers' is for `docker compose up`"):
        WorkersLauncher(tmp_path / "no folder" / "harness.sock").prepare(["torch"], lambda line: None)


def test_closing_twice_or_unprepared_is_harmless(launcher: WorkersLauncher) -> None:
    launcher.close()
    ready(launcher, torch=outcome)
    launcher.close()
    launcher.close()
    assert not launcher.address.exists()


def test_idle_workers_exit(tmp_path: Path) -> None:
    address = tmp_path / "harness.sock"
    made: list[Worker] = []
    threads = [threading.Thread(target=lambda: made.append(Worker(address, "torch", outcome))) for _ in range(2)]
    for thread in threads:
        thread.start()
    workers.dismiss(address, seconds=0.2)
    for thread in threads:
        thread.join()
    assert [each.join() for each in made] == ["bye", "bye"]


def test_the_workers_of_another_harness_stay(launcher: WorkersLauncher) -> None:
    made = ready(launcher, torch=outcome)
    with pytest.raises(SetupError):
        workers.dismiss(launcher.address, seconds=0.1)
    assert launcher.take(turn(), lambda pid, folder: None) == ENDED
    assert made["torch"].turns == ["torch"]


def test_workers_import_the_code_that_the_run_began_with(tmp_path: Path) -> None:
    code = tmp_path / "snapshot"
    (code / "bench").mkdir(parents=True)
    (code / "bench" / "file.py").write_text("as the run began")
    left = tmp_path / "code-of-a-harness-that-was-killed"
    left.mkdir()
    launcher = WorkersLauncher(tmp_path / "harness.sock", patience=QUICK, code=code)
    read: list[str] = []

    def outcome_with_code(channel: Channel) -> None:
        (shared,) = tmp_path.glob("code-*")
        read.append((shared / "bench" / "file.py").read_text())
        assert shared.stat().st_mode & 0o777 == 0o755  # for the user of the workers
        outcome(channel)

    try:
        made = ready(launcher, torch=outcome_with_code)
        (code / "bench" / "file.py").write_text("changed")
        assert launcher.take(turn("torch"), lambda pid, folder: None) == ENDED
        assert made["torch"].codes[0].startswith(str(tmp_path / "code-"))
    finally:
        launcher.close()
    assert read == ["as the run began"]
    assert list(tmp_path.glob("code-*")) == []


def test_code_that_does_not_fit_on_the_volume_says_how_to_make_it_anew(tmp_path: Path) -> None:
    launcher = WorkersLauncher(tmp_path / "harness.sock", patience=QUICK, code=tmp_path / "missing")
    with pytest.raises(SetupError, match=r"docker compose --profile '\*' down --volumes"):
        launcher.prepare(["torch"], lambda line: None)
    assert list(tmp_path.iterdir()) == []
