"""The protocol on a clock that only moves when the fake framework spends time: exact numbers, exact order."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.interface import Skip, Step
from bench.protocol.replicate import measure, repeat
from bench.protocol.rounds import WINDOW, Rounds, RoundTimer, settled
from bench.protocol.settling import CHEAP_NS, LEAST_NS, MOST, QUIET
from bench.records.record import Allocator, Record, Timing
from bench.reference.workload import Workload, sha256
from bench.turns.parking import Keeper, Parked
from bench.turns.turn import Settings, Turn
from bench.workloads import regression
from tests import factories
from tests.fakes import FakeClock, FakeFramework

STEP_NS = 100_000
QUICK_SETTINGS = Settings(rounds=5, warmup_floor_ns=0, warmup_cap_ns=2_000_000_000)
SETTINGS = Settings(rounds=5, warmup_floor_ns=200_000_000, warmup_cap_ns=2_000_000_000)


def turn(**changes: Any) -> Turn:
    plain: dict[str, Any] = {
        "cell": factories.cell(),
        "block": 1,
        "position": 1,
        "settings": SETTINGS,
        "calls_per_round": None,
        "cpus": (),
        "threads": 1,
        "hash_seed": 1,
        "timeout_s": 60.0,
        "launcher": "venv",
    }
    return Turn(**{**plain, **changes})


def run(
    framework: FakeFramework,
    of: Turn | None = None,
    announce: Callable[[str], None] = lambda _: None,
    rounds: Rounds | None = None,
    **clocks: Any,
) -> Record:
    return measure(
        of or turn(),
        load=lambda: framework,
        make=lambda: regression.make("base", "adam"),
        rounds=rounds or framework.clock.rounds,
        clock=framework.clock,
        announce=announce,
        **{"cpu_clock": lambda: 0, **clocks},
    )


def fake(**changes: Any) -> FakeFramework:
    return FakeFramework(FakeClock(), **changes)


def test_rounds_hold_the_steps_and_one_wait() -> None:
    record = run(fake(wait_ns=7))

    assert record.status == "ok"
    assert record.timing is not None
    calls = record.timing.calls_per_round
    assert record.timing.round_ns == (calls * STEP_NS + 7,) * SETTINGS.rounds


def test_first_step_is_timed_alone_and_waited_for() -> None:
    record = run(fake(first_ns=500_000_000, wait_ns=7))

    assert record.timing is not None
    assert record.timing.first_step_ns == 500_000_007


@pytest.mark.parametrize(
    ("step_ns", "wait_ns", "calls"),
    [
        (100_000, 0, 64),  # 5 ms / 100 µs = 50, next power of two
        (5_000_000, 0, 1),
        (100_000, 100_000, 256),  # the clock costs 100 µs: 200 of those are 20 ms, less the one wait inside
    ],
)
def test_calls_per_round_outlast_five_milliseconds_and_two_hundred_clocks(
    step_ns: int, wait_ns: int, calls: int
) -> None:
    record = run(fake(step_ns=step_ns, wait_ns=wait_ns))

    assert record.timing is not None
    assert record.timing.calls_per_round == calls


def test_frozen_calls_are_taken_over() -> None:
    record = run(fake(), turn(calls_per_round=96))

    assert record.timing is not None
    assert record.timing.calls_per_round == 96
    assert record.timing.round_ns == (96 * STEP_NS,) * SETTINGS.rounds


def test_a_trainer_is_timed_as_fits_of_n_and_of_2n_steps() -> None:
    record = run(fake(fit=True, fit_ns=30_000_000))

    assert record.timing is not None
    steps = record.timing.steps_per_round
    assert steps == 512  # 51 ms of steps: the difference of the two fits is no smaller than a fit's own 30 ms
    assert record.timing.round_ns == (30_000_000 + steps * STEP_NS,) * SETTINGS.rounds
    assert record.timing.double_round_ns == (30_000_000 + 2 * steps * STEP_NS,) * SETTINGS.rounds
    both = record.timing.round_ns[0] + record.timing.double_round_ns[0]
    begun = record.timing.round_begin_ns
    assert {later - earlier for earlier, later in itertools.pairwise(begun)} == {both}


def test_rounds_keep_when_they_began() -> None:
    framework = fake()
    record = run(framework)

    assert record.timing is not None
    begun, durations = record.timing.round_begin_ns, record.timing.round_ns
    assert len(begun) == len(durations) == SETTINGS.rounds
    assert [later - earlier for earlier, later in itertools.pairwise(begun)] == list(durations[:-1])


def test_phases_account_for_every_nanosecond_of_the_clock() -> None:
    framework = fake(wait_ns=7)

    record = run(framework)

    assert record.phases is not None
    assert record.phases.total_ns() == framework.clock.now_ns
    assert record.phases.first_step_ns == 500_000_007 + MOST * (STEP_NS + 7)


def test_phases_are_announced_in_order() -> None:
    seen: list[str] = []

    run(fake(), announce=seen.append)

    assert seen == ["import", "device", "build", "first_step", "check", "warmup", "rounds", "check", "teardown"]


def test_warm_up_stops_once_two_windows_agree_after_its_floor() -> None:
    record = run(fake())

    assert record.timing is not None
    assert record.timing.steady
    # the floor is 0.2 s, of which the calibration took a part; a round of 64 steps of 100 µs is 6.4 ms
    assert 2 * WINDOW < record.timing.warmup_rounds < 200_000_000 / 6_400_000
    assert record.phases is not None
    assert record.phases.warmup_ns >= SETTINGS.warmup_floor_ns
    assert run(fake(), turn(settings=QUICK_SETTINGS)).timing.warmup_rounds == 2 * WINDOW  # type: ignore[union-attr]


def test_warm_up_that_never_settles_ends_at_its_cap_and_says_so() -> None:
    record = run(fake(slower_by_ns=100), turn(calls_per_round=64))

    assert record.timing is not None
    assert not record.timing.steady
    assert record.phases is not None
    assert record.phases.warmup_ns >= SETTINGS.warmup_cap_ns


def test_a_compilation_in_the_timed_rounds_takes_the_time_away() -> None:
    record = run(fake(compile_every=100), turn(calls_per_round=64))

    assert record.status == "invalid"
    assert record.timing is None
    assert "compilations fell into the timed rounds" in record.reason


def test_device_allocations_before_and_during_the_timed_rounds_are_told_apart() -> None:
    record = run(fake(allocations=12))

    assert record.status == "ok"
    assert record.memory is not None
    assert (record.memory.device_allocations_warmup, record.memory.device_allocations_timed) == (12, 0)


def test_a_device_allocation_in_the_timed_rounds_takes_the_time_away() -> None:
    record = run(fake(allocations=12, allocations_per_call=1), turn(calls_per_round=64))

    assert record.status == "invalid"
    assert record.reason == f"{64 * SETTINGS.rounds} device allocations fell into the timed rounds"
    assert record.timing is None


def test_windows_that_differ_are_not_settled() -> None:
    steady = [100] * 20
    assert settled(steady, [1] * 20)
    assert not settled([102] * 10 + [100] * 10, [1] * 20)  # medians 2 % apart
    assert not settled(steady[:19], [1] * 19)  # too few
    assert not settled(steady, [1] * 19 + [2])  # a compilation in the last window
    assert not settled([90, 110] * 5 + [100] * 10, [1] * 20)  # same median, other spread


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wrong_by": 0.01}, "before timing: the losses differ from the float64 reference"),
        ({"wrong_start": 0.01}, "before timing: reset does not bring the initial parameters back"),
        ({"mode": "compile"}, "mode: eager was asked for, the framework ran compile"),
        ({"device": "cuda:0"}, "device: cpu was asked for, the framework ran cuda"),
        ({"threads": 2}, "threads: 1 was asked for, the framework ran 2"),
        ({"found": {"output_device": "cuda:0"}}, "device of the output: cpu was asked for, the framework ran cuda"),
        ({"found": {"output_precision": "float64"}}, "precision of the output: float32 was asked for"),
        (
            {"found": {"tf32": True, "matmul_precision": "high"}},
            "float32 was asked for, products may be rounded to TF32",
        ),
        ({"found": {"graph_breaks": 1}}, "1 graph breaks: the compiled step left its graph"),
        (
            {"found": {"graph_breaks": 3, "graph_breaks_declared": 2}},
            "1 graph breaks: the compiled step left its graph",
        ),
        ({"found": {"guard_failures": 2}}, "2 compilations because what was compiled did not fit"),
        ({"inference_off": 0.01}, "before timing: the predictions differ from those of float64 NumPy by"),
        (
            {"inference_off": 0.0, "wrong_start": 0.01},
            "before timing: a trained parameter differs from the reference's by",
        ),
    ],
)
def test_a_wrong_cell_has_no_time(changes: dict[str, Any], reason: str) -> None:
    record = run(fake(**changes))

    assert record.status == "invalid"
    assert record.reason.startswith(reason)
    assert record.timing is None


def test_a_parameter_of_another_shape_is_named() -> None:
    class Flat(FakeFramework):
        def build(self, workload: Workload, mode: str, precision: str) -> Step | Skip:
            step = super().build(workload, mode, precision)
            assert isinstance(step, Step)
            read = step.parameters
            return dataclasses.replace(step, parameters=lambda: {name: p.ravel() for name, p in read().items()})

    record = run(Flat(FakeClock()))

    assert (record.status, record.reason) == ("invalid", "weight has the shape (1,), the workload's is (1, 1)")


def test_a_graph_break_that_the_mode_declares_is_no_fault() -> None:
    record = run(fake(found={"graph_breaks": 2, "graph_breaks_declared": 2}))

    assert record.status == "ok"
    assert record.proof is not None
    assert record.proof.graph_breaks == 2


@pytest.mark.parametrize(("cpu_per_wall", "status"), [(0.5, "ok"), (1.0, "ok"), (1.9, "invalid")])
def test_more_threads_in_use_than_asked_for_take_the_time_away(cpu_per_wall: float, status: str) -> None:
    framework = fake()

    record = run(framework, cpu_clock=lambda: int(framework.clock() * cpu_per_wall))

    assert record.status == status
    assert (record.timing is None) == (status == "invalid")
    assert record.reason == ("" if status == "ok" else "threads: 1 asked for, 1.90 used (CPU time over wall time)")


def test_a_trained_model_is_held_to_the_predictions_of_its_own_parameters() -> None:
    record = run(fake(inference_off=0.0))

    assert record.status == "ok"
    assert record.accuracy is not None
    assert record.accuracy.losses == ()
    assert record.accuracy.max_loss_deviation is not None
    assert 0 <= record.accuracy.max_loss_deviation < 1e-6
    assert record.accuracy.init_sha256 == sha256(regression.make("base", "adam").parameters)
    assert record.accuracy.within_tolerance


def test_two_runs_of_the_gate_that_are_equal_to_the_last_bit_have_one_fingerprint() -> None:
    framework = fake()
    run_rounds = framework.clock.rounds

    def spoil(run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
        durations = run_rounds(run, before, count)
        framework.wrong_by = 1e-9
        return durations

    equal = run(fake()).accuracy
    other = run(framework, rounds=spoil).accuracy

    assert equal is not None
    assert equal.fingerprint == equal.fingerprint_after != ""
    assert other is not None
    assert other.fingerprint == equal.fingerprint != other.fingerprint_after


def test_the_class_of_the_first_step_comes_from_what_the_caches_did() -> None:
    files = iter([3, 5])

    record = run(fake(found={"cache_hits": 0, "cache_misses": 2}), cache_entries=lambda: next(files))

    assert record.timing is not None
    assert (record.timing.compile_cache, record.timing.cache_entries) == ("cold", 2)


def test_the_peaks_of_a_timed_replicate_are_the_training_s_and_not_the_check_s() -> None:
    """The check computes a gradient that a compiled step never holds, and peaks are cumulative."""

    class Measuring(FakeFramework):
        def memory(self) -> Allocator:
            peak = 100 + 900 * ("reset" in self.calls) + len(self.calls) // 1000
            return Allocator(allocated_peak_bytes=peak, reserved_peak_bytes=2 * peak, device_allocations=7)

    memory = run(Measuring(FakeClock())).memory

    assert memory is not None
    assert (memory.allocated_peak_bytes, memory.reserved_peak_bytes) == (100, 200)
    assert (memory.device_allocations_warmup, memory.device_allocations_timed) == (7, 0)


def test_a_repeat_takes_the_first_step_and_the_gate_and_times_no_rounds() -> None:
    framework = fake(found={"cache_hits": 3, "cache_misses": 0})

    found = repeat(
        turn(threads=2),
        "warm",
        load=lambda: framework,
        make=lambda: regression.make("base", "adam"),
        clock=framework.clock,
    )

    assert (found.kind, found.status, found.reason, found.threads) == ("warm", "ok", "", 2)
    assert found.first_step_ns == 500_000_000
    assert (found.compile_cache, found.cache_hits, found.cache_misses) == ("warm", 3, 0)
    original = run(fake()).accuracy
    assert original is not None
    assert found.fingerprint == original.fingerprint
    assert framework.made == 1 + MOST + 20  # the first step, the calls after it and the start of the gate
    assert found.settling_ns == ()
    assert "start cpu 2" in framework.calls


def test_a_repeat_that_fails_says_why() -> None:
    found = repeat(
        turn(),
        "threads",
        load=lambda: fake(build_error=RuntimeError("no such layer")),
        make=lambda: regression.make("base", "adam"),
    )

    assert (found.status, found.reason) == ("failed", "build: RuntimeError: no such layer")
    assert (found.first_step_ns, found.compile_cache, found.fingerprint) == (None, None, "")


def test_a_gate_that_fails_after_timing_takes_the_time_away() -> None:
    framework = fake()
    run_rounds = framework.clock.rounds

    def spoil(run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
        durations = run_rounds(run, before, count)
        framework.wrong_by = 0.01
        return durations

    record = run(framework, rounds=spoil)

    assert record.status == "invalid"
    assert record.reason.startswith("after timing: the losses differ")
    assert record.timing is None


def test_a_mode_that_cannot_run_here_is_skipped_with_its_reason() -> None:
    record = run(fake(skip="no GPU"))

    assert (record.status, record.reason, record.timing) == ("skipped", "no GPU", None)


def test_an_exception_becomes_a_record_that_names_its_phase() -> None:
    record = run(fake(build_error=RuntimeError("no such layer\nsecond line")))

    assert record.status == "failed"
    assert record.reason == "build: RuntimeError: no such layer"
    assert record.failure is not None
    assert record.failure.phase == "build"
    assert any("no such layer" in line for line in record.failure.tail)
    assert record.phases is not None
    assert record.environment is not None
    assert record.environment.versions == ("fake==1",)


def test_a_framework_that_does_not_import_fails_in_that_phase() -> None:
    def load() -> FakeFramework:
        raise ModuleNotFoundError("No module named 'torch'")

    record = measure(turn(), load=load, make=lambda: regression.make("base", "adam"), rounds=FakeClock().rounds)

    assert record.reason == "import: ModuleNotFoundError: No module named 'torch'"


class TestSettling:
    """The calls after the first that still compile or capture."""

    def settling(self, busy: float = 1.0, **changes: Any) -> tuple[int, ...]:
        """`busy`: processor time of the process ÷ time by the clock."""
        framework = fake(**changes)
        record = run(framework, cpu_clock=lambda: int(framework.clock() * busy))
        assert record.timing is not None, record.reason
        return record.timing.settling_ns

    def test_none_where_the_first_call_alone_compiles(self) -> None:
        assert self.settling() == ()

    @pytest.mark.parametrize("call", [2, 3, 4, 10, MOST + 1])
    def test_a_call_that_the_framework_counts_is_found_however_short_it_is(self, call: int) -> None:
        assert self.settling(captures={call: STEP_NS + 1}) == (STEP_NS,) * (call - 2) + (STEP_NS + 1,)

    @pytest.mark.parametrize("counter", ["traces", "graphs", "cuda_graphs"])
    def test_any_counter_tells(self, counter: str) -> None:
        def rose(made: int) -> dict[str, Any]:
            return {counter: int(made >= 3)}

        class Counting(FakeFramework):
            def build(self, workload: Workload, mode: str, precision: str) -> Step | Skip:
                step = super().build(workload, mode, precision)
                assert isinstance(step, Step)
                plain = step.proof
                return dataclasses.replace(step, proof=lambda: dataclasses.replace(plain(), **rose(self.made)))

        framework = Counting(FakeClock())
        timing = run(framework).timing
        assert timing is not None
        assert timing.settling_ns == (STEP_NS, STEP_NS)

    def test_two_that_compile_far_apart_are_one_stretch(self) -> None:
        assert self.settling(captures={2: 5, 5: 7}) == (5, STEP_NS, STEP_NS, 7)

    def test_a_mode_that_compiles_in_every_call_comes_to_an_end(self) -> None:
        framework = fake(captures=dict.fromkeys(range(2, 100_000), STEP_NS))
        record = run(framework, turn(settings=QUICK_SETTINGS))
        assert record.status == "invalid"  # it compiles in the timed rounds, too
        assert "compilations fell into the timed rounds" in record.reason

    def test_what_nothing_counts_is_found_by_its_time(self) -> None:
        capture = 2 * LEAST_NS
        assert self.settling(counts=False, captures={2: capture}) == (capture,)
        assert self.settling(counts=False, captures={2: capture, 4: capture}) == (capture, STEP_NS, capture)

    def test_a_call_that_waited_for_a_processor_did_not_compile(self) -> None:
        assert self.settling(busy=0.0, counts=False, captures={2: 10 * LEAST_NS}) == ()
        assert self.settling(busy=0.1, counts=False, captures={2: 5 * LEAST_NS}) == ()

    def test_a_core_at_a_third_of_its_speed_did_not_compile(self) -> None:
        slow = dict.fromkeys(range(2, 6), 3 * LEAST_NS)
        assert self.settling(counts=False, step_ns=LEAST_NS, captures=slow) == ()

    def test_a_longer_call_of_some_milliseconds_did_not_compile(self) -> None:
        assert self.settling(counts=False, captures={2: LEAST_NS // 2, 7: LEAST_NS // 2}) == ()

    def test_long_calls_are_few(self) -> None:
        framework = fake(step_ns=CHEAP_NS)
        repeat(
            turn(),
            "warm",
            load=lambda: framework,
            make=lambda: regression.make("base", "adam"),
            clock=framework.clock,
        )
        assert framework.made == 1 + QUIET + 20

    def test_a_warm_process_is_looked_at_and_one_with_other_threads_is_not(self) -> None:
        def settled_in(kind: Any) -> tuple[int, ...]:
            framework = fake(captures={2: 5})
            found = repeat(
                turn(),
                kind,
                load=lambda: framework,
                make=lambda: regression.make("base", "adam"),
                clock=framework.clock,
            )
            return found.settling_ns

        assert settled_in("warm") == (5,)
        assert settled_in("threads") == ()

    def test_a_call_that_fails_names_the_first_step(self) -> None:
        class Fails(FakeFramework):
            def build(self, workload: Workload, mode: str, precision: str) -> Step | Skip:
                step = super().build(workload, mode, precision)
                assert isinstance(step, Step)
                assert step.call
                plain = step.call

                def call() -> Any:
                    if self.made == 1:
                        raise RuntimeError("cannot capture")
                    return plain()

                return dataclasses.replace(step, call=call)

        record = run(Fails(FakeClock()))
        assert (record.status, record.reason) == ("failed", "first_step: RuntimeError: cannot capture")


class FakeKeeper(Keeper):
    """Hands out so many time slices; every wait costs time in which others run."""

    def __init__(self, clock: FakeClock, slices: int, pause_ns: int = 1_000_000_000) -> None:
        self.clock = clock
        self.left = slices
        self.pause_ns = pause_ns
        self.parked_ns = 0
        self.said: Parked | None = None

    def park(self, parked: Parked) -> bool:
        self.said = parked
        return self.end_slice()

    def end_slice(self) -> bool:
        self.clock.spend(self.pause_ns)
        self.parked_ns += self.pause_ns
        self.left -= 1
        return self.left >= 0


class TestSlices:
    def run(self, slices: int = 3, **changes: Any) -> tuple[Record, FakeKeeper]:
        framework = fake(**changes)
        keeper = FakeKeeper(framework.clock, slices)
        return run(framework, turn(alternates=True), keeper=keeper, cpu_clock=lambda: framework.clock() // 2), keeper

    def test_a_slice_is_fifty_milliseconds_of_rounds_after_one_that_is_left_out(self) -> None:
        record, keeper = self.run()

        timing = record.timing
        assert record.status == "ok"
        assert timing is not None
        assert timing.round_ns == (32 * STEP_NS,) * 48  # 16 rounds of 3.2 ms in each slice
        assert timing.slice_rounds == (16, 16, 16)
        assert timing.switch_round_ns == (32 * STEP_NS,) * 3
        assert timing.round_cpu_ns == (16 * STEP_NS,) * 48  # the clock of the processor runs at half the speed here
        assert keeper.said is not None
        assert keeper.said.slice_ns == 17 * 32 * STEP_NS

    def test_begins_are_those_of_the_rounds_that_are_kept(self) -> None:
        timing = self.run()[0].timing
        assert timing is not None
        begins = timing.round_begin_ns
        assert [right - left for left, right in itertools.pairwise(begins[:16])] == [32 * STEP_NS] * 15
        assert begins[16] - begins[15] == 2 * 32 * STEP_NS + 1_000_000_000  # its own length, the pause, one left out

    def test_the_pauses_are_in_no_phase_and_not_in_the_time_of_the_rounds(self) -> None:
        record, keeper = self.run()
        assert record.phases is not None
        assert record.timing is not None
        assert record.phases.parked_ns == keeper.parked_ns == 4_000_000_000
        assert record.phases.rounds_ns == record.timing.process_wall_ns == 51 * 32 * STEP_NS
        assert record.timing.process_cpu_ns == record.timing.process_wall_ns // 2

    def test_a_round_longer_than_a_slice_is_a_slice_and_none_is_left_out(self) -> None:
        record, _ = self.run(step_ns=70_000_000)
        assert record.timing is not None
        assert record.timing.round_ns == (70_000_000,) * 3
        assert record.timing.slice_rounds == (1, 1, 1)
        assert record.timing.switch_round_ns == ()

    def test_a_slice_of_a_trainer_holds_fits_of_both_lengths(self) -> None:
        record, _ = self.run(fit=True, fit_ns=2_000_000)
        timing = record.timing
        assert timing is not None
        once = 2_000_000 + timing.steps_per_round * STEP_NS
        twice = 2_000_000 + 2 * timing.steps_per_round * STEP_NS
        assert set(timing.round_ns) == {once}
        assert set(timing.double_round_ns) == {twice}
        assert len(timing.round_ns) == len(timing.double_round_ns) == sum(timing.slice_rounds)
        assert timing.switch_round_ns == (once,) * 3
        assert set(timing.round_cpu_ns) == {(once + twice) // 2}
        assert timing.round_begin_ns[1] - timing.round_begin_ns[0] == once + twice

    def test_a_member_that_gets_no_slice_has_a_record_without_rounds(self) -> None:
        record, _ = self.run(slices=0)
        assert record.timing is not None
        assert (record.timing.round_ns, record.timing.slice_rounds) == ((), ())


class TestGuest:
    """Rounds that a process of its own makes and times; here an order and an answer take 20 µs each."""

    PIPE_NS = 20_000

    def timing(self, of: Turn | None = None, keeper: Keeper | None = None, **changes: Any) -> Timing:
        framework = fake(pipe_ns=self.PIPE_NS, **changes)
        record = run(framework, of, keeper=keeper, cpu_clock=framework.clock)
        assert record.status == "ok", record.reason
        assert record.timing is not None
        return record.timing

    def test_a_round_is_as_long_as_the_guest_says_and_the_pipe_stands_beside_it(self) -> None:
        timing = self.timing()
        calls = timing.calls_per_round
        assert calls * STEP_NS >= 5_000_000 > calls // 2 * STEP_NS, "calibrated without the pipe"
        assert timing.round_ns == timing.round_cpu_ns == (calls * STEP_NS,) * SETTINGS.rounds
        assert timing.pipe_ns == (2 * self.PIPE_NS,) * SETTINGS.rounds

    def test_rounds_of_slices_are_the_guests_too(self) -> None:
        framework = fake(pipe_ns=self.PIPE_NS)
        keeper = FakeKeeper(framework.clock, 3)
        timing = run(framework, turn(alternates=True), keeper=keeper, cpu_clock=framework.clock).timing
        assert timing is not None
        assert timing.slice_rounds == (16, 16, 16)
        assert timing.round_ns == timing.round_cpu_ns == (32 * STEP_NS,) * 48
        assert timing.switch_round_ns == (32 * STEP_NS,) * 3
        assert timing.pipe_ns == (2 * self.PIPE_NS // 17,) * 48, "a slice is one order"
        assert framework.calls.count("order 17") == 3

    def test_a_wait_for_an_order_lies_before_no_single_call(self) -> None:
        """A call after a wait takes longer: the calls of a slice, or those after one collection, are one order."""
        framework = fake(pipe_ns=self.PIPE_NS, step_ns=100_000)
        cell, keeper = factories.cell(batch=1), FakeKeeper(framework.clock, 3)
        timing = run(framework, turn(cell=cell, alternates=True), keeper=keeper, cpu_clock=framework.clock).timing
        assert timing is not None
        assert (timing.slice_rounds, timing.round_ns) == ((50,) * 3, (100_000,) * 150)
        assert framework.calls.count("order 55") == 3
        assert timing.round_begin_ns[1] - timing.round_begin_ns[0] == 100_000, "by the guest's clock"
        framework = fake(pipe_ns=self.PIPE_NS, step_ns=10_000)
        run(framework, turn(cell=cell), cpu_clock=framework.clock)
        assert framework.calls.count("order 20") == SETTINGS.rounds

    def test_short_single_calls_warm_up_for_two_seconds_in_orders_of_many(self) -> None:
        """A compiler that watches, as V8's, needs thousands of calls, and a call after a wait is no usual one."""
        framework = fake(pipe_ns=self.PIPE_NS, step_ns=100_000)
        cell = factories.cell(batch=1)
        timing = run(framework, turn(cell=cell), cpu_clock=framework.clock).timing
        assert timing is not None
        assert timing.steady
        assert 2_000_000_000 <= timing.warmup_rounds * (10 * 100_000 + 2 * self.PIPE_NS) <= 2_100_000_000
        assert framework.calls.count("order 10") >= timing.warmup_rounds - 1
        framework = fake(pipe_ns=self.PIPE_NS, step_ns=5_000_000)
        slow = run(framework, turn(cell=cell), cpu_clock=framework.clock).timing
        assert slow is not None
        assert slow.warmup_rounds * 5_000_000 < 1_000_000_000

    @pytest.mark.parametrize(("step_ns", "made"), [(100_000, 100), (2_000_000, 0)])
    def test_short_calls_warm_up_again_after_the_collection_that_a_look_at_the_memory_is(
        self, step_ns: int, made: int
    ) -> None:
        """Hundreds of calls of node after one took 21 µs instead of 17."""
        framework = fake(pipe_ns=self.PIPE_NS, step_ns=step_ns)
        keeper = FakeKeeper(framework.clock, 3)
        run(framework, turn(cell=factories.cell(batch=1), alternates=True), keeper=keeper, cpu_clock=framework.clock)
        orders = [call for call in framework.calls if call == "memory" or call.startswith("order")]
        looked = [at for at, call in enumerate(orders) if call == "memory"][-2]  # the last one is after the rounds
        again = orders[looked + 1 : orders.index("memory", looked + 1) - 3]  # the rounds are three orders
        assert again == ["order 10"] * len(again)
        assert len(again) == pytest.approx(made, abs=5)

    @pytest.mark.parametrize(("untimed_ns", "status"), [(14_300, "ok"), (14_700, "invalid")])
    def test_what_a_guest_leaves_out_of_many_calls_adds_up(self, untimed_ns: int, status: str) -> None:
        framework = fake(pipe_ns=self.PIPE_NS, step_ns=10_000, untimed_ns=untimed_ns)
        keeper = FakeKeeper(framework.clock, 3)
        cell = factories.cell(batch=1)
        record = run(framework, turn(cell=cell, alternates=True), keeper=keeper, cpu_clock=framework.clock)
        assert record.status == status, record.reason

    def test_a_guest_that_gets_no_slice_has_a_record_without_rounds(self) -> None:
        framework = fake(pipe_ns=self.PIPE_NS)
        keeper = FakeKeeper(framework.clock, 0)
        timing = run(framework, turn(alternates=True), keeper=keeper, cpu_clock=framework.clock).timing
        assert timing is not None
        assert (timing.round_ns, timing.pipe_ns) == ((), ())

    def test_a_latency_is_that_of_one_call_without_the_pipe(self) -> None:
        timing = self.timing(turn(cell=factories.cell(batch=1)), step_ns=9_000)
        assert timing.round_ns == (9_000,) * (20 * SETTINGS.rounds)

    def test_no_other_step_has_a_pipe(self) -> None:
        timing = run(fake()).timing
        assert timing is not None
        assert timing.pipe_ns == ()

    @pytest.mark.parametrize(
        ("ahead_ns", "said"),
        [
            (20_001, "by it, a round began 40001 ns after the order and ended -1 ns before the answer"),
            (-20_001, "by it, a round began -1 ns after the order and ended 40001 ns before the answer"),
        ],
    )
    def test_a_guest_whose_round_lies_outside_of_the_hosts_time_for_it_has_no_time(
        self, ahead_ns: int, said: str
    ) -> None:
        record = run(fake(pipe_ns=self.PIPE_NS, guest_clock_ns=ahead_ns))
        assert (record.status, record.timing) == ("invalid", None)
        assert record.reason == f"the guest's clock is not the host's: {said}"

    @pytest.mark.parametrize(("untimed_ns", "status"), [(460_000, "ok"), (470_000, "invalid")])
    def test_a_guest_that_works_beside_what_it_times_has_no_time(self, untimed_ns: int, status: str) -> None:
        """An order and its answer may take half a millisecond of processor time, 40 µs of which they take here."""
        framework = fake(pipe_ns=self.PIPE_NS, untimed_ns=untimed_ns)
        record = run(framework, cpu_clock=framework.clock)
        assert record.status == status
        if status == "invalid":
            assert record.reason == "the guest timed 6.40 ms of an order (median), and worked 0.51 ms or more beside it"

    def test_a_guest_that_waits_for_a_processor_is_not_taken_for_one_that_works(self) -> None:
        framework = fake(pipe_ns=30_000_000)
        record = run(framework, cpu_clock=lambda: 0)
        assert record.status == "ok"


class TestLatency:
    """Inference at batch 1: each round is one call, and there are many, for the tail."""

    CELL = factories.cell(batch=1)

    def test_a_round_is_one_call_however_short_and_there_are_hundreds(self) -> None:
        timing = run(fake(), turn(cell=self.CELL)).timing
        assert timing is not None
        assert timing.calls_per_round == 1
        assert timing.round_ns == (STEP_NS,) * (20 * SETTINGS.rounds)

    def test_a_slice_has_fifty_calls_after_half_a_millisecond_of_them(self) -> None:
        framework = fake()
        keeper = FakeKeeper(framework.clock, 3)
        timing = run(framework, turn(cell=self.CELL, alternates=True), keeper=keeper).timing
        assert timing is not None
        assert timing.slice_rounds == (50, 50, 50)
        assert timing.round_ns == (STEP_NS,) * 150
        assert len(timing.switch_round_ns) == 3 * 5

    @pytest.mark.parametrize("alternates", [True, False])
    def test_nothing_lies_between_the_calls_of_a_slice(self, alternates: bool) -> None:
        """What pytest-benchmark and the protocol do for a round made the next call up to a tenth longer."""
        framework = fake()

        def rounds(run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
            def slow() -> None:
                framework.clock.spend(7_000)
                before()

            return framework.clock.rounds(run, slow, count)

        keeper = FakeKeeper(framework.clock, 3) if alternates else None
        of = turn(cell=self.CELL, alternates=alternates)
        timing = run(framework, of, rounds=rounds, keeper=keeper, cpu_clock=framework.clock).timing
        assert timing is not None
        many = 50 if alternates else 20
        apart = [after - before for before, after in itertools.pairwise(timing.round_begin_ns[:many])]
        assert apart == [STEP_NS] * (many - 1)
        assert set(timing.round_cpu_ns) == {STEP_NS}

    def test_garbage_is_collected_once_a_slice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A collection before a call of microseconds makes it up to twice as long."""
        framework = fake()
        keeper = FakeKeeper(framework.clock, 3)
        begins: list[int] = []
        monkeypatch.setattr(RoundTimer, "quiet", lambda timer: begins.append(keeper.left))
        run(framework, turn(cell=self.CELL, alternates=True), keeper=keeper)
        assert [begins.count(left) for left in (2, 1, 0)] == [1, 1, 1]

    def test_garbage_is_collected_once_in_as_many_calls_without_slices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        framework = fake()
        made: list[int] = []
        monkeypatch.setattr(RoundTimer, "quiet", lambda timer: made.append(framework.clock()))
        timing = run(framework, turn(cell=self.CELL)).timing
        assert timing is not None
        assert sum(at >= timing.round_begin_ns[0] for at in made) == SETTINGS.rounds

    def test_a_larger_batch_is_measured_for_throughput(self) -> None:
        timing = run(fake(), turn(cell=factories.cell(batch=32))).timing
        assert timing is not None
        assert timing.calls_per_round > 1
        assert len(timing.round_ns) == SETTINGS.rounds
