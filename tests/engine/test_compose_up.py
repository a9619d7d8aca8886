"""`docker compose up` for real: it runs to its end by itself, and nothing that is killed loses a record."""

import dataclasses
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.turns.turn import outcome_from_json, to_json, to_record
from tests.engine.project import ROOT, Project, until
from tests.engine.test_docker_runs import TURN

pytestmark = pytest.mark.engine
Make = Callable[..., Project]
# Turns of one cell in each profile: itself and its A/A control in each block, drift probes, limits, memory
LOOK = 2 + 2 + 3 + 1  # without limits
QUICK = 3 + 3 + 4 + 1 + 1
DEFAULT = 6 + 6 + 7 + 6 + 2


def images(project: Project) -> set[str]:
    return set(project.docker("images", "--no-trunc", "--quiet", "samestep/*").split())


def test_up_runs_to_its_end_and_leaves_records_and_report_to_the_owner_of_the_folder(project: Make) -> None:
    made = project(SAMESTEP_ENV="ANY_NAME='of mine' OTHER=1", SAMESTEP_ALTERNATE="1", SAMESTEP_THREADS="1")
    with made.up() as process:
        pass
    assert process.returncode == 0
    assert made.services() == {"harness", "numpy"}  # what is selected, and no more
    assert made.statuses() == ["ok"] * LOOK
    folder = made.run_folder()
    assert folder is not None
    assert "</html>" in (folder / "report" / "index.html").read_text()
    owner = made.results.stat()
    for path in (folder, *folder.rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (owner.st_uid, owner.st_gid)
    environment = made.records()[0].environment
    assert environment is not None
    assert (environment.launcher, environment.cpus) == ("workers", (1,))
    assert environment.named == ("ANY_NAME=of mine", "OTHER=1")
    assert environment.image.startswith("samestep/numpy, locks sha256:")


def test_what_is_streamed_is_made_once_in_a_volume_that_the_workers_read(project: Make) -> None:
    made = project(
        SAMESTEP_STREAM="1MB", SAMESTEP_MODE="memmap,records-0", SAMESTEP_WORKLOAD="mlp", SAMESTEP_SIZE="tiny"
    )
    with made.up():
        pass
    assert made.statuses() == ["ok", "ok"]
    found = {record.cell.mode: record.streaming for record in made.records()}
    assert [each and each.sha256 == each.expected_sha256 != "" for each in found.values()] == [True, True]
    assert any(one.cache == "cold" for one in found["records-0"].passes)  # type: ignore[union-attr]
    assert "Making the data set 1MB in /data" in made.docker("logs", made.container("harness"))
    with made.up():
        pass
    logs = made.docker("logs", made.container("harness"))  # of both runs: the container is the same
    assert (logs.count("Making the data set"), logs.count("Report: ")) == (1, 2)


def test_a_second_up_builds_nothing_and_starts_its_first_replicate_within_10_s(project: Make) -> None:
    made = project()
    with made.up():
        pass
    before, begin = images(made), time.time_ns()
    shutil.rmtree(next(made.results.iterdir()))
    with made.up():
        pass
    assert images(made) == before
    assert made.records()[0].started_unix_ns - begin < 10_000_000_000


def test_an_edit_under_bench_is_used_without_a_new_image(project: Make, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    for name in ("bench", "harness", "images"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "compose.yaml", root)
    edited = root / "bench" / "turns" / "environment.py"
    edited.write_text(edited.read_text().replace("platform=platform.platform()", 'platform="as edited"'))
    made = project(root)
    before = images(made)
    with made.up():
        pass
    environment = made.records()[0].environment
    assert environment is not None
    assert environment.platform == "as edited"
    assert images(made) == before


def test_a_worker_that_is_killed_ends_its_turn_as_a_record_and_the_run_goes_on_when_it_is_back(project: Make) -> None:
    made = project(SAMESTEP_PROFILE="default")
    with made.up():
        made.in_turn(after=1)
        made.docker("kill", made.container("numpy"))
        until(lambda: len(made.records()) == 2)
        made.docker("start", made.container("numpy"))  # who kills by hand starts by hand
    assert made.statuses() == ["ok", "failed", *["ok"] * (DEFAULT - 2)]
    assert "its worker disconnected during the turn" in made.records()[1].reason


def test_a_worker_that_crashes_is_started_again_by_the_engine(project: Make) -> None:
    made = project(SAMESTEP_PROFILE="default")
    with made.up():
        made.in_turn(after=1)
        (worker,) = (
            line.split()[0] for line in made.processes("numpy") if "bench worker" in line and "init" not in line
        )
        os.kill(int(worker), 9)
        until(lambda: len(made.records()) == 2)
    assert made.statuses() == ["ok", "failed", *["ok"] * (DEFAULT - 2)]
    restarts = made.docker("inspect", "--format", "{{.RestartCount}}", made.container("numpy"))
    assert restarts.strip() == "1"


def test_a_harness_that_is_killed_leaves_nothing_running_and_its_run_can_be_resumed(project: Make) -> None:
    made = project(SAMESTEP_PROFILE="default")
    with made.up() as process:
        made.in_turn(after=2)
        kept = made.records()
        made.docker("kill", made.container("harness"))
        until(lambda: not made.turn_runs(), seconds=3)
        process.terminate()
    assert made.records()[: len(kept)] == kept
    with made.up(SAMESTEP_RESUME="latest") as again:
        pass
    assert again.returncode == 0
    assert made.records()[: len(kept)] == kept
    assert made.statuses() == ["ok"] * DEFAULT


def test_a_turn_that_needs_too_much_memory_is_recorded_as_such_by_a_worker_that_lives_on(project: Make) -> None:
    made = project(SAMESTEP_MEMORY="24m", SAMESTEP_TMP="8m")
    with made.up():
        pass
    assert made.statuses() == ["oom"] * LOOK
    assert made.docker("inspect", "--format", "{{.RestartCount}}", made.container("numpy")).strip() == "0"


# A harness that keeps two members in the worker of NumPy; its input says when to go on.
GROUP = """
import sys
from pathlib import Path
from bench.turns.parking import Parked
from bench.turns.turn import turn_from_json, to_json
from harness.launchers.workers import WorkersLauncher
turn = turn_from_json(sys.argv[1])
launcher = WorkersLauncher()
assert launcher.prepare(["numpy"], lambda line: None) == {}
members = [launcher.member(turn) for _ in range(2)]
for member in members:
    assert isinstance(member.start(lambda pid, folder: None), Parked)
for _ in range(5):
    for member in members:
        assert member.run_slice() is None
print("parked", flush=True)
sys.stdin.readline()
for member in members:
    print(to_json(member.run_slice() or member.finish()), flush=True)
launcher.close()
"""


def test_a_worker_keeps_two_members_and_one_that_is_killed_costs_the_other_nothing(project: Make) -> None:
    made = project()
    made.compose("up", "--detach", "--no-build", "--no-deps", "numpy")
    words = ["run", "--rm", "--no-deps", "-T", "--entrypoint", "python", "harness", "-c", GROUP]
    turn = dataclasses.replace(TURN, launcher="workers", alternates=True)
    with subprocess.Popen(
        made.command(*words, to_json(turn)),
        env=made.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as harness:
        assert harness.stdin is not None
        assert harness.stdout is not None
        assert harness.stdout.readline() == "parked\n"
        parked = [psutil.Process(int(line.split()[0])) for line in made.processes("numpy") if "bench turn" in line]
        assert [process.status() for process in parked] == [psutil.STATUS_STOPPED] * 2
        before = [process.cpu_times()[:2] for process in parked]
        time.sleep(1)
        assert [process.cpu_times()[:2] for process in parked] == before
        min(parked, key=lambda process: process.create_time()).kill()
        harness.stdin.write("go on\n")
        harness.stdin.flush()
        killed, ended = (outcome_from_json(line) for line in harness.stdout.read().splitlines())
    assert harness.returncode == 0
    assert (killed.signal, killed.phase, killed.out_of_memory) == ("SIGKILL", "rounds", False)
    record = to_record(turn, ended)
    assert (record.status, record.reason) == ("ok", "")
    until(lambda: made.docker("ps", "--quiet", "--filter", f"name={made.name}") == "", seconds=10)


def test_run_harness_gives_the_runs_own_exit_status(project: Make) -> None:
    made = project()
    made.compose("up", "--detach", "--no-build", "--no-deps", "numpy")
    words = (
        "run --launcher workers --framework numpy --mode eager --optimizer adam --profile quick --cpus 1 --timeout 0.2"
    )
    done = made.compose("run", "--rm", "--no-deps", "harness", *words.split())
    assert made.statuses() == ["timeout"] * QUICK, done.stdout
    assert done.returncode == 3
    until(lambda: made.docker("ps", "--quiet", "--filter", f"name={made.name}") == "", seconds=10)


def test_what_cannot_be_selected_ends_the_project_soon_with_one_sentence(project: Make) -> None:
    made = project(SAMESTEP_FRAMEWORK="pytorch")
    begin = time.monotonic()
    with made.up():
        pass
    assert time.monotonic() - begin < 15
    said = made.docker("logs", made.container("harness"))
    assert "There is no framework 'pytorch'. Did you mean torch" in said
    assert "Traceback" not in said
    assert made.services() == {"harness"}


def test_a_worker_that_was_not_asked_for_can_be_started_all_the_same(project: Make) -> None:
    made = project(SAMESTEP_FRAMEWORK="torch")
    made.compose("up", "--detach", "--no-build", "numpy")  # as the harness says where it has no worker
    assert made.services() == {"numpy"}


@pytest.fixture
def for_a_gpu(engine: Any) -> Iterator[None]:
    """Give the images of the CPU the names of a GPU's, where there are none; skip on a host that has a GPU."""
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this host has a GPU")
    made = [f"samestep/{name}:cuda" for name in ("numpy", "harness") if not engine.images.list(f"samestep/{name}:cuda")]
    for name in made:
        engine.images.get(name.replace("cuda", "cpu")).tag(name)
    yield
    for name in made:
        engine.images.remove(name)


@pytest.mark.usefixtures("for_a_gpu")
def test_without_a_gpu_it_is_said_in_one_sentence_what_is_missing(project: Make) -> None:
    made = project(SAMESTEP_CPUS="1")
    made.device = "cuda"
    done = made.compose("up", "--no-build")
    assert done.returncode != 0
    sentence = "This host has no NVIDIA GPU with a loaded driver: install NVIDIA's driver until nvidia-smi works"
    assert done.stdout.count(sentence) == 1, done.stdout
    assert done.stdout.index(sentence) < done.stdout.index("could not select device driver")
    assert sentence in made.docker("logs", made.container("gpu"))  # for `run`, which shows no other service's words
    assert made.statuses() == []


def test_ctrl_c_keeps_what_is_done_and_records_nothing_false(project: Make) -> None:
    made = project(SAMESTEP_PROFILE="default")
    with made.up() as process:
        made.in_turn(after=1)
        process.send_signal(signal.SIGINT)
    said = made.docker("logs", made.container("harness"))
    assert f"Interrupted: 1 of {DEFAULT} replicates are kept" in said
    assert made.docker("inspect", "--format", "{{.State.ExitCode}}", made.container("harness")).strip() == "130", said
    assert made.statuses() == ["ok"]
    assert not made.turn_runs()


def test_a_worker_without_a_harness_leaves_after_a_while_and_is_not_started_again(project: Make) -> None:
    made = project()
    done = made.compose("run", "--rm", "--no-deps", "numpy", "numpy", "--patience", "1")
    assert done.returncode == 0
    assert "no harness at /run/samestep/harness.sock for 1 s: leaving" in done.stdout


def test_an_idle_worker_is_small(project: Make) -> None:
    made = project()
    made.compose("up", "--detach", "--no-build", "--no-deps", "numpy")
    until(lambda: any("bench worker" in line for line in made.processes("numpy")))
    time.sleep(0.5)
    pids = [line.split()[0] for line in made.processes("numpy")]
    resident = sum(
        int(line.split()[1])
        for pid in pids
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    assert resident < 40_000  # KiB, the reaper included
