"""A fleet on a real Slurm of two hosts: what goes where, and what stays when hosts, daemons and watchers are killed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import OK, SOME_FAILED, USAGE
from harness.store.folder import RunFolder
from tests.slurm.cluster import Cluster
from tests.slurm.runs import ANY, H200, L4, ROOT, FleetRun

pytestmark = pytest.mark.slurm
Fleet = Callable[..., FleetRun]


@pytest.fixture
def mended(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, whose hosts are both there again when the test is over."""
    yield cluster
    for host in ("gpu1", "gpu2"):
        cluster.power_off(host)
        cluster.power_on(host)
    for host in ("gpu1", "gpu2"):
        cluster.wait_idle(host)


def test_each_type_gets_its_tasks_and_no_host_two_at_once(fleet: Fleet, tmp_path: Path) -> None:
    run = fleet(H200, L4, size="large")
    done = run.run("submit", run.file, "--workload", "regression,regression_wide", "--size", "base,tiny")
    assert done.returncode == OK, done.stderr + done.stdout
    hosts: dict[str, set[str]] = {run.folder.fleet.tasks[number - 1].host_type: set() for number in run.folder.done()}
    for number, begun in run.folder.done().items():
        hosts[run.folder.fleet.tasks[number - 1].host_type].add(begun.host)
    assert hosts == {"h200": {"gpu1"}, "l4": {"gpu2"}}
    spans = [(each.begun.host, each.begun.unix_ns, each.ended.unix_ns) for each in run.attempts() if each.ended]
    assert len(spans) == 4
    for host in ("gpu1", "gpu2"):
        (_, first, second) = (0, *sorted(span[1:] for span in spans if span[0] == host))
        assert first[1] < second[0]

    collected = run.run("collect", run.folder.path, "--results", run.results)
    assert collected.returncode == OK, collected.stderr
    assert sorted(path.name.rpartition("-")[2] for path in run.results.iterdir()) == ["h200", "l4"]
    for path in run.results.iterdir():
        assert (path / "report" / "index.html").is_file()
        assert {record.status for record in RunFolder(path).records()} == {"ok"}
    assert "2 runs, 2 cells" in run.publish(tmp_path / "site")


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (
            '[[hosts]]\nname = "a"\ngres = "gpu:h300:1"\n',
            "no resource for the hosts a: 'gpu:h300'. Did you mean gpu:h200",
        ),
        ('[[hosts]]\nname = "a"\npartition = "bunch"\n', "There is no partition 'bunch'. Did you mean bench?"),
        ('[[hosts]]\nname = "a"\nconstraint = "h100"\n', "There is no feature for the hosts a: 'h100'."),
    ],
    ids=["gres", "partition", "feature"],
)
def test_a_type_that_no_host_has_is_refused_before_anything_is_submitted(fleet: Fleet, hosts: str, said: str) -> None:
    run = fleet(hosts)
    done = run.run("submit", run.file)
    assert done.returncode == USAGE
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(run.shared.iterdir()) == []


def test_a_host_whose_locks_are_others_is_named_before_anything_is_submitted(
    fleet: Fleet, mended: Cluster, tmp_path: Path
) -> None:
    lock = ROOT / "images" / "locks" / "numpy.cpu-py311.txt"
    other = tmp_path / "lock"
    other.write_text(lock.read_text() + "# of another day\n")
    mended.power_off("gpu2")
    mended.power_on("gpu2", others={lock: other})
    mended.wait_idle("gpu2")
    run = fleet(H200, L4)
    done = run.run("submit", run.file)
    assert done.returncode == USAGE
    assert done.stderr.startswith(
        "samestep: gpu2, of the type l4, has another samestep than this host: images/locks/numpy.cpu-py311.txt differs."
    )
    assert done.stderr.count("\n") == 1
    assert list(run.shared.iterdir()) == []
    assert mended.said("squeue", "-h", "-t", "PENDING,RUNNING") == ""


def test_a_host_that_dies_in_mid_run_has_its_cells_measured_elsewhere(fleet: Fleet, mended: Cluster) -> None:
    run = fleet(ANY, workload="regression,regression_wide", size="base,tiny")
    run.submit()
    run.until_it_measures("gpu2")
    mended.power_off("gpu2")
    watched = run.watch()
    mended.power_on("gpu2")
    assert watched.returncode == OK, watched.stdout
    assert {begun.host for begun in run.folder.done().values()} == {"gpu1"}
    (lost,) = [attempt for attempt in run.attempts() if attempt.ended is None]
    assert lost.begun.host == "gpu2"


def test_cancel_leaves_no_process_and_keeps_what_was_measured(fleet: Fleet, cluster: Cluster) -> None:
    run = fleet(H200, blocks=4)
    run.submit()
    run.until_it_measures("gpu1")
    assert run.processes()
    assert run.run("cancel", run.folder.path).returncode == OK
    run.until(lambda: not run.processes())
    watched = run.watch()
    assert watched.returncode == SOME_FAILED
    assert "1 CANCELLED" in watched.stdout
    (attempt,) = run.attempts()
    assert attempt.ended is not None
    assert attempt.ended.code == 130
    assert list((cluster.base / "scratch").glob(f"*{run.folder.fleet.id}*")) == []
    cluster.wait_idle("gpu1")


def test_a_runner_runs_the_tasks_and_cancel_ends_what_it_has_begun(fleet: Fleet, cluster: Cluster) -> None:
    run = fleet(
        H200, workload="regression,regression_wide", size="base,tiny", runner="srun --ntasks=1 env RUNNER=there"
    )
    run.submit()
    run.until(lambda: run.folder.done())
    run.until(lambda: len(run.attempts()) == 2)
    run.until(run.processes)
    assert run.run("cancel", run.folder.path).returncode == OK
    run.until(lambda: not run.processes())
    first, second = run.attempts()
    assert first.ended is not None
    assert second.ended is not None
    assert (first.ended.code, second.ended.code) == (0, 130)
    assert (run.folder.path / "task.sh").read_text().count("exec srun --ntasks=1 env RUNNER=there sh -c ") == 1
    assert list((cluster.base / "scratch").glob(f"*{run.folder.fleet.id}*")) == []
    cluster.wait_idle("gpu1")


def test_a_full_disk_of_one_host_ends_with_75_and_another_host_does_it(fleet: Fleet, mended: Cluster) -> None:
    mended.power_off("gpu2")
    mended.power_on("gpu2", scratch_bytes=4 << 20)
    mended.wait_idle("gpu2")
    run = fleet(ANY, workload="regression,regression_wide", size="base,tiny")
    run.submit()
    watched = run.watch()
    assert watched.returncode == OK, watched.stdout
    failed = [each for each in run.attempts() if each.ended and each.ended.code]
    assert {each.begun.host for each in failed} == {"gpu2"}
    assert {each.ended.code for each in failed if each.ended} == {75}
    assert all("free" in each.ended.reason for each in failed if each.ended and each.ended.counts)
    assert {begun.host for begun in run.folder.done().values()} == {"gpu1"}


def test_whoever_watches_may_be_killed_and_so_may_slurmd(fleet: Fleet, mended: Cluster) -> None:
    run = fleet(H200, blocks=2)
    submitter = run.start("submit", run.file)
    run.until(lambda: list(run.shared.glob("fleet-*/submissions/*.json")))
    run.until_it_measures("gpu1")
    submitter.kill()
    submitter.communicate()
    mended.kill_slurmd("gpu1")
    run.until(lambda: run.folder.done())
    watched = run.watch()
    assert watched.returncode == OK, watched.stdout
    assert "DONE@gpu1" in watched.stdout
    assert run.folder.doubles() == ()


def test_another_samestep_on_the_host_is_said_and_not_tried_again(fleet: Fleet) -> None:
    run = fleet(H200)
    run.submit()
    text = (run.folder.path / "fleet.json").read_text()
    sha = dict(run.folder.fleet.code)["bench/lines.py"]
    (run.folder.path / "fleet.json").write_text(text.replace(sha, "0" * 64))
    watched = run.watch()
    assert watched.returncode == SOME_FAILED
    assert "ERROR  (This host has another samestep than the one that was submitted: bench/lines.py" in watched.stdout
    assert len(run.attempts()) == 1
    logs = run.run("logs", run.folder.path)
    assert "bench/lines.py differs" in logs.stdout


def test_without_slurm_it_says_so(fleet: Fleet, tmp_path: Path) -> None:
    run = fleet(H200)
    done = run.run("submit", run.file, environ={"PATH": str(tmp_path)})
    assert done.returncode == USAGE
    assert done.stderr == ("samestep: There is no Slurm here (sbatch is not found): log in where jobs are submitted.\n")
