"""The host's side of a replicate: what Linux says of a process tree and its control groups, from files and for real."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from harness.samplers import procfs
from harness.samplers.base import Costs, Sampler, Watched
from harness.samplers.process import ProcessProbe

MIB = 1 << 20


def group(root: Path, path: str, **files: str) -> Path:
    folder = root / path.strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_control_groups_of_version_2_are_found_with_those_around_them(tmp_path: Path) -> None:
    group(tmp_path, "/", cgroup__controllers="cpu memory")
    inner = group(tmp_path, "/system.slice/docker-abc.scope", memory__peak="12345\n", cpu__stat="nr_throttled 3\n")
    found = procfs.folders("0::/system.slice/docker-abc.scope\n", "cpu", tmp_path)
    assert found == [inner, inner.parent, tmp_path]
    assert procfs.peak_bytes(inner) == 12345
    assert [procfs.throttled_periods(one) for one in found] == [3, None, None]


def test_control_groups_of_version_1_are_found_by_their_controller(tmp_path: Path) -> None:
    inner = group(tmp_path, "/memory/docker/abc", memory__max_usage_in_bytes="777\n")
    group(tmp_path, "/cpu/docker/abc", cpu__stat="nr_periods 9\nnr_throttled 2\nthrottled_time 5\n")
    membership = "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n"
    assert procfs.folders(membership, "memory", tmp_path) == [inner, inner.parent, tmp_path / "memory"]
    assert procfs.peak_bytes(inner) == 777
    assert procfs.throttled_periods(procfs.folders(membership, "cpu", tmp_path)[0]) == 2


def test_faults_and_time_are_those_of_a_process_and_the_children_it_waited_for(tmp_path: Path) -> None:
    """The fields of proc(5) by their number: majflt is 12, cmajflt 13, the four times 14 to 17."""
    fields = {number: str(10**6) for number in range(1, 53)} | {2: "(a name) R 1)", 3: "S"}
    fields |= {12: "3", 13: "5", 14: "70", 15: "110", 16: "1300", 17: "17000"}
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(" ".join(fields[number] for number in sorted(fields)))
    found = procfs.used(7, str(tmp_path))
    assert found == procfs.Used(cpu_ns=18_480 * (10**9 // os.sysconf("SC_CLK_TCK")), major_faults=8)


def test_a_real_process_is_measured_as_psutil_measures_it() -> None:
    with sleeper("x = bytearray(64 << 20); x[::4096] = b'1' * len(x[::4096])", children=1) as process:
        other = psutil.Process(process.pid)
        found, full = procfs.resident(process.pid), other.memory_full_info()
        assert found
        assert found.rss_bytes == pytest.approx(full.rss, rel=0.01)
        assert found.peak_bytes >= found.rss_bytes
        sizes = procfs.rollup(process.pid)
        assert sizes == pytest.approx((full.uss, full.pss), rel=0.01)
        assert set(procfs.tree(process.pid)) == {process.pid, *(one.pid for one in other.children(recursive=True))}
        assert len(procfs.tree(process.pid)) == 2
        used = procfs.used(process.pid)
        assert used
        assert used.cpu_ns / 1e9 == pytest.approx(sum(other.cpu_times()[:2]), abs=0.05)
        assert procfs.involuntary_switches(process.pid) >= other.num_ctx_switches().involuntary
        assert procfs.groups(process.pid) == Path("/proc/self/cgroup").read_text()
    gone = process.pid
    assert (procfs.resident(gone), procfs.rollup(gone), procfs.used(gone)) == (None, None, None)
    assert (procfs.groups(gone), procfs.involuntary_switches(gone), procfs.tree(gone)) == ("", 0, [gone])


class sleeper:  # noqa: N801 - used as a context manager only
    """A Python that runs `code`, starts so many children, says so and sleeps."""

    def __init__(self, code: str, children: int = 0) -> None:
        child = f"import subprocess; [subprocess.Popen(['sleep', '60']) for _ in range({children})]"
        full = f"{code}\n{child}\nprint('ready', flush=True)\nimport time; time.sleep(60)"
        self._process = subprocess.Popen([sys.executable, "-c", full], stdout=subprocess.PIPE, start_new_session=True)

    def __enter__(self) -> "subprocess.Popen[bytes]":
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"
        return self._process

    def __exit__(self, *ended: object) -> None:
        for one in reversed([psutil.Process(pid) for pid in procfs.tree(self._process.pid)]):
            one.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()


def watch(tmp_path: Path, pid: int, phases: Sequence[str], probe: ProcessProbe, watched: Watched) -> list[str]:
    """Look once in each of `phases`; return the metrics of the last look."""
    watched.started(pid, tmp_path)
    rows = []
    for phase in phases:
        (tmp_path / "phase").write_text(phase)
        watched.look()
        rows = list(probe.look(1))
    return [metric for *_, metric, _ in rows]


def test_what_disturbs_is_asked_at_edges_and_never_in_the_timed_rounds(tmp_path: Path) -> None:
    cheap = {"rss_bytes", "peak_rss_bytes"}
    walks = {"uss_bytes", "pss_bytes"}
    with sleeper("pass") as process:
        for phases, costly in (("import build", True), ("warmup warmup", False), ("warmup rounds", False)):
            watched = Watched("cell#1")
            found = set(watch(tmp_path, process.pid, phases.split(), ProcessProbe(watched, Costs()), watched))
            assert cheap <= found
            assert (walks <= found) is costly
        watched = Watched("cell#1")
        found = set(watch(tmp_path, process.pid, ["warmup"] + ["rounds"] * 30, ProcessProbe(watched, Costs()), watched))
        assert found == cheap


def test_a_container_has_a_peak_and_throttling_of_its_own(tmp_path: Path) -> None:
    """Its group began at nought; that of the harness, and those around, had counted before."""
    proc, mounts = tmp_path / "proc", tmp_path / "cgroup"
    for pid, path in ((7, "/docker/abc"), (os.getpid(), "/user")):
        (proc / str(pid) / "task" / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "cgroup").write_text(f"0::{path}\n")
        (proc / str(pid) / "status").write_text("VmHWM:\t2048 kB\nVmRSS:\t1024 kB\n")
    group(mounts, "/", cgroup__controllers="cpu memory", cpu__stat="nr_throttled 50\n")
    group(mounts, "/docker/abc", memory__peak=f"{5 * MIB}\n", cpu__stat="nr_throttled 2\n")
    watched = Watched("cell#1")
    probe = ProcessProbe(watched, Costs(), str(proc), mounts)
    watch(tmp_path, 7, ["import"], probe, watched)
    assert probe.fields()["cgroup_peak_bytes"] == 5 * MIB
    assert probe.fields()["throttled_periods"] == 2
    assert (probe.fields()["host_peak_rss_bytes"], probe.fields()["host_tree_peak_rss_bytes"]) == (2 * MIB, MIB)

    watched = Watched("cell#1")
    probe = ProcessProbe(watched, Costs(), str(proc), mounts)
    group(mounts, "/user", cpu__stat="nr_throttled 9\n")
    watch(tmp_path, os.getpid(), ["import"], probe, watched)
    assert probe.fields()["throttled_periods"] == 0
    group(mounts, "/", cpu__stat="nr_throttled 53\n")
    watch(tmp_path, os.getpid(), ["build"], probe, watched)
    assert probe.fields()["throttled_periods"] == 3
    assert "cgroup_peak_bytes" not in probe.fields()
    assert "cgroup_peak_bytes: the replicate has no control group of its own" in list(probe.missing())


def test_a_workers_container_has_run_others_before(tmp_path: Path) -> None:
    """Its peak is of its whole life, and so is the number of times that it was stopped."""
    proc, mounts = tmp_path / "proc", tmp_path / "cgroup"
    for pid, path in ((7, "/docker/abc"), (os.getpid(), "/user")):
        (proc / str(pid) / "task" / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "cgroup").write_text(f"0::{path}\n")
        (proc / str(pid) / "status").write_text(f"NSpid:\t{pid}\t31\nVmHWM:\t2048 kB\nVmRSS:\t1024 kB\n")
    group(mounts, "/", cgroup__controllers="cpu memory", cpu__stat="nr_throttled 50\n")
    group(mounts, "/docker/abc", memory__peak=f"{5 * MIB}\n", cpu__stat="nr_throttled 2\n")
    watched = Watched("cell#1")
    probe = ProcessProbe(watched, Costs(), str(proc), mounts)
    watch(tmp_path, 7, ["import"], probe, watched)
    assert "cgroup_peak_bytes" not in probe.fields()
    assert probe.fields()["throttled_periods"] == 0
    assert any(line.startswith("host_peak_uss_bytes, host_peak_pss_bytes: ") for line in probe.missing())


def test_further_processes_of_a_turn_are_not_the_replicate(tmp_path: Path) -> None:
    watched = Watched("cell#1")
    watched.started(1, tmp_path)
    (tmp_path / "phase").write_text("repeats")
    watched.look()
    assert watched.is_over


def test_a_launcher_without_host_pids_says_what_is_missing() -> None:
    probe = ProcessProbe(Watched("cell#1"), Costs())
    assert list(probe.look(1)) == []
    assert list(probe.missing()) == ["host_*: the harness sees no processes of this launcher"]


def test_a_sampler_looks_while_its_block_runs_and_counts_its_own_time(tmp_path: Path) -> None:
    (tmp_path / "phase").write_text("import")
    watched, costs = Watched("cell#1"), Costs()
    with sleeper("pass") as process, Sampler(watched, [ProcessProbe(watched, costs)], costs, period_s=0.005) as sampler:
        watched.started(process.pid, tmp_path)
        deadline = time.monotonic() + 10
        while sampler.looks < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert sampler.looks >= 5
    assert 0 < sampler.cpu_ns < sampler.wall_ns
    kinds = {(source, metric) for _, source, _, metric, _ in sampler.samples}
    assert {("turn", "import"), ("process", "rss_bytes"), ("sampler", "process status longest_ns")} <= kinds


def test_how_often_a_group_was_stopped_is_read_once_more_at_the_end(tmp_path: Path) -> None:
    """A replicate that takes turns is not looked at while it is parked, nor in its slices."""
    cgroup, proc = tmp_path / "cgroup", tmp_path / "proc"
    for name, folder in (("7", proc / "7"), (str(os.getpid()), proc / str(os.getpid()))):
        folder.mkdir(parents=True)
        (folder / "cgroup").write_text("1:cpu:/a\n")
        fields = [name, "(python)", "S", *("0" for _ in range(49))]
        (folder / "stat").write_text(" ".join(fields))
        (folder / "status").write_text("VmHWM: 2 kB\nVmRSS: 1 kB\n")
    stat = group(cgroup, "/cpu/a", cpu__stat="nr_periods 9\nnr_throttled 2\n") / "cpu.stat"
    watched = Watched("cell#1")
    watched.started(7, None)
    probe = ProcessProbe(watched, Costs(), proc=str(proc), mounts=cgroup)
    list(probe.look(1))
    assert probe.fields()["throttled_periods"] == 0
    stat.write_text("nr_periods 90\nnr_throttled 30\n")
    list(probe.end(2))
    assert probe.fields()["throttled_periods"] == 28
