"""What is said to Slurm, and what its answers mean."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import SelectionError, SetupError
from harness.fleet import slurm
from harness.fleet.request import HostType
from harness.fleet.scheduler import Array
from harness.fleet.slurm import Slurm, states, submission

ANSWER = """0|RUNNING|gpu1|None|fleet-1
1|PENDING||Resources|fleet-1
2|NODE_FAIL|gpu2|NodeDown|fleet-1
N/A|PENDING||Priority|another job|with a bar
0|COMPLETED|gpu1|None|fleet-2
"""
SINFO = "bench*|gpu:h200:8(S:0-1)|h200,nvlink|gpu1\nbench*|gpu:l4:1|l4|gpu2\nlong|(null)|(null)|cpu1\n"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Make programs of Slurm; each appends its words to a file, which is returned."""
    folder, said = tmp_path / "bin", tmp_path / "said"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, script: str) -> Path:
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{said}\n{script}\n')
        (folder / name).chmod(0o755)
        return said

    for name in slurm.PROGRAMS:
        make(name, "exit 0")
    return make


def array(**changes: object) -> Array:
    given = {
        "name": "fleet-1",
        "script": Path("/shared/fleet/task.sh"),
        "arguments": ("1",),
        "count": 3,
        "host_type": HostType(name="h200", gres="gpu:h200:1", partition="bench"),
        "time_limit_min": 30,
        "requeue": True,
        "logs": Path("/shared/fleet/logs"),
    }
    return Array(**{**given, **changes})  # type: ignore[arg-type]


def test_an_array_is_one_whole_host_for_each_task() -> None:
    words = submission(array(excluded=("gpu7", "gpu9")))
    assert words == [
        "--job-name=fleet-1",
        "--array=0-2",
        "--nodes=1",
        "--exclusive",
        "--time=30",
        "--signal=B:TERM@60",
        "--requeue",
        "--output=/shared/fleet/logs/%x-%a.log",
        "--open-mode=append",
        "--partition=bench",
        "--gres=gpu:h200:1",
        "--exclude=gpu7,gpu9",
        "/shared/fleet/task.sh",
        "1",
    ]
    assert "--no-requeue" in submission(array(requeue=False))


def test_the_lines_of_squeue_become_states() -> None:
    found = states(ANSWER)
    assert {place: (state.phase, state.host, state.reason) for place, state in found.items()} == {
        ("fleet-1", 0): ("running", "gpu1", ""),
        ("fleet-1", 1): ("pending", "", "Resources"),
        ("fleet-1", 2): ("ended", "gpu2", "NodeDown"),
        ("fleet-2", 0): ("ended", "gpu1", ""),
    }


def test_squeue_is_asked_once_in_five_seconds_whoever_looks(
    program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    said = program("squeue", "echo '0|RUNNING|gpu1|None|fleet-1'")
    for _ in range(3):
        assert Slurm(tmp_path).poll({"fleet-1"})[("fleet-1", 0)].host == "gpu1"
    assert len(said.read_text().splitlines()) == 1
    os.utime(tmp_path / slurm.ANSWER, (0, 0))
    Slurm(tmp_path).poll({"fleet-1"})
    Slurm(tmp_path).poll({"fleet-1", "fleet-2"})  # another question
    assert len(said.read_text().splitlines()) == 3
    assert Slurm(tmp_path).poll(()) == {}


@pytest.mark.parametrize(
    "kind",
    [
        HostType(name="a"),
        HostType(name="a", gres="gpu:h200:4"),
        HostType(name="a", gres="gpu:1"),
        HostType(name="a", constraint="h200&nvlink"),
        HostType(name="a", partition="long"),
        HostType(name="a", constraint="[h200*1|l4]"),
    ],
)
def test_hosts_that_are_there_are_found(program: Callable[[str, str], Path], tmp_path: Path, kind: HostType) -> None:
    program("sinfo", f"printf '%s' '{SINFO}'")
    Slurm(tmp_path).require([kind])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (HostType(name="a", partition="bunch"), "There is no partition 'bunch'. Did you mean bench"),
        (HostType(name="a", gres="gpu:h100:1"), "no resource for the hosts a: 'gpu:h100'. Did you mean gpu:h200"),
        (HostType(name="a", gres="gpu:h200:1", partition="long"), "no resource for the hosts a: 'gpu:h200'"),
        (HostType(name="a", constraint="h200|a100"), "no feature for the hosts a: 'a100'"),
    ],
)
def test_hosts_that_are_not_there_are_named(
    program: Callable[[str, str], Path], tmp_path: Path, kind: HostType, said: str
) -> None:
    program("sinfo", f"printf '%s' '{SINFO}'")
    with pytest.raises(SelectionError) as error:
        Slurm(tmp_path).require([kind])
    assert said in str(error.value)


def test_what_slurm_refuses_is_one_sentence(program: Callable[[str, str], Path], tmp_path: Path) -> None:
    program("sbatch", "echo 'sbatch: error: Batch job submission failed: Invalid account' >&2; exit 1")
    with pytest.raises(SetupError, match=r"^Slurm refuses \(sbatch\): Batch job submission failed: Invalid account\.$"):
        Slurm(tmp_path).submit(array())


def test_a_slurm_that_does_not_answer_is_said(
    program: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("squeue", "exec sleep 5")
    monkeypatch.setattr(slurm, "SECONDS", 0.2)
    with pytest.raises(SetupError, match="Slurm does not answer"):
        Slurm(tmp_path).poll({"fleet-1"})


def test_without_slurm_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="There is no Slurm here"):
        Slurm(tmp_path).require([])
    with pytest.raises(SetupError, match="There is no Slurm here"):
        Slurm(tmp_path).cancel(["fleet-1"])


def test_the_batch_script_becomes_the_task(tmp_path: Path) -> None:
    from harness.fleet.submit import script

    text = script(tmp_path / "a fleet's")
    assert text.splitlines()[-1].startswith("exec ")
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_an_idle_host_is_asked_as_the_tasks_will_ask_for_it(
    tmp_path: Path, program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    said = program("srun", 'echo "by $SLURM_ACCOUNT"')
    kind = HostType(name="h200", gres="gpu:h200:1", constraint="h200")
    assert Slurm(tmp_path).ask(kind, "echo there") == "by mine\n"
    words = said.read_text().split()
    assert {"--immediate=5", "--gres=gpu:h200:1", "--constraint=h200"} < set(words)
    assert words[-4:] == ["sh", "-c", "echo", "there"]


def test_no_idle_host_and_a_job_of_ones_own_are_no_answer(
    tmp_path: Path, program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    said = program("srun", "echo 'srun: error: Unable to allocate resources' >&2; exit 1")
    assert Slurm(tmp_path).ask(HostType(name="a"), "true") is None
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    asked = said.read_text()
    assert Slurm(tmp_path).ask(HostType(name="a"), "true") is None
    assert said.read_text() == asked
