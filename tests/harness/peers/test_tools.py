"""What each tool prints becomes a ratio, its half-width and a call; what it prints is as the real tool printed it."""

import functools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import SetupError
from harness.peers import hyperfine, pyperf, pytest_benchmark, samestep, tool, torch_timer
from harness.peers.hyperfine import Hyperfine
from harness.peers.pyperf import Pyperf
from harness.peers.pytest_benchmark import PytestBenchmark
from harness.peers.samestep import PROCESSES, Group, Samestep, group_of, length_of_slice, together
from harness.peers.steps import Variant
from harness.peers.tool import OutOfTimeError, Programs
from harness.peers.torch_timer import TorchTimer

A, B = Variant("NumPy regression"), Variant("NumPy regression", 21)
HIDDEN = "Benchmark hidden because not significant (1): step\n"
SHOWN = "Mean +- std dev: [a] 1.00 ms +- 0.01 ms -> [b] 1.05 ms +- 0.01 ms: 1.05x slower\n"


def pyperf_json(*runs: list[float]) -> str:
    """The part that is read: the first run calibrates and has no values."""
    listed: list[dict[str, object]] = [{"warmups": [[1, 0.2]], "metadata": {"calibrate_loops": 64}}]
    return json.dumps({"benchmarks": [{"runs": listed + [{"values": values} for values in runs]}], "version": "1.0"})


def pytest_json(a: float, b: float) -> str:
    tests = [{"params": {"variant": name}, "stats": {"median": median}} for name, median in (("A", a), ("B", b))]
    return json.dumps({"benchmarks": tests})


def hyperfine_json(a: list[float], b: list[float]) -> str:
    return json.dumps({"results": [{"command": "a", "times": a}, {"command": "b", "times": b}]})


class Fake(Programs):
    """Answers each command by a function; time is up when the function says so."""

    def __init__(self, scratch: Path, answer: Callable[[Sequence[str]], str]) -> None:
        super().__init__(Path("python"), scratch, (), (0,))
        self.commands: list[list[str]] = []
        self._answer = answer
        self._said = ""

    def run(self, command: Sequence[str], deadline_s: float, **more: str) -> str:
        self.commands.append(list(command))
        self._said = self._answer(command)
        return self._said

    def last_output(self) -> str:
        return self._said


def after(option: str, command: Sequence[str]) -> Path:
    return Path(command[list(command).index(option) + 1])


def unasked(said: str, command: Sequence[str]) -> str:
    """The answer to any command."""
    return said


def late() -> float:
    return time.monotonic() + 1000


class TestPyperf:
    def test_values_of_all_runs_are_read_and_runs_that_calibrate_have_none(self) -> None:
        assert pyperf.values(pyperf_json([1.0, 2.0], [3.0])) == [1.0, 2.0, 3.0]

    @pytest.mark.parametrize(("said", "significant"), [(HIDDEN, False), (SHOWN, True)])
    def test_a_pair_that_compare_to_hides_is_not_different(self, said: str, significant: bool) -> None:
        assert pyperf.is_significant(said) is significant

    def test_it_appends_to_both_files_until_the_interval_is_narrow(self, tmp_path: Path) -> None:
        taken: dict[Path, list[float]] = {}

        def answer(command: Sequence[str]) -> str:
            if "compare_to" in command:
                return SHOWN
            file = after("--append", command)
            base = 1.05 if file.name == "b.json" else 1.0
            taken[file] = taken.get(file, []) + [base * 0.95, base * 1.05] * 5
            file.write_text(pyperf_json(taken[file]))
            return ""

        programs = Fake(tmp_path, answer)
        known = Pyperf(programs).ratio(A, B, late())
        assert known is not None
        assert (known.is_different, known.is_within) == (True, True)
        assert known.ratio == pytest.approx(1.05)
        assert len(programs.commands) == 9  # 10 values each leave ±4.9 %, 20 ±3.4 %, 30 ±2.7 %
        assert {tuple(command[3:7]) for command in programs.commands if "--append" in command} == {
            ("--step", A.step, "--inner", "20"),
            ("--step", A.step, "--inner", "21"),
        }


class TestPytestBenchmark:
    def test_medians_go_by_the_variant(self) -> None:
        assert pytest_benchmark.medians(pytest_json(2.0, 3.0)) == (2.0, 3.0)

    def test_one_invocation_has_no_interval_and_the_first_one_decides(self) -> None:
        assert pytest_benchmark.repeated([1.04], 1.0).half_width == math.inf
        assert pytest_benchmark.repeated([1.04, 1.0, 1.0], 1.0).is_different
        assert pytest_benchmark.repeated([0.96, 1.0, 1.0], 1.0).is_different
        assert not pytest_benchmark.repeated([1.02, 1.06], 1.0).is_different

    def test_invocations_are_repeated_until_the_t_interval_is_narrow(self, tmp_path: Path) -> None:
        ratios = iter([1.04, 1.06, 1.05, 1.05])

        def answer(command: Sequence[str]) -> str:
            after("--benchmark-json", command).write_text(pytest_json(2.0, 2.0 * next(ratios)))
            return ""

        known = PytestBenchmark(Fake(tmp_path, answer)).ratio(A, B, late())
        assert known is not None
        assert known.ratio == pytest.approx(1.05, rel=1e-3)
        assert known.is_within
        assert next(ratios) == 1.05  # two leave ±18 %, three ±2.9 %; the fourth is not needed


class TestTorch:
    LINE = json.dumps({"medians_s": [0.001, 0.00105], "figures": [3, 3], "half_width": 0.004})

    @pytest.mark.parametrize(
        ("medians", "figures", "differ"),
        [
            ((1.041e-3, 1.043e-3), (3, 3), False),
            ((1.041e-3, 1.043e-3), (4, 4), True),
            ((1.041e-3, 1.0e-3), (1, 1), False),
            ((0.999e-3, 1.001e-3), (2, 2), False),
            ((1.0e-3, 1.1e-3), (2, 2), True),
        ],
    )
    def test_two_numbers_differ_when_they_are_printed_differently(
        self, medians: tuple[float, float], figures: tuple[int, int], differ: bool
    ) -> None:
        assert torch_timer.prints_differ(medians, figures) is differ

    def test_the_last_whole_line_counts(self) -> None:
        known = torch_timer.known(f'a warning\n{self.LINE}\n{{"medians_s": [1', 3.0)
        assert known is not None
        assert (known.half_width, known.is_different) == (0.004, True)
        assert known.ratio == pytest.approx(1.05)
        assert torch_timer.known("Traceback\n", 3.0) is None

    def test_what_was_said_before_the_deadline_counts(self, tmp_path: Path) -> None:
        class Killed(Fake):
            def run(self, command: Sequence[str], deadline_s: float, **more: str) -> str:
                super().run(command, deadline_s)
                raise OutOfTimeError

        found = []
        for said in (f"{self.LINE}\n", ""):
            programs = Killed(tmp_path, functools.partial(unasked, said))
            found.append(TorchTimer(programs, "blocked_autorange").ratio(A, B, late()))
        assert [known is not None for known in found] == [True, False]


class TestHyperfine:
    def test_times_are_in_the_order_of_the_commands(self) -> None:
        assert hyperfine.times_s(hyperfine_json([1.0], [2.0])) == ([1.0], [2.0])

    def test_it_calls_different_what_is_farther_apart_than_the_printed_deviation(self) -> None:
        assert hyperfine.prints_apart([0.99, 1.0, 1.01], [1.04, 1.05, 1.06])
        assert hyperfine.prints_apart([1.04, 1.05, 1.06], [0.99, 1.0, 1.01])
        assert not hyperfine.prints_apart([0.9, 1.0, 1.1], [0.95, 1.05, 1.15])

    def test_runs_of_all_invocations_are_pooled_and_the_first_one_decides(self, tmp_path: Path) -> None:
        invocations = iter([([0.9, 1.0, 1.1], [0.9, 1.0, 1.1]), ([1.0] * 200, [1.0] * 200)])

        def answer(command: Sequence[str]) -> str:
            after("--export-json", command).write_text(hyperfine_json(*next(invocations)))
            return ""

        known = Hyperfine(Fake(tmp_path, answer)).ratio(A, A, late())
        assert known is not None
        assert (known.ratio, known.is_within, known.is_different) == (1.0, True, False)
        assert list(invocations) == []

    def test_where_it_is_absent_the_sentence_says_how_to_get_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SetupError, match="apt-get install hyperfine"):
            Hyperfine(Fake(tmp_path, lambda command: "")).version()


class TestSamestep:
    @staticmethod
    def told(groups: Iterator[Group | None]) -> Samestep:
        def measure(a: Variant, b: Variant, deadline_s: float) -> Group | None:
            try:
                return next(groups)
            except StopIteration:
                raise OutOfTimeError from None

        return Samestep(measure)

    @staticmethod
    def group(a: Sequence[float], b: Sequence[float]) -> Group:
        return Group(a=tuple(map(math.log, a)), b=tuple(map(math.log, b)))

    def test_groups_are_repeated_until_their_interval_is_narrow(self) -> None:
        wide, narrow = self.group([1.0, 1.03, 0.97], [1.05, 1.08, 1.02]), self.group([1.0, 1.01], [1.05, 1.06])
        left = iter([wide, None, narrow, narrow, narrow])
        known = self.told(left).ratio(A, B, late())
        assert known is not None
        assert (known.is_within, known.is_different, len(list(left))) == (True, True, 1)
        assert known.ratio == pytest.approx(1.05, rel=1e-3)

    def test_at_the_deadline_it_says_what_it_has(self) -> None:
        known = self.told(iter([self.group([0.9, 1.1], [1.0, 1.2])])).ratio(A, B, late())
        assert known is not None
        assert (known.is_within, known.is_different) == (False, False)
        assert self.told(iter([])).ratio(A, B, late()) is None

    def test_one_group_has_the_interval_of_a_two_sample_t_test(self) -> None:
        group = self.group([1.0, 1.03, 0.99], [1.05, 1.09, 1.06])
        found = together([group])
        t = 3.1355  # scipy.stats.t.ppf(1 - 0.035 / 2, 4)
        error = math.sqrt((statistics.variance(group.a) + statistics.variance(group.b)) / 3)
        assert found.interval is not None
        assert math.log(found.interval.high / found.value) == pytest.approx(t * error, rel=1e-3)

    def test_the_interval_holds_the_truth_as_often_as_it_says_and_groups_may_differ(self) -> None:
        rng = random.Random(3)

        def measured() -> Group:
            a, b = ([effect + rng.gauss(0, 0.02) for _ in range(3)] for effect in (0.0, math.log(1.05)))
            return Group(a=tuple(a), b=tuple(b))

        held = 0
        for _ in range(2000):
            interval = together([measured(), measured()]).interval
            assert interval is not None
            held += interval.holds(1.05)
        assert held / 2000 == pytest.approx(0.965, abs=0.015)

    @pytest.mark.parametrize("spread", [0.005, 0.015])
    def test_the_interval_holds_although_it_stops_as_soon_as_it_is_narrow(self, spread: float) -> None:
        """Groups that happen to agree end it early: of 95 %, this may cost one."""
        rng = random.Random(5)
        held = trials = 0
        for _ in range(1500):
            groups: list[Group] = []
            known = None
            while len(groups) < 6 and not (known and known.is_within):
                a, b = ([effect + rng.gauss(0, spread) for _ in range(PROCESSES)] for effect in (0.0, math.log(1.05)))
                groups.append(Group(a=tuple(a), b=tuple(b)))
                known = self.told(iter(groups)).ratio(A, B, late())
            assert known is not None
            trials += 1
            interval = together(groups).interval
            assert interval is not None
            held += interval.holds(1.05)
        assert held / trials >= 0.94

    def test_what_the_machine_does_in_a_slice_drops_out(self) -> None:
        rng = random.Random(4)
        level = {"a0": 1.0, "a1": 1.1, "b0": 1.2, "b1": 1.3}
        speeds = [rng.choice((1.0, 2.0)) for _ in range(9)]
        times = {name: {at: own * speed for at, speed in enumerate(speeds)} for name, own in level.items()}
        del times["a0"][0]  # a slice without a round
        group = group_of(times)
        assert group is not None
        assert math.exp(group.b[1] - group.a[0]) == pytest.approx(1.3)
        assert group_of({name: dict.fromkeys(range(4), 1.0) for name in level}) is None

    def test_a_slice_that_some_lack_tells_of_the_others(self) -> None:
        rng = random.Random(5)
        level = {"a0": 1.0, "a1": 1.1, "b0": 1.2, "b1": 1.3}
        speeds = [rng.choice((1.0, 2.0)) for _ in range(16)]
        times = {
            name: {at: own * speed for at, speed in enumerate(speeds) if (at + lacks) % 4}
            for lacks, (name, own) in enumerate(level.items())
        }
        assert not set.intersection(*map(set, times.values()))
        group = group_of(times)
        assert group is not None
        for one, other in (("a0", "a1"), ("a0", "b0"), ("a0", "b1")):
            levels = {"a0": group.a[0], "a1": group.a[1], "b0": group.b[0], "b1": group.b[1]}
            assert math.exp(levels[other] - levels[one]) == pytest.approx(level[other] / level[one])

    def test_slices_that_only_one_variant_has_tell_nothing(self) -> None:
        times = {"a0": dict.fromkeys(range(8), 1.0), "b0": dict.fromkeys(range(8, 16), 1.0)}
        assert group_of(times) is None


def test_processes_start_on_all_processors_and_take_turns_on_the_measured_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = max(os.sched_getaffinity(0))
    programs = Programs(Path(sys.executable), tmp_path, [("OPENBLAS_NUM_THREADS", "1")], (last,))
    began: list[tuple[int, ...]] = []
    ended: list[set[int]] = []
    start, end = Programs.start, tool.end_politely

    def started(self: Programs, command: Sequence[str], output: Path, cpus: Sequence[int] = ()) -> Any:
        began.append(tuple(cpus))
        return start(self, command, output, cpus)

    def ending(process: subprocess.Popen[bytes], patience_s: float) -> None:
        ended.extend(os.sched_getaffinity(int(thread.name)) for thread in Path(f"/proc/{process.pid}/task").glob("*"))
        end(process, patience_s)

    monkeypatch.setattr(Programs, "start", started)
    monkeypatch.setattr(samestep, "end_politely", ending)
    tries = (samestep.measured_group(programs, A, B, late()) for _ in range(5))  # a busy machine leaves too few rounds
    group = next(filter(None, tries), None)
    assert group is not None
    assert (len(group.a), len(group.b)) == (2, 2)
    assert sorted(set(began)) == [(cpu,) for cpu in sorted(os.sched_getaffinity(0))][: len(began)]
    assert len(ended) >= 4
    assert all(cpus == {last} for cpus in ended)


def test_a_program_that_fails_is_one_sentence_and_one_that_is_late_is_killed(tmp_path: Path) -> None:
    programs = Programs(Path(sys.executable), tmp_path, [("SCRATCH", "{scratch}/x")], (0,))
    said = programs.run([sys.executable, "-c", "import os; print(os.environ['SCRATCH'])"], late())
    assert said == f"{tmp_path}/x\n"
    with pytest.raises(SetupError, match=r"^nothing: .*No module named"):
        programs.run(programs.command("nothing"), late())
    with pytest.raises(OutOfTimeError):
        programs.run([sys.executable, "-c", "import time; time.sleep(60)"], time.monotonic())


def test_a_slice_holds_whole_rounds_of_the_slowest_process() -> None:
    assert length_of_slice([0.001, 0.002]) == pytest.approx(0.05)
    assert length_of_slice([0.001, 0.015]) == pytest.approx(0.09)
