"""The self-test's own arithmetic, on records whose truth is known."""

import contextlib
import random
from dataclasses import replace
from typing import Any

import pytest

from bench.records.record import Phases, Record, Repeat
from harness.errors import SetupError
from harness.selftest import clock, figures, outside, pairs, phases
from harness.selftest import run as selftest
from harness.selftest.allocation import Peaks
from harness.selftest.figures import Figure
from harness.selftest.pairs import Sessions
from harness.selftest.sampler import Cost
from tests.factories import cell, record, timing


def ticks(**off_us: float) -> list[Record]:
    """Replicates of the metronome, each mode off by so much in both of two blocks."""
    errors = {"tick-100us": 0.0, "tick-1ms": 0.0, "tick-10ms": 0.0} | {
        name.replace("_", "-"): error for name, error in off_us.items()
    }
    return [
        record(cell(mode=mode), block=block, round_ns=(round(1e3 * (clock.TICK_US[mode] + error)),) * 3)
        for mode, error in errors.items()
        for block in (1, 2)
    ]


@pytest.mark.parametrize(
    ("off", "met"),
    [
        ({}, True),
        ({"tick_100us": 1.9, "tick_1ms": 9.0, "tick_10ms": -99.0}, True),
        ({"tick_100us": 2.1}, False),
        ({"tick_1ms": -11.0}, False),
        ({"tick_10ms": 101.0}, False),
    ],
)
def test_the_reported_step_is_held_to_the_tick(off: dict[str, float], met: bool) -> None:
    assert clock.judged(ticks(**off)).met is met


def test_a_tick_without_a_time_is_no_pass() -> None:
    found = clock.judged([one for one in ticks() if one.cell.mode != "tick-1ms"])
    assert not found.met
    assert found.found == "no time of tick-1ms"


def sessions(sigma: float, *, count: int = 5, blocks: int = 6, same: float = 1.0) -> Sessions:
    """Sessions of 1 ms steps; replicates are spread by `sigma` and each block has a level of its own."""
    rng = random.Random(3)
    found = []
    for _ in range(count):
        records = []
        for block in range(1, blocks + 1):
            level = 1e6 * (1 + rng.gauss(0, 0.02))
            for at, (mode, ratio) in enumerate((("work", 1.0), ("same", same), *pairs.MORE.items())):
                step = round(level * ratio * (1 + rng.gauss(0, sigma)))
                of = cell(mode=mode)
                records.append(record(of, block=block, position=4 * block + at, round_ns=(step,) * 3))
        found.append(tuple(records))
    return Sessions(tuple(found))


def by_number(found: Sessions) -> dict[float, Figure]:
    """The figures; of the two powers the one of 3 % more has the number 4.3."""
    return {one.number + 0.3 * one.name.startswith("3%"): one for one in pairs.figures(found)}


def test_on_a_quiet_host_three_percent_is_found_and_the_same_is_not_called_different() -> None:
    found = by_number(sessions(0.003))
    assert found[3].met
    assert found[4].met
    assert found[4].found.startswith("100%, effect +5.") or found[4].found.startswith("100%, effect +4.9")
    assert found[4.3].found.startswith(("100%, effect +3.", "100%, effect +2.9"))
    assert found[2].met
    assert found[7].met
    assert found[5].met in (True, None)  # too high tells nothing: the draws share blocks


def test_a_difference_between_the_two_labels_is_a_false_alarm() -> None:
    found = by_number(sessions(0.001, same=1.05))
    assert (found[3].found, found[3].met) == ("100.0%", False)
    assert (found[5].found, found[5].met) == ("0.0%", False)


def test_on_a_noisy_host_what_could_have_been_found_is_said() -> None:
    found = by_number(sessions(0.05))[4]
    assert not found.met
    assert "so some" in found.found


def test_too_few_blocks_are_said_and_give_no_number() -> None:
    found = by_number(sessions(0.01, count=2, blocks=3))
    assert found[3].met is found[4].met is found[5].met is None
    assert found[3].found == "6 whole blocks"


def test_a_block_that_lacks_a_replicate_is_left_out() -> None:
    (whole,) = sessions(0.01, count=1, blocks=3).sessions
    broken = tuple(one for one in whole if (one.block, one.cell.mode) != (2, "same"))
    assert len(Sessions((broken,)).blocks()) == 2


@pytest.mark.parametrize(
    ("plain", "other", "turned"),
    [("faster", "slower", True), ("same", "slower", True), ("undetermined", "slower", False), ("same", "same", False)],
)
def test_a_verdict_is_turned_when_a_decided_one_becomes_another(plain: Any, other: Any, turned: bool) -> None:
    assert pairs.decided(plain, other) is turned


def compiled(cold: Any, warm: Any) -> Record:
    repeat = Repeat(kind="warm", threads=1, status="ok", compile_cache=warm)
    return record(timing=timing(compile_cache=cold), repeats=(repeat,))


def test_each_first_step_is_held_to_what_it_was() -> None:
    right = [compiled("cold", "warm")] * 3
    assert (phases.classes(right).found, phases.classes(right).met) == ("6 of 6", True)
    wrong = [*right, compiled("warm", "warm"), compiled("cold", "partly warm")]
    assert (phases.classes(wrong).found, phases.classes(wrong).met) == ("8 of 10", False)
    assert not phases.classes([]).met


def test_phases_are_held_to_the_wall_time_of_the_worst_replicate() -> None:
    def lived(wall_ns: int) -> Record:
        return record(phases=Phases(startup_ns=40, import_ns=55), wall_ns=wall_ns)

    assert phases.accounted([lived(96), lived(100)]).met
    worse = phases.accounted([lived(96), lived(101)])
    assert (worse.found, worse.met) == ("94.1% at least", False)


def test_the_table_in_markdown_has_a_dash_where_nobody_can_say() -> None:
    one = Figure(number=6, name="sampler", target="≤ 0.5 %", found="no GPU", met=None, how="not here")
    assert figures.markdown([one]).splitlines()[-1] == "| 6 | sampler | ≤ 0.5 % | no GPU | — | not here |"


@pytest.mark.parametrize(("change", "half", "met"), [(0.001, 0.001, True), (0.02, 0.001, False), (0.001, 0.05, None)])
def test_a_sampler_is_met_missed_or_nobody_can_say(change: float, half: float, met: bool | None) -> None:
    found = Cost(pairs=20, step_ns=1e5, change=change, low=change - half, high=change + half, cpu_share=0.004)
    assert outside.judged_cost(found).met is met


def test_a_peak_that_was_missed_is_no_pass() -> None:
    mib = 1 << 20
    good = Peaks(known_peak_bytes=780 * mib, own_peak_bytes=781 * mib, sampled_peak_bytes=300 * mib, left_bytes=0)
    assert outside.judged_peak(good).met
    missed = outside.judged_peak(replace(good, own_peak_bytes=268 * mib))
    assert (missed.met, missed.found) == (False, "-512.0 MiB of 780, sampled 300")


class TestRun:
    """The table as a whole: nothing that was measured is lost."""

    GOOD = Figure(number=1, name="clock", target="t", found="f", met=True, how="h")

    def go(self, monkeypatch: pytest.MonkeyPatch, *how: Any) -> int:
        monkeypatch.setattr(selftest, "checkout", lambda say: contextlib.nullcontext())
        monkeypatch.setattr(selftest, "parts", lambda made, form: [(at, "part", one) for at, one in enumerate(how, 1)])
        return selftest.run(selftest.SHORT, "md")

    def test_a_part_that_cannot_be_measured_is_a_line_with_its_reason(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken() -> list[Figure]:
            raise SetupError("jax cannot run")

        assert self.go(monkeypatch, broken, lambda: [self.GOOD]) == 3
        printed = capsys.readouterr().out
        assert "| not measured: jax cannot run | no |" in printed
        assert "| clock |" in printed

    def test_what_was_measured_before_ctrl_c_is_printed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def stopped() -> list[Figure]:
            raise KeyboardInterrupt

        assert self.go(monkeypatch, lambda: [self.GOOD], stopped) == 130
        assert "| clock |" in capsys.readouterr().out

    def test_all_met_is_success(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.go(monkeypatch, lambda: [self.GOOD]) == 0


def in_turns() -> Record:
    """A replicate of ten slices."""
    begins = tuple(100_000_000 * at for at in range(10))
    return record(
        cell(mode="work"),
        timing=timing(
            round_ns=(1_000_000,) * 10,
            round_begin_ns=begins,
            slice_rounds=(1,) * 10,
        ),
    )


def test_a_drift_within_a_block_changes_no_ratio_of_processes_that_take_turns() -> None:
    records = tuple(
        replace(
            one := in_turns(),
            cell=replace(one.cell, mode=mode),
            timing=one.timing
            and replace(one.timing, round_begin_ns=tuple(begin + 10 * at for begin in one.timing.round_begin_ns)),
        )
        for at, mode in enumerate(pairs.MODES)
    )
    (block,) = Sessions((records,)).blocks(0.5)
    assert block == pytest.approx(dict.fromkeys(pairs.MODES, 1.0), rel=0.05)
    drifting = pairs._drifting({"work": records[0].timing or timing()}, 0.5)
    assert drifting["work"].round_ns[::9] == (1_000_000, 1_500_000)
