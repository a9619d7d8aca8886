"""A process that was killed for memory is told from one that somebody killed, by the kernel's count."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.records.codec import to_json
from bench.turns import killed
from bench.turns.killed import oom_kills, own_counters
from bench.turns.supervise import supervise
from bench.turns.turn import Outcome, to_record
from tests import factories
from tests.bench.protocol.test_replicate import turn
from tests.bench.turns.test_supervise import interpreter

ROOT = Path(killed.__file__).parents[2]
CGROUP = Path("/sys/fs/cgroup/memory")
ALLOCATES = f"exec {sys.executable} -c 'x = bytearray(1 << 30)'"
COMPILER = "g++: fatal error: Killed signal terminated program cc1plus"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n", 3),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", 1),
        ("oom_kill_disable 0\nunder_oom 0\n", 0),
        ("nr_free_pages 5\noom_kill 102\n", 102),
    ],
)
def test_reads_the_kernels_count_of_kills_for_memory(tmp_path: Path, text: str, count: int) -> None:
    counters = tmp_path / "counters"
    counters.write_text(text)
    assert oom_kills((tmp_path / "missing", counters)) == count


def test_the_counters_are_those_of_the_own_control_group(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("9:name=systemd:/\n4:memory:/slice/job\n1:cpu,cpuacct:/\n0::/user.slice/me\n")
    first, second, *containers = own_counters(membership, tmp_path)
    assert first == tmp_path / "memory/slice/job/memory.oom_control"
    assert second == tmp_path / "user.slice/me/memory.events"
    assert tuple(containers) == killed.OOM_COUNTERS
    assert own_counters(tmp_path / "missing", tmp_path) == killed.OOM_COUNTERS


def ended(tmp_path: Path, script: str) -> Outcome:
    return supervise(turn(), tmp_path / "turn", python=interpreter(tmp_path, script))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel kills a process for memory during the turn."""
    counts: Iterator[int] = iter(range(7, 99))
    monkeypatch.setattr(killed, "oom_kills", lambda: next(counts))


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("kill -9 $$", "oom"),
        ("kill -11 $$", "failed"),
        ("exit 1", "failed"),
        (f"echo '{COMPILER}'; exit 1", "oom"),
    ],
)
def test_a_killed_process_is_out_of_memory_when_the_kernel_counts_it(tmp_path: Path, script: str, status: str) -> None:
    assert to_record(turn(), ended(tmp_path, script)).status == status


def test_a_process_that_somebody_killed_is_not_out_of_memory(tmp_path: Path) -> None:
    assert to_record(turn(), ended(tmp_path, "kill -9 $$")).status == "failed"
    assert to_record(turn(), ended(tmp_path, f"echo '{COMPILER}'; exit 1")).status == "failed"


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(("reason", "status"), [(COMPILER, "oom"), ("InductorError: no such type", "failed")])
def test_a_record_whose_compiler_the_kernel_killed_is_out_of_memory(tmp_path: Path, reason: str, status: str) -> None:
    written = factories.record(status="failed", reason=f"first_step: {reason}", timing=None)
    (tmp_path / "record").write_text(to_json(written))
    record = to_record(turn(), ended(tmp_path, f"cp {tmp_path}/record $folder/record.json"))
    assert record.status == status
    assert record.reason.startswith(f"first_step: {reason}")


@pytest.mark.usefixtures("counted")
def test_a_good_record_stays_whatever_else_is_killed(tmp_path: Path) -> None:
    (tmp_path / "record").write_text(to_json(factories.record()))
    assert to_record(turn(), ended(tmp_path, f"cp {tmp_path}/record $folder/record.json; kill -9 $$")).status == "ok"


def test_the_kernel_is_offered_the_turn_first(tmp_path: Path) -> None:
    assert ended(tmp_path, "sleep 0.3; cat /proc/$$/oom_score_adj").tail == ("1000",)


def test_a_limit_of_its_address_space_is_out_of_memory(tmp_path: Path) -> None:
    record = to_record(turn(), ended(tmp_path, f"ulimit -v 500000; {ALLOCATES}"))
    assert (record.status, record.reason) == ("oom", "launch: exit code 1 (MemoryError)")


JOINS = """
import sys
from pathlib import Path
from bench.turns.supervise import supervise
from bench.turns.turn import to_record
from tests.bench.protocol.test_replicate import turn
group, folder, python = map(Path, sys.argv[1:])
(group / "cgroup.procs").write_text("0")
record = to_record(turn(), supervise(turn(), folder, python=str(python)))
print(record.status, record.reason, sep=": ")
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with 256 MiB of memory."""
    path = CGROUP / f"samestep-test-{os.getpid()}"
    try:
        path.mkdir()
        (path / "memory.limit_in_bytes").write_text(str(256 << 20))
    except OSError:
        pytest.skip("no memory control group of version 1 can be made here")
    yield path
    path.rmdir()


@pytest.mark.parametrize(
    ("script", "expected"),
    [(ALLOCATES, "oom: launch: killed for memory"), ("kill -9 $$", "failed: launch: ended by SIGKILL")],
)
def test_the_kernel_takes_the_turn_and_its_count_is_believed(
    tmp_path: Path, group: Path, script: str, expected: str
) -> None:
    arguments = [str(group), str(tmp_path / "turn"), interpreter(tmp_path, script)]
    done = subprocess.run(
        [sys.executable, "-c", JOINS, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{expected}\n"
