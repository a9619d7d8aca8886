"""On which processors the timed rounds were seen."""

import os
import threading
from pathlib import Path

from bench.protocol.placement import Placement
from bench.protocol.rounds import RoundTimer, timed_rounds
from bench.turns.prepare import prepare
from bench.turns.turn import Turn
from bench.workloads import make
from tests import factories
from tests.bench.protocol.test_replicate import SETTINGS
from tests.fakes import FakeClock, FakeFramework


def tasks(tmp_path: Path, **processors: int) -> Path:
    """Threads with these names, which last ran on these processors."""
    for number, (name, cpu) in enumerate(processors.items()):
        (tmp_path / str(number)).mkdir()
        fields = ["S", *("0" for _ in range(35)), str(cpu), "0", "0"]
        (tmp_path / str(number) / "stat").write_text(f"{number} ({name} ) x) {' '.join(fields)}\n")
    return tmp_path


def test_every_thread_is_asked_where_it_ran_last(tmp_path: Path) -> None:
    placement = Placement(lambda: 3, tasks(tmp_path, python=3, worker=12))
    placement.look()
    assert placement.processors == (3,)
    placement.look_at_all()
    assert list(placement.processors) == [3, 12]


def test_threads_that_have_ended_and_a_library_that_does_not_know_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    placement = Placement(lambda: -1, tmp_path)
    placement.look_at_all()
    assert placement.processors == ()
    Placement(lambda: 0, tmp_path / "nothing").look_at_all()


def test_this_process_is_where_the_kernel_lets_it_be() -> None:
    seen: list[tuple[int, ...]] = []
    cpu = min(os.sched_getaffinity(0))

    def pinned() -> None:
        os.sched_setaffinity(0, {cpu})
        placement = Placement(tasks=Path("/nothing"))
        placement.look()
        seen.append(placement.processors)

    thread = threading.Thread(target=pinned)
    thread.start()
    thread.join()
    assert seen == [(cpu,)]


def test_it_is_looked_at_outside_of_the_timed_rounds(tmp_path: Path) -> None:
    clock = FakeClock()
    framework = FakeFramework(clock)
    step = framework.build(make("regression", size="base", optimizer="adam"), "eager", "float32")
    assert not hasattr(step, "reason")
    at = iter((2, 2, 5, 2, 2, 2, 2))

    def current() -> int:
        clock.spend(1_000)
        return next(at)

    timer = RoundTimer(framework, step, clock)
    timer.round(1)  # the first call compiles
    timed = timed_rounds(timer, clock.rounds, calls=1, count=4, cpu_clock=clock, placement=Placement(current, tmp_path))
    assert timed.ran_on == (2, 5)
    assert set(timed.round_ns) == {framework.step_ns}
    assert set(timed.round_cpu_ns[:-1]) == {framework.step_ns}  # the clock of the test is the processor's, too


def test_a_cpu_set_of_which_a_part_is_not_there_is_refused() -> None:
    turn = Turn(
        cell=factories.cell(framework="numpy"),
        block=1,
        position=1,
        settings=SETTINGS,
        calls_per_round=None,
        cpus=(min(os.sched_getaffinity(0)), 4000),
        threads=1,
        hash_seed=1,
        timeout_s=1.0,
        launcher="venv",
    )
    raised: list[str] = []

    def refused() -> None:
        try:
            prepare(turn)
        except OSError as error:
            raised.append(str(error))

    thread = threading.Thread(target=refused)  # the CPU set of this thread alone
    thread.start()
    thread.join()
    (sentence,) = raised
    assert "CPU 4000 of the CPU set" in sentence
    assert "cannot be used here" in sentence
