"""The host's end of a guest, with a small guest in Python: the orders, every way to fail, and that nothing is left."""

import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.guests import host, usage
from bench.guests.host import Guest, GuestError
from bench.turns import kept
from bench.turns.environment import cpu_ns, peak_resident_bytes, resident_bytes
from bench.turns.reason import of_exception, tells_of_killed_child
from tests.bench.turns.test_supervise import is_gone

TINY = str(Path(__file__).with_name("tiny.py"))
Start = Callable[[str], Guest]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start guests with a planted fault, and end them afterwards."""
    made: list[Guest] = []

    def one(fault: str) -> Guest:
        made.append(Guest((sys.executable, "-S", TINY, fault), "tiny"))
        return made[-1]

    yield one
    for guest in made:
        guest.end()


def test_a_guest_builds_runs_times_and_writes_its_result(start: Start, tmp_path: Path) -> None:
    guest = start("none")
    assert guest.started == {"versions": ["tiny==1"]}
    assert guest.ask("build", {"numbers": [1.5, -2, 1e-3]}, "built") == {"count": 3}
    before = time.perf_counter_ns()
    (ran,) = guest.run(1)
    after = time.perf_counter_ns()
    assert before < ran["begin_ns"] < ran["end_ns"] < after, "one clock for both"
    assert guest.ask("output", str(tmp_path / "numbers"), "output") == {"dtype": "float32", "shape": [3]}
    assert (tmp_path / "numbers").read_bytes() == array("f", [3, -4, 2e-3]).tobytes()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "killed",
            "tiny, told to run, was ended by SIGABRT, exit code -6"
            " (its last words: terminate called after throwing an instance of 'std::bad_alloc')",
        ),
        ("exits", "tiny, told to run, ended with exit code 3 (its last words: in all of the library)"),
        ("nonsense", "tiny, told to run, answered '42 is the answer', which is no word with its body"),
        ("wrong word", "tiny, told to run, answered 'danced' instead of 'ran'"),
        (
            "no times",
            "tiny, told to run, says {'begin_ns': 1, 'end_ns': 2.5, 'cpu_ns': 1} instead of begin_ns, cpu_ns, end_ns",
        ),
        ("too few", "tiny, told to run, says [] of 1 rounds"),
        ("endless", "tiny, told to run, answered a line that does not end"),
        ("closes", "tiny, told to run, closed its answers and went on"),
    ],
)
def test_a_guest_that_fails_is_told_with_its_last_words(
    fault: str, said: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "LONGEST_BYTES", 5000)
    monkeypatch.setattr(host, "PATIENCE_S", 0.5)
    guest = start(fault)
    guest.ask("build", {"numbers": [1]}, "built")
    with pytest.raises(GuestError) as raised:
        guest.run(3)
    assert str(raised.value) == said


def test_what_a_guest_cannot_do_is_its_own_sentence_and_it_goes_on(start: Start) -> None:
    guest = start("none")
    with pytest.raises(GuestError, match=r"^tiny, told to dance, says: KeyError: dance$"):
        guest.ask("dance", None, "danced")
    assert guest.ask("build", {"numbers": []}, "built") == {"count": 0}


def test_a_guest_that_does_not_begin_says_why() -> None:
    with pytest.raises(GuestError, match=r"^tiny, told to start, says: there is no library$"):
        Guest((sys.executable, "-S", TINY, "does not begin"), "tiny")
    with pytest.raises(GuestError, match=r"^node does not start: /no/node: No such file or directory$"):
        Guest(("/no/node", TINY), "node")


def test_a_guest_that_the_kernel_kills_is_a_killed_child(start: Start) -> None:
    """So that a record says `oom` where the kernel's count of such kills rose."""
    guest = start("none")
    os.kill(guest.pid, signal.SIGKILL)
    with pytest.raises(GuestError, match="was ended by SIGKILL, exit code -9") as raised:
        guest.run(1)
    assert tells_of_killed_child(of_exception(raised.value).text)


def test_what_a_guest_prints_goes_to_the_log_and_does_not_stop_it(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = start("prints")
    guest.ask("build", {"numbers": [1]}, "built")
    assert guest.run(1)[0]["cpu_ns"] >= 0
    assert capsys.readouterr().err.count("x") > 1_000_000, "far more than a pipe holds"


def test_its_processor_time_memory_and_threads_are_the_replicates(start: Start) -> None:
    alone = resident_bytes()
    guest = start("none")
    process = psutil.Process(guest.pid)
    guest.ask("build", {"numbers": list(range(20_000))}, "built")
    own, before = time.process_time_ns(), cpu_ns()
    (ran,) = guest.run(300)
    assert cpu_ns() - before >= ran["cpu_ns"] + time.process_time_ns() - own - 5_000_000
    assert usage.cpu_ns() == pytest.approx(1e9 * sum(process.cpu_times()[:2]), abs=30_000_000)  # in ticks of 10 ms
    assert usage.resident_bytes() == pytest.approx(process.memory_info().rss, rel=0.05)
    assert resident_bytes() > alone + process.memory_info().rss // 2
    assert peak_resident_bytes() >= usage.peak_resident_bytes() >= usage.resident_bytes() > 0
    assert [path.name for path in usage.tasks()] == [str(thread.id) for thread in process.threads()]
    guest.end()
    assert (usage.cpu_ns(), usage.resident_bytes(), list(usage.tasks())) == (0, 0, [])
    guest.end()


HOST = """
import sys
from bench.guests.host import Guest
guest = Guest((sys.executable, "-S", sys.argv[1], "hangs"), "tiny")
guest.ask("build", {"numbers": [1]}, "built")
print(guest.pid, flush=True)
guest.run(1)
"""


@pytest.fixture
def hosted() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that leads a group, as a replicate does, and the guest that it waits for, which hangs."""
    with subprocess.Popen(
        [sys.executable, "-c", HOST, TINY], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        yield process, int(process.stdout.readline())
        process.kill()


def test_a_guest_stops_and_goes_on_with_its_replicate(hosted: tuple[subprocess.Popen[str], int]) -> None:
    process, guest = hosted
    assert os.getpgid(guest) == process.pid
    kept.stop(process.pid)
    assert kept.wait_stopped(guest)
    assert psutil.Process(guest).status() == psutil.STATUS_STOPPED
    kept.proceed(process.pid)
    deadline = time.monotonic() + 5
    while psutil.Process(guest).status() == psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_guest_ends_with_its_host_whatever_it_does(
    hosted: tuple[subprocess.Popen[str], int], is_stopped: bool
) -> None:
    process, guest = hosted
    if is_stopped:
        kept.stop(process.pid)
    process.kill()
    assert is_gone(guest)
