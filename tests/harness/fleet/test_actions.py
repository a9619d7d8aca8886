"""The commands of a fleet: what they check before anything is submitted, what they print, their exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from harness.environments import checkout
from harness.errors import INTERRUPTED, OK, SOME_FAILED, SelectionError, SetupError, StoreError
from harness.fleet import actions
from harness.fleet import watch as watching
from harness.fleet.code import of_checkout
from harness.fleet.folder import FleetFolder
from harness.fleet.rehearsed import Harness, planned
from harness.fleet.request import HostType
from harness.fleet.scheduler import Array
from harness.fleet.simulated import Host, Simulated
from tests.harness.fleet.test_fleet import Small

RUN = '[run]\nframework = "numpy"\nmode = "eager"\nblocks = 4\n[[hosts]]\nname = "h200"\ntasks = 2\n'


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """A run on one host, whose cluster is Slurm to the commands."""
    made = Small(tmp_path, hosts={"h200": 1}, tasks=1)
    monkeypatch.setattr(actions, "Slurm", lambda folder: made.cluster)
    return made


def in_virtual_time(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    real = watching.watch
    monkeypatch.setattr(watching, "watch", lambda f, s, say: real(f, s, say, small.cluster.sleep, small.cluster.clock))


def test_watching_ends_with_how_to_go_on(
    small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_virtual_time(small, monkeypatch)
    small.submit()
    assert actions.watch(small.folder.path) == OK
    printed = capsys.readouterr().out
    assert "3 tasks: 3 DONE" in printed
    assert f"fleet collect {small.folder.path}" in printed.splitlines()[-1]


def test_ctrl_c_detaches(small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*given: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "watch", interrupted)
    assert actions.watch(small.folder.path) == INTERRUPTED
    printed = capsys.readouterr().out
    assert printed.startswith("Detached; the run goes on. Watch it again:")
    assert f"fleet status {small.folder.path} --watch" in printed


def test_status_has_a_line_for_each_task_and_submits_nothing(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    assert actions.status(small.folder.path) == OK
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == [
        f"0000{number} h200 work000{number - 1}, 4 blocks  LOST  (it was not submitted yet)" for number in (1, 2, 3)
    ]
    assert printed[3] == "3 tasks: 3 LOST"
    assert printed[4].startswith("LOST tasks are submitted again by:")
    assert small.folder.submissions() == ()


def test_logs_are_those_without_a_result_or_the_named_one(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    small.submit()
    small.cluster.sleep(100)  # one is done
    logs = small.folder.path / "logs"
    for index in range(2):
        (logs / f"fleet-1-1-{index}.log").write_text(f"words of {index}\n")
    actions.logs(small.folder.path, None)
    printed = capsys.readouterr().out
    assert "words of 0" not in printed
    assert "words of 1" in printed
    assert "== task 3" in printed
    assert "(nothing printed yet)" in printed
    actions.logs(small.folder.path, 1)
    assert "words of 0" in capsys.readouterr().out
    with pytest.raises(SelectionError, match="There is no task 4: fleet-1 has 3"):
        actions.logs(small.folder.path, 4)


def test_cancel_keeps_what_is_done(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    small.submit()
    small.cluster.sleep(100)
    assert actions.cancel(small.folder.path) == OK
    assert "fleet-1: cancelled; 1 of 3 tasks have a result." in capsys.readouterr().out
    assert actions.status(small.folder.path) == SOME_FAILED
    assert "2 CANCELLED, 1 DONE" in capsys.readouterr().out


def test_collect_names_what_is_missing(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small.submit()
    small.cluster.sleep(100)
    monkeypatch.setattr("harness.fleet.collect._reported", lambda run: "Report: somewhere")
    assert actions.collect(small.folder.path, tmp_path / "results") == SOME_FAILED
    told = capsys.readouterr()
    assert "fleet-1: 1 task of 1 host (h200-1 = h200-node0)" in told.out
    assert told.err.splitlines() == [
        "samestep: no result: 00002 h200 work0001, 4 blocks",
        "samestep: no result: 00003 h200 work0002, 4 blocks",
    ]


def test_another_folder_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not the folder of a fleet's run: it has no fleet\.json"):
        actions.status(tmp_path)


class Cluster(Simulated):
    """A cluster that only takes arrays, or refuses them."""

    def __init__(self, path: Path, *, refuses: str = "") -> None:
        harness = Harness(FleetFolder(path), planned(1, 1, blocks=2), scratch=path)
        super().__init__([Host(name="gpu1", host_type="h200"), Host(name="gpu2", host_type="l4")], harness)
        self.taken: list[Array] = []
        self.cancelled: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.answer: str | None = None
        self._refuses = refuses

    def ask(self, host_type: HostType, line: str) -> str | None:
        self.asked.append((host_type.name, line))
        return self.answer

    def submit(self, array: Array) -> None:
        if array.host_type.name == self._refuses:
            raise SetupError("Slurm refuses (sbatch): Invalid account.")
        self.taken.append(array)

    def cancel(self, names: Collection[str]) -> None:
        self.cancelled += names


def submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cluster: Cluster) -> int:
    monkeypatch.setattr(actions, "Slurm", lambda folder: cluster)
    file = tmp_path / "run.toml"
    file.write_text(f'shared = "{tmp_path / "shared"}"\n{text}')
    return actions.submit(file, {}, detach=True)


def test_a_run_is_planned_and_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shared").mkdir()
    cluster = Cluster(tmp_path)
    assert submitted(tmp_path, monkeypatch, RUN, cluster) == OK
    (array,) = cluster.taken
    folder = FleetFolder(next((tmp_path / "shared").iterdir()))
    assert (array.name, array.count, array.script) == (f"{folder.fleet.id}-1", 2, folder.path / "task.sh")
    assert [(task.workload, task.blocks) for task in folder.fleet.tasks] == [("regression", 2)] * 2
    assert "bench/lines.py" in dict(folder.fleet.code)
    assert "2 tasks on 1 type of hosts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RUN.replace("numpy", "nampy"), "There is no framework 'nampy'. Did you mean numpy?"),
        (RUN.replace('"h200"', '"h300"'), "No host is a h300."),
        (RUN.replace("eager", "jit"), "The selection is empty"),
    ],
)
def test_nothing_is_submitted_and_no_folder_made_for_what_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    (tmp_path / "shared").mkdir()
    cluster = Cluster(tmp_path)
    with pytest.raises(SelectionError) as error:
        submitted(tmp_path, monkeypatch, text, cluster)
    assert said in str(error.value)
    assert cluster.taken == []
    assert list((tmp_path / "shared").iterdir()) == []


def test_a_shared_folder_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="There is no shared folder"):
        submitted(tmp_path, monkeypatch, RUN, Cluster(tmp_path))


def test_a_second_type_that_is_refused_takes_the_first_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    cluster = Cluster(tmp_path, refuses="l4")
    with pytest.raises(SetupError, match="Invalid account"):
        submitted(tmp_path, monkeypatch, RUN + '[[hosts]]\nname = "l4"\n', cluster)
    folder = FleetFolder(next((tmp_path / "shared").iterdir()))
    assert cluster.cancelled == [array.name for array in cluster.taken] == [f"{folder.fleet.id}-1"]
    assert folder.is_cancelled


def answer(**changes: str) -> str:
    """What a host prints whose files are those of this checkout, but for `changes`; empty: it lacks one."""
    files = {**dict(of_checkout()), **changes}
    return json.dumps({"host": "gpu9", "files": [pair for pair in files.items() if pair[1]]})


def test_a_host_with_the_same_samestep_gets_its_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shared").mkdir()
    cluster = Cluster(tmp_path)
    cluster.answer = f"words of a prolog\n{answer()}\n"
    assert submitted(tmp_path, monkeypatch, RUN, cluster) == OK
    assert [name for name, _ in cluster.asked] == ["h200"]
    assert len(cluster.taken) == 1


@pytest.mark.parametrize(
    ("said_there", "said"),
    [
        (
            answer(**{"bench/lines.py": "0" * 64}),
            "gpu9, of the type h200, has another samestep than this host: bench/li",
        ),
        (answer(**{"images/locks/numpy.cpu-py311.txt": ""}), "images/locks/numpy.cpu-py311.txt differs. Every host"),
        (answer(**{"harness/new.py": "0" * 64}), "harness/new.py differs"),
        ("it is not there\n", "A host of the type h200 has no samestep at "),
        ("", "A host of the type h200 has no samestep at "),
    ],
    ids=["code", "lock", "newer", "none", "silent"],
)
def test_another_samestep_on_an_idle_host_is_said_before_anything_is_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said_there: str, said: str
) -> None:
    (tmp_path / "shared").mkdir()
    cluster = Cluster(tmp_path)
    cluster.answer = said_there
    with pytest.raises(SetupError) as error:
        submitted(tmp_path, monkeypatch, RUN, cluster)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert cluster.taken == []
    assert list((tmp_path / "shared").iterdir()) == []


def test_what_a_host_is_asked_prints_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shared").mkdir()
    cluster = Cluster(tmp_path)
    submitted(tmp_path, monkeypatch, RUN, cluster)
    ((_, line),) = cluster.asked
    monkeypatch.setenv("SLURMD_NODENAME", "gpu9")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(answer())


def test_with_a_runner_no_host_is_asked_and_the_script_is_run_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    cluster = Cluster(tmp_path)
    cluster.answer = ""
    assert submitted(tmp_path, monkeypatch, "runner = \"env 'MARK=a b'\"\n" + RUN, cluster) == OK
    assert cluster.asked == []
    (array,) = cluster.taken
    # what the script runs is python; a script of that name says how it was called
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$MARK|$(pwd)|$*"\n')
    python.chmod(0o755)
    text = array.script.read_text()
    array.script.write_text(text.replace(sys.executable, str(python)))
    done = subprocess.run(
        [array.script, "1"], env={**os.environ, "SLURM_ARRAY_TASK_ID": "7"}, capture_output=True, text=True, check=True
    )
    words = f"-m harness.cli fleet task {array.script.parent} 1 7"
    assert done.stdout == f"a b|{checkout.ROOT}|{words}\n"
