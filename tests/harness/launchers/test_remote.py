"""Members of a group in workers of `docker compose`: what is said, and what a lost worker leaves."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.turns.channel import Channel, LostError
from bench.turns.parking import Parked
from bench.turns.turn import Outcome, Turn, to_record
from harness.launchers.remote import RemoteMember
from harness.launchers.workers import Patience, WorkersLauncher
from tests.harness.launchers import test_workers
from tests.harness.launchers.test_workers import ENDED

QUICK = Patience(worker=0.2, grace=0.1, shutdown=0.0)
PARKED = Parked(slice_ns=50, resident_bytes=9)
Answer = Callable[[Channel], None]


def turn(**changes: Any) -> Turn:
    return dataclasses.replace(test_workers.turn(), alternates=True, **changes)


def says(kind: str, body: Any = None) -> Answer:
    return lambda channel: channel.send(kind, body)


def die(channel: Channel) -> None:
    channel.close()
    raise LostError


def hang(channel: Channel) -> None:
    pass


PARKS = says("parked", dataclasses.asdict(PARKED))
RAN = says("ran")
ENDS = says("outcome", dataclasses.asdict(ENDED))
KILLED = says("killed")


class Scripted(test_workers.Worker):
    """A worker that answers as its script says, one message after another."""

    def __init__(self, address: Path, *script: Answer, framework: str = "torch", image: str = "") -> None:
        self.got: list[tuple[str, Any]] = []
        self.script = iter(script)
        super().__init__(address, framework, lambda channel: None, image)

    def _work(self) -> None:
        try:
            while True:
                kind, body = self.channel.receive(5)
                if kind == "bye":
                    self.ending = "bye"
                    return
                self.got.append((kind, body))
                next(self.script)(self.channel)
        except LostError:
            self.ending = "lost"
        finally:
            self.channel.close()


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[WorkersLauncher]:
    made = WorkersLauncher(tmp_path / "harness.sock", patience=QUICK)
    made.open()
    yield made
    made.close()


def unseen(pid: int, folder: Path) -> None:
    assert pid == 0, "no PID of the host is known"


def parked(launcher: WorkersLauncher, of: Turn | None = None) -> RemoteMember:
    member = launcher.member(of or turn())
    assert member.start(unseen) == PARKED
    return member


def test_members_of_one_worker_are_told_apart_by_their_numbers(launcher: WorkersLauncher) -> None:
    worker = Scripted(launcher.address, PARKS, PARKS, RAN, RAN, ENDS, KILLED, image="the image")
    first, second = parked(launcher), parked(launcher)
    assert second.run_slice() is None
    assert first.run_slice() is None
    assert second.finish() == ENDED
    second.kill()  # it is over: nothing is said
    first.kill()
    first.kill()
    launcher.close()
    assert worker.join() == "bye"
    (start, body), *others = worker.got
    assert (start, body["member"], body["turn"]["image"]) == ("start", 1, "the image")
    assert others[1:] == [("slice", 2), ("slice", 1), ("finish", 2), ("kill", 1)]


def test_a_member_that_ends_instead_of_parking_is_its_outcome(launcher: WorkersLauncher) -> None:
    Scripted(launcher.address, ENDS)
    assert launcher.member(turn()).start(unseen) == ENDED


def test_a_member_that_ends_in_a_slice_is_its_outcome_and_the_others_go_on(launcher: WorkersLauncher) -> None:
    Scripted(launcher.address, PARKS, PARKS, ENDS, RAN)
    first, second = parked(launcher), parked(launcher)
    assert first.run_slice() == ENDED
    assert second.run_slice() is None


def test_a_worker_that_dies_loses_each_of_its_members_at_its_next_call_and_no_other(launcher: WorkersLauncher) -> None:
    Scripted(launcher.address, PARKS, PARKS, die)
    Scripted(launcher.address, PARKS, RAN, framework="jax")
    first, second = parked(launcher), parked(launcher)
    other = parked(launcher, dataclasses.replace(turn(), cell=test_workers.turn("jax").cell))

    for ended in (first.run_slice(), second.finish()):
        assert ended is not None
        record = to_record(turn(), ended)
        assert record.status == "failed"
        assert record.reason.startswith("rounds: ")
        assert "its worker disconnected during the turn: the connection was closed" in record.reason
    assert other.run_slice() is None


def test_the_pause_for_a_shutdown_is_made_once_for_all_members_of_a_worker(launcher: WorkersLauncher) -> None:
    launcher.patience = dataclasses.replace(QUICK, shutdown=0.3)
    Scripted(launcher.address, PARKS, PARKS, die)
    first, second = parked(launcher), parked(launcher)
    begin = time.monotonic()
    assert first.run_slice()
    assert second.run_slice()
    assert 0.3 <= time.monotonic() - begin < 0.55


def test_a_worker_that_came_back_keeps_new_members_and_none_of_the_old(launcher: WorkersLauncher) -> None:
    Scripted(launcher.address, PARKS, PARKS, die)
    first, second = parked(launcher), parked(launcher)
    assert first.run_slice()
    again = Scripted(launcher.address, PARKS, RAN)
    third = parked(launcher)
    assert second.run_slice()
    assert third.run_slice() is None
    assert [kind for kind, _ in again.got] == ["start", "slice"]


def test_a_worker_that_died_while_its_members_were_parked_is_replaced_at_the_next_start(
    launcher: WorkersLauncher,
) -> None:
    old = Scripted(launcher.address, PARKS)
    first = parked(launcher)
    old.channel.socket.shutdown(2)
    old.join()
    Scripted(launcher.address, PARKS)
    parked(launcher)
    ended = first.run_slice()
    assert ended is not None
    assert ended.phase == "rounds"


def test_a_worker_that_hangs_is_disconnected_a_grace_after_the_time_limit(launcher: WorkersLauncher) -> None:
    worker = Scripted(launcher.address, PARKS, hang)
    member = parked(launcher, turn(timeout_s=0.2))
    time.sleep(0.3)  # parked: that does not count
    begin = time.monotonic()
    ended = member.run_slice()
    assert 0.2 < time.monotonic() - begin < 1
    assert ended is not None
    assert (ended.timed_out, ended.phase, to_record(turn(), ended).status) == (True, "rounds", "timeout")
    assert worker.join() == "lost"


def test_the_time_limit_is_for_all_slices_together(launcher: WorkersLauncher) -> None:
    def run_long(channel: Channel) -> None:
        time.sleep(0.6)
        RAN(channel)

    Scripted(launcher.address, PARKS, run_long, hang)
    member = parked(launcher, turn(timeout_s=0.8))
    assert member.run_slice() is None
    begin = time.monotonic()
    ended = member.run_slice()
    assert time.monotonic() - begin < 0.6
    assert ended is not None
    assert ended.timed_out


def test_a_lost_member_has_the_phase_that_its_worker_told_last(launcher: WorkersLauncher) -> None:
    def warm_up_and_die(channel: Channel) -> None:
        channel.send("phase", "warmup")
        die(channel)

    Scripted(launcher.address, warm_up_and_die)
    ended = launcher.member(turn()).start(unseen)
    assert isinstance(ended, Outcome)
    assert ended.phase == "warmup"


@pytest.mark.parametrize("nonsense", [says("sing"), says("parked", {"slice_ns": "long"}), says("outcome", {})])
def test_an_answer_that_makes_no_sense_loses_the_worker(launcher: WorkersLauncher, nonsense: Answer) -> None:
    worker = Scripted(launcher.address, nonsense)
    ended = launcher.member(turn()).start(unseen)
    assert isinstance(ended, Outcome)
    assert to_record(turn(), ended).status == "failed"
    assert worker.join() == "lost"


def test_a_framework_without_a_worker_is_said_as_for_a_turn(launcher: WorkersLauncher) -> None:
    ended = launcher.member(turn()).start(unseen)
    assert isinstance(ended, Outcome)
    assert (ended.phase, ended.tail[0][:32]) == ("launch", "no worker of torch has connected")


def test_an_interrupt_disconnects_the_worker_with_all_its_members(
    launcher: WorkersLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Scripted(launcher.address, PARKS, PARKS, hang)
    first, second = parked(launcher), parked(launcher)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(first, "_received", interrupted)
        with pytest.raises(KeyboardInterrupt):
            first.run_slice()
    assert worker.join() == "lost"
    first.kill()
    second.kill()
    assert [kind for kind, _ in worker.got] == ["start", "start", "slice"]


def test_a_worker_that_does_not_kill_is_disconnected(
    launcher: WorkersLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.launchers.remote.KILL_S", 0.1)
    worker = Scripted(launcher.address, PARKS, hang)
    parked(launcher).kill()
    assert worker.join() == "lost"
