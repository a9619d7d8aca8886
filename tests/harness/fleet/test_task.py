"""A task on its host: its exit code, and what it leaves in the folder and on the host."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.records.record import Failure
from harness.errors import INTERRUPTED, MachineError, SelectionError, SetupError, StoreError
from harness.fleet import code, task
from harness.fleet.attempts import BAD_HOST, INFRASTRUCTURE, MOST_ATTEMPTS
from harness.fleet.folder import Begun, Ended, FleetFolder
from harness.fleet.request import HostType
from harness.fleet.simulated import Host, Simulated
from harness.fleet.submit import hand_over
from harness.fleet.task import Here
from harness.plan.plan import make_plan
from harness.store.folder import RunFolder, create
from tests.factories import cell, record, run

Session = Callable[..., int]


class Task:
    """One task of a run, and a harness that does as it is told."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from harness.fleet.rehearsed import Harness, fleet_of, planned

        whole = planned(1, 1, blocks=2)
        self.folder = FleetFolder(path / "fleet")
        self.scratch = path / "scratch"
        fleet = fleet_of(whole, HostType(name="h200"), blocks=2)
        self.folder.create(dataclasses.replace(fleet, scratch=str(self.scratch), code=code.of_checkout()), "")
        cluster = Simulated([Host(name="gpu1", host_type="h200")], Harness(self.folder, whole, scratch=path / "unused"))
        cluster._work.begin = lambda start: None  # type: ignore[method-assign]
        hand_over(self.folder, cluster, [1])
        self._monkeypatch = monkeypatch
        self.asked: list[Any] = []

    def run(self, does: Session, *, host: str = "gpu1", restart: int = 0) -> int:
        def session(requested: Any, setting: Any) -> int:
            self.asked.append((requested, setting))
            return does(setting.results)

        self._monkeypatch.setattr("harness.session.run", session)
        return task.run(self.folder.path, 1, 0, Here(host=host, restart=restart))

    def ended(self) -> list[Ended | None]:
        return [attempt.ended for attempt in FleetFolder(self.folder.path).attempts().get(1, ())]


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Task]:
    """A task; what it changes in this process is put back."""
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    before = tempfile.tempdir
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    yield Task(tmp_path, monkeypatch)
    tempfile.tempdir = before


def measured(results: Path, *, never_ran: bool = False) -> int:
    folder: RunFolder = create(results, "a-run")
    of = cell(framework="numpy", mode="eager")
    made = record(of)
    if never_ran:
        made = record(of, status="failed", reason="no interpreter", failure=Failure(phase="launch"))
    folder.write_plan(make_plan((of,), blocks=1, seed=1))
    folder.write_facts(run([made]).facts)
    folder.append(made)
    return 0


def test_a_result_is_kept_and_the_host_is_left_as_it_was(one: Task) -> None:
    assert one.run(measured) == 0
    ((requested, setting),) = one.asked
    assert requested.selection.workload == ("work0000",)
    assert requested.seed == one.folder.fleet.tasks[0].seed
    assert setting.blocks == 2
    assert one.folder.done()[1].host == "gpu1"
    assert RunFolder(one.folder.result(1)).records()
    assert list(one.scratch.iterdir()) == []
    assert [ended.code for ended in one.ended() if ended] == [0]


def test_a_container_gets_the_gpu_that_slurm_gave(one: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_GPUS", "3,5")
    monkeypatch.setenv("SAMESTEP_GPU", "")
    monkeypatch.delenv("SAMESTEP_GPU")
    seen = []

    def looks(results: Path) -> int:
        seen.append(os.environ["SAMESTEP_GPU"])
        return measured(results)

    assert one.run(looks) == 0
    assert seen == ["3"]


def test_some_failed_cells_are_a_result(one: Task) -> None:
    assert one.run(lambda results: measured(results) or 3) == 0
    assert 1 in one.folder.done()


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (SetupError("no engine"), INFRASTRUCTURE),
        (MachineError("no memory"), INFRASTRUCTURE),
        (StoreError("the disk is full"), INFRASTRUCTURE),
        (OSError(28, "No space left on device"), INFRASTRUCTURE),
        (SelectionError("no such size"), 1),
        (RuntimeError("a fault"), 1),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
def test_the_exit_code_says_whose_fault_it_is(one: Task, error: BaseException, exit_code: int) -> None:
    def fails(results: Path) -> int:
        raise error

    assert one.run(fails) == exit_code
    (ended,) = one.ended()
    assert ended is not None
    assert ended.code == exit_code
    assert ended.reason
    assert not one.folder.done()
    assert list(one.scratch.iterdir()) == []


def test_a_replicate_that_never_ran_is_the_hosts_fault_until_the_last_attempt(one: Task) -> None:
    for restart in range(MOST_ATTEMPTS - 1):
        host = f"gpu{restart}"
        assert one.run(lambda results: measured(results, never_ran=True), host=host, restart=restart) == INFRASTRUCTURE
    assert not one.folder.done()
    assert one.run(lambda results: measured(results, never_ran=True), host="gpu9", restart=9) == 0
    assert 1 in FleetFolder(one.folder.path).done()


def test_the_last_attempt_does_not_ask_to_begin_again(one: Task) -> None:
    def fails(results: Path) -> int:
        raise SetupError("no engine")

    codes = [one.run(fails, host=f"gpu{restart}", restart=restart) for restart in range(MOST_ATTEMPTS)]
    assert codes == [INFRASTRUCTURE] * (MOST_ATTEMPTS - 1) + [BAD_HOST]


def test_a_host_that_failed_twice_is_refused_without_counting(one: Task) -> None:
    def fails(results: Path) -> int:
        raise SetupError("no engine")

    assert [one.run(fails, restart=restart) for restart in range(3)] == [INFRASTRUCTURE, INFRASTRUCTURE, BAD_HOST]
    last = one.ended()[-1]
    assert last is not None
    assert not last.counts
    assert last.reason == "gpu1 has failed 2 tasks of this run"
    assert one.run(measured, host="gpu2", restart=3) == 0


def test_what_an_interrupted_task_has_measured_is_kept(one: Task) -> None:
    assert one.run(lambda results: measured(results) or INTERRUPTED) == INTERRUPTED
    (partial,) = (one.folder.path / "partial").iterdir()
    assert RunFolder(partial).records()
    assert not one.folder.done()


def test_another_samestep_is_no_fault_of_one_host(one: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    now = code.of_checkout()
    monkeypatch.setattr(code, "of_checkout", lambda: (("bench/a.py", "0" * 64), *now))
    assert one.run(measured) == 1
    (ended,) = one.ended()
    assert ended is not None
    assert ended.reason.startswith("This host has another samestep than the one that was submitted: bench/a.py")
    assert one.asked == []


def test_a_task_with_a_result_measures_nothing(one: Task) -> None:
    assert one.run(measured) == 0
    assert one.run(measured, restart=1) == 0
    assert len(one.asked) == 1


def test_what_a_killed_task_left_is_removed_and_a_living_one_is_let_be(one: Task) -> None:
    from harness.store.lock import Lock

    killed, living = (one.scratch / f"{task.PREFIX}{name}" for name in ("killed", "living"))
    for path in (killed, living):
        path.mkdir(parents=True)
    lock = Lock(living)
    assert lock.take()
    one.run(measured)
    assert not killed.exists()
    assert living.is_dir()
    lock.free()


def test_slurm_says_where_a_task_is() -> None:
    assert task.here({"SLURMD_NODENAME": "gpu7", "SLURM_RESTART_COUNT": "2"}) == Here(host="gpu7", restart=2)
    assert task.here({}) == Here(host=os.uname().nodename, restart=0)


def test_the_files_of_two_checkouts_are_compared_by_name() -> None:
    files = (("a", "1"), ("b", "2"))
    code.require_same(files, files)
    for other in ((("a", "1"),), (("a", "1"), ("b", "3")), (*files, ("c", "1"))):
        with pytest.raises(code.OtherCodeError):
            code.require_same(files, other)


def test_begun_names_its_files() -> None:
    assert Begun(task=7, submission=2, restart=1, host="gpu1", unix_ns=1).name == "00007-0002-1"
