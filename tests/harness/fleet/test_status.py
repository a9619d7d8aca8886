"""What becomes of a task that has no result, by what the scheduler says and what the task itself wrote."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from harness.errors import OK, SOME_FAILED, SetupError
from harness.fleet import code
from harness.fleet.folder import Begun, Ended, FleetFolder
from harness.fleet.scheduler import Phase, Place, State
from harness.fleet.simulated import Weather
from harness.fleet.status import LONG_S, hints, standing
from harness.fleet.watch import PATIENCE, watch
from tests.harness.fleet.test_fleet import Small


class Says:
    """A scheduler that says one thing of every task."""

    def __init__(self, word: str, phase: Phase = "ended", reason: str = "") -> None:
        self._state = State(phase=phase, word=word, host="gpu1", reason=reason)
        self._knows = bool(word)

    def poll(self, names: Collection[str]) -> Mapping[Place, State]:
        return {(name, index): self._state for name in names for index in range(9)} if self._knows else {}


@pytest.fixture
def one(tmp_path: Path) -> Small:
    """A run whose tasks were submitted, and on whose cluster nothing happens."""
    small = Small(tmp_path, hosts={"h200": 1}, tasks=1)
    small.cluster._free["h200"].clear()
    small.submit()
    return small


def state_of(one: Small, says: Says, code: int | None = None, *, begins: bool = True) -> tuple[str, str]:
    begun = Begun(task=1, submission=1, restart=0, host="gpu1", unix_ns=1)
    if begins:
        one.folder.begin(begun)
    if code is not None:
        one.folder.end(begun, Ended(code=code, reason="a reason", unix_ns=2))
    state = standing(one.folder, says, 1e6).tasks[0]  # type: ignore[arg-type]
    return state.word, state.reason


@pytest.mark.parametrize(
    ("word", "code", "became"),
    [
        ("FAILED", 75, ("LOST", "a reason")),
        ("FAILED", 1, ("ERROR", "a reason")),
        ("NODE_FAIL", None, ("LOST", "gpu1 was lost")),
        ("", None, ("LOST", "gpu1 was lost")),  # Slurm has forgotten it
        ("TIMEOUT", 130, ("ERROR", "the time limit ended it: raise time_limit")),
        ("TIMEOUT", None, ("ERROR", "the time limit ended it: raise time_limit")),
        ("PREEMPTED", 130, ("LOST", "a reason")),
        ("CANCELLED", 130, ("ERROR", "it was cancelled by somebody else")),
        ("CANCELLED", None, ("ERROR", "it was cancelled by somebody else")),
    ],
)
def test_a_task_that_ended_is_tried_again_only_where_that_can_help(
    one: Small, word: str, code: int | None, became: tuple[str, str]
) -> None:
    assert state_of(one, Says(word), code) == became


def test_a_task_that_is_begun_again_says_how_often_it_had_begun(one: Small) -> None:
    assert state_of(one, Says("PENDING", "pending", "BeginTime")) == ("RETRY", "BeginTime")
    assert str(standing(one.folder, Says("PENDING", "pending")).tasks[0]).endswith("RETRY 1")  # type: ignore[arg-type]


def test_a_host_that_waits_for_long_gets_a_hint(one: Small) -> None:
    now = standing(one.folder, Says("PENDING", "pending", "Resources"), 0)  # type: ignore[arg-type]
    assert hints(now, {1: 0.0}, LONG_S - 1) == ()
    (hint,) = hints(now, {1: 0.0}, LONG_S + 1)
    assert hint.startswith("1 task")
    assert "scontrol reconfigure" in hint


def test_a_scheduler_may_be_silent_for_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Small(tmp_path, hosts={"h200": 1}, tasks=1)
    small.submit()
    real, silent = small.cluster.poll, [PATIENCE]

    def poll(names: Collection[str]) -> Mapping[Place, State]:
        silent[0] -= 1
        if silent[0] >= 0:
            raise SetupError("Slurm does not answer.")
        return real(names)

    monkeypatch.setattr(small.cluster, "poll", poll)
    assert small.watch() == OK
    small = Small(tmp_path / "other", hosts={"h200": 1}, tasks=1)
    small.submit()
    silent[0] = PATIENCE + 1
    monkeypatch.setattr(small.cluster, "poll", poll)
    with pytest.raises(SetupError, match="does not answer"):
        watch(small.folder, small.cluster, small.said.append, small.cluster.sleep, small.cluster.clock)


def test_what_is_lost_is_not_submitted_again_from_another_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Small(tmp_path, weather=Weather(lost=0.4), hosts={"h200": 5}, requeue=False, seed=2)
    fleet = dataclasses.replace(small.folder.fleet, code=(("bench/a.py", "0" * 64),))
    small.folder.write("fleet.json", fleet)
    small.folder = FleetFolder(small.folder.path)
    small.submit()
    monkeypatch.setattr(code, "of_checkout", lambda: (("bench/a.py", "1" * 64),))
    assert small.watch() == SOME_FAILED
    assert len(small.folder.submissions()) == 1
    said = [line for line in small.said if "another samestep than the one that was submitted: bench/a.py" in line]
    assert said
    monkeypatch.setattr(code, "of_checkout", lambda: fleet.code)
    assert small.watch() == OK
