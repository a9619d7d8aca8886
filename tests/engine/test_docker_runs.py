"""The docker launcher on the real engine: fresh containers, limits, what a killed harness leaves."""

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.data import make
from bench.records import codec
from bench.turns.turn import Turn, to_record
from harness.launchers.docker import OWNER, DockerLauncher, why_not
from harness.launchers.hardening import Allowance
from harness.plan.profiles import PROFILES
from tests.engine.project import ROOT, until
from tests.factories import cell

pytestmark = pytest.mark.engine

TURN = Turn(
    cell=cell(framework="numpy"),
    block=1,
    position=1,
    settings=PROFILES["quick"].settings,
    calls_per_round=None,
    cpus=(1,),
    threads=1,
    hash_seed=1,
    timeout_s=60,
    launcher="docker",
)


def ours(engine: Any) -> list[str]:
    """Return the names of this launcher's containers."""
    return [each.name for each in engine.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True)]


@pytest.fixture
def launcher() -> Iterator[DockerLauncher]:
    made = DockerLauncher("cpu", code=ROOT)
    assert made.prepare(["numpy"], lambda line: None) == {}
    yield made
    made.close()


def test_a_turn_gives_its_record_and_leaves_no_container(launcher: DockerLauncher, engine: Any) -> None:
    pids: list[int] = []
    ended = launcher.take(TURN, lambda pid, folder: pids.append(pid) if psutil.pid_exists(pid) else None)
    made = to_record(TURN, ended)
    assert made.status == "ok", made.reason
    assert made.environment is not None
    assert made.environment.cpus == (1,)
    assert made.environment.image == f"samestep/numpy:cpu@{engine.images.get('samestep/numpy:cpu').id}"
    assert made.phases is not None
    assert made.phases.total_ns() / made.wall_ns > 0.9
    assert len(pids) == 1
    assert ours(engine) == []


def test_a_damaged_data_set_is_named_where_the_host_has_it(launcher: DockerLauncher, tmp_path: Path) -> None:
    make.make(tmp_path, "1MB", ["records"])
    tmp_path.chmod(0o755)  # a container has another user
    streamed = dataclasses.replace(
        TURN,
        cell=cell(framework="numpy", mode="records-0", workload="mlp", size="tiny", track="stream", stream="1MB"),
        data=str(tmp_path),
    )
    made = to_record(streamed, launcher.take(streamed, lambda pid, folder: None))
    assert made.status == "ok", made.reason
    (shard,) = tmp_path.glob("1MB/records-*")
    with shard.open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff\x00")
    made = to_record(streamed, launcher.take(streamed, lambda pid, folder: None))
    assert made.status == "failed"
    assert f"{shard.name} is damaged at byte 5000, in sample 1: remove {tmp_path}/1MB" in made.reason


def test_a_turn_past_its_limit_is_a_timeout(launcher: DockerLauncher, engine: Any) -> None:
    turn = dataclasses.replace(TURN, timeout_s=0.3)
    assert to_record(turn, launcher.take(turn, lambda pid, folder: None)).status == "timeout"
    assert ours(engine) == []


def test_a_turn_that_needs_too_much_memory_says_so(engine: Any) -> None:
    launcher = DockerLauncher("cpu", code=ROOT, allowance=Allowance(memory="24m", tmp="8m"))
    launcher.prepare(["numpy"], lambda line: None)
    assert to_record(TURN, launcher.take(TURN, lambda pid, folder: None)).status == "oom"
    launcher.close()
    assert ours(engine) == []


def test_a_container_that_is_killed_from_outside_is_a_failed_record(launcher: DockerLauncher, engine: Any) -> None:
    def kill(pid: int, folder: Path) -> None:
        (name,) = ours(engine)
        engine.containers.get(name).kill()

    made = to_record(TURN, launcher.take(TURN, kill))
    assert made.status == "failed"
    assert made.failure is not None
    assert made.failure.signal == "SIGKILL"


def test_docker_is_chosen_where_the_images_are() -> None:
    assert why_not(["numpy"], "cpu") == ""
    assert "there is no image samestep/nothing:cpu" in why_not(["nothing"], "cpu")


def test_a_harness_that_is_killed_leaves_a_container_that_the_next_start_removes(tmp_path: Path, engine: Any) -> None:
    words = ["run", "--launcher", "docker", "--framework", "numpy", "--mode", "eager", "--results", str(tmp_path)]
    command = [sys.executable, "-m", "harness", *words, "--profile", "default", "--optimizer", "adam", "--cpus", "1"]

    def records() -> list[str]:
        return [line for path in tmp_path.glob("*/records.jsonl") for line in path.read_text().splitlines()]

    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as harness:
        until(lambda: len(records()) >= 1)
        until(lambda: bool(ours(engine)))
        kept = records()
        harness.send_signal(signal.SIGKILL)
    (left,) = ours(engine)
    folders = [Path(mount["Source"]) for mount in engine.containers.get(left).attrs["Mounts"]]
    resumed = subprocess.run(
        [sys.executable, "-m", "harness", "run", "--resume", "latest", "--results", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "of a samestep that was killed" in resumed.stdout
    assert ours(engine) == []
    assert [path.exists() for path in folders if path.name == "turn"] == [False]
    assert records()[: len(kept)] == kept
    assert [codec.from_json(line).status for line in records()] == ["ok"] * 27  # as DEFAULT in test_compose_up
