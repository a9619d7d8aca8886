"""How sure are ratios of processes that take turns? Simulated sessions, for decision 20: argument [SESSIONS].

A session is blocks of processes, each with a level of its own, on a machine that runs at half speed for stretches of
about a second. The rounds become `Timing`s as a replicate writes them, and the ratios come from the harness's own code.
"""

import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.records.record import Timing
from harness.stats import alternation, moderated, pairs
from harness.stats.estimate import VERDICT_FLOOR, Estimate
from harness.stats.pairs import Pair
from tests.factories import timing

PROCESS_SIGMA: Final = 0.016 / math.sqrt(2)  # of each process, so that pairs differ by 1.6 %
SLICES, ROUNDS, ROUND_NS = 24, 6, 8_000_000  # a slice is about 50 ms
SLOW: Final = 2.0  # at half speed everything takes twice as long

Level = Callable[[np.random.Generator], float]


def one_level(rng: np.random.Generator) -> float:
    """The level of a process, around 1."""
    return float(rng.lognormal(0, PROCESS_SIGMA))


def two_levels(rng: np.random.Generator) -> float:
    """The same, with two levels 2.2 % apart: as spread, and nothing between them."""
    return float(math.exp(PROCESS_SIGMA * rng.choice((-1, 1))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a session is like."""

    takes_turns: bool = True
    is_disturbed: bool = True  # stretches at half speed, a third of the time
    drift: float = 0.0  # relative change of the machine from the first block to the last
    fixed_order: bool = False  # the members of a group always follow each other in the same order
    level: Level = one_level


class Machine:
    """The clock of a machine, whose speed changes."""

    def __init__(self, rng: np.random.Generator, *, is_disturbed: bool) -> None:
        self._rng = rng
        self._is_disturbed = is_disturbed
        self._is_slow = False
        self._until = 0.0
        self.now = 0.0

    def run(self, ns: float) -> int:
        """Do work of `ns` at full speed; return how long it took."""
        while self._is_disturbed and self.now >= self._until:
            self._is_slow = not self._is_slow if self._until else bool(self._rng.random() < 1 / 3)
            self._until = self.now + self._rng.exponential(1e9 if self._is_slow else 2e9)
        took = ns * (SLOW if self._is_slow else 1.0) * self._rng.lognormal(0, 0.005)
        self.now += took
        return max(1, int(took))


def block(
    rng: np.random.Generator, session: Session, groups: Sequence[Mapping[str, float]], speed: float = 1.0
) -> dict[str, Timing]:
    """Measure the groups of one block one after the other; the members' steps are factors on `ROUND_NS`."""
    machine = Machine(rng, is_disturbed=session.is_disturbed)
    levels = {name: session.level(rng) * speed for group in groups for name in group}
    rounds: dict[str, list[tuple[int, int]]] = {name: [] for name in levels}
    counts: dict[str, list[int]] = {name: [] for name in levels}

    def run_slice(name: str, step: float, length: int) -> None:
        for _ in range(length):
            begin = int(machine.now)
            rounds[name].append((begin, machine.run(ROUND_NS * step * levels[name])))
        counts[name].append(length)

    for group in groups:
        if session.takes_turns:
            for _ in range(SLICES):
                order = list(group) if session.fixed_order else rng.permutation(list(group)).tolist()
                for name in order:
                    run_slice(name, group[name], ROUNDS)
        else:
            for name in rng.permutation(list(group)).tolist():
                machine.now += 20e9 * rng.random()  # its start
                run_slice(name, group[name], 30)
    return {
        name: timing(
            round_ns=tuple(ns for _, ns in rounds[name]),
            round_begin_ns=tuple(begin for begin, _ in rounds[name]),
            slice_rounds=tuple(counts[name]) if session.takes_turns else (),
            calls_per_round=1,
        )
        for name in levels
    }


def compared(
    rng: np.random.Generator, session: Session, groups: Sequence[Mapping[str, float]], blocks: int
) -> tuple[Pair, float]:
    """Return how b compares with a over `blocks`, and the noise floor by the control, a second label of a."""
    ratios, control = [], []
    for number in range(blocks):
        members = block(rng, session, groups, 1 + session.drift * number / max(1, blocks - 1))
        others = list(members.values())
        ratios.append(_known(alternation.ratio(members["b"], members["a"], others)))
        control.append(_known(alternation.ratio(members["a twin"], members["a"], others)))
    aa = pairs.paired(control).ratio
    return pairs.paired(ratios), max(VERDICT_FLOOR, aa.half_width or 0.0, max(aa.value, 1 / aa.value) - 1)


def _known(ratio: float | None) -> float:
    assert ratio is not None
    return ratio


def one_group(effect: float) -> tuple[Mapping[str, float], ...]:
    return ({"a": 1.0, "b": 1 + effect, "a twin": 1.0, "c": 0.7},)


def linked(effect: float) -> tuple[Mapping[str, float], ...]:
    """a and b are members of different groups, and both groups hold the baseline."""
    return ({"a": 1.0, "a twin": 1.0, "baseline": 1.3}, {"b": 1 + effect, "c": 0.7, "baseline": 1.3})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What many sessions of one kind gave."""

    covered: float  # share of intervals that hold the truth
    different: float  # share of sessions in which b was called faster or slower than a
    half_width: float  # median, relative
    effect: float  # median of the ratios, less 1


def outcome(
    session: Session,
    effect: float,
    *,
    blocks: int,
    sessions: int,
    groups: Callable[[float], Sequence[Mapping[str, float]]] = one_group,
) -> Outcome:
    """Simulate `sessions`; the seed depends on nothing, so that kinds of session meet the same machine."""
    rng = np.random.default_rng(20)
    results = [compared(rng, session, groups(effect), blocks) for _ in range(sessions)]
    intervals = [_interval(pair.ratio) for pair, _ in results]
    said = [pairs.verdicts([pair], floor)[0] for pair, floor in results]
    return Outcome(
        covered=statistics.fmean(low <= 1 + effect <= high for low, high in intervals),
        different=statistics.fmean(verdict in ("faster", "slower") for verdict in said),
        half_width=statistics.median(_known(pair.ratio.half_width) for pair, _ in results),
        effect=statistics.median(pair.ratio.value for pair, _ in results) - 1,
    )


def _interval(ratio: Estimate) -> tuple[float, float]:
    assert ratio.interval is not None
    return ratio.interval.low, ratio.interval.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Moderated and plain intervals of tables of ratios with one baseline."""

    moderated: float
    noisiest: float  # of the fifth of the ratios with the largest true spread
    plain: float
    half_width: float  # median, moderated
    plain_half_width: float


def moderation(
    ratios: int, blocks: int, *, tables: int, noise: str = "normal", shares_baseline: bool = True
) -> Coverage:
    """Return how often intervals hold 1 in tables whose ratios have standard deviations between 0.5 and 5 %."""
    rng = np.random.default_rng(21)
    kept: list[tuple[bool, bool, bool, float, float]] = []
    for _ in range(tables):
        sigmas = PROCESS_SIGMA * rng.lognormal(0, math.log(10) / 4, ratios)
        if noise == "wild cells":
            sigmas[rng.random(ratios) < 0.1] = 0.2
        of_baseline = PROCESS_SIGMA * rng.lognormal(0, math.log(10) / 4, 1 if shares_baseline else ratios)
        drawn = _noise(rng, noise, (ratios, blocks)) * sigmas[:, np.newaxis]
        values = np.exp(drawn - _noise(rng, noise, (len(of_baseline), blocks)) * of_baseline[:, np.newaxis])
        prior = moderated.prior(values.tolist())
        assert prior is not None
        noisiest = set(np.argsort(np.hypot(sigmas, of_baseline))[-max(1, ratios // 5) :].tolist())
        for at, row in enumerate(values.tolist()):
            ours, plain = prior.pair(row).ratio, pairs.paired(row).ratio
            hold, holds_plain = (low <= 1 <= high for low, high in map(_interval, (ours, plain)))
            kept.append((hold, holds_plain, at in noisiest, _known(ours.half_width), _known(plain.half_width)))
    return Coverage(
        moderated=statistics.fmean(one[0] for one in kept),
        noisiest=statistics.fmean(one[0] for one in kept if one[2]),
        plain=statistics.fmean(one[1] for one in kept),
        half_width=statistics.median(one[3] for one in kept),
        plain_half_width=statistics.median(one[4] for one in kept),
    )


def _noise(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> NDArray[np.float64]:
    if kind == "heavy tails":
        return rng.standard_t(4, shape) / math.sqrt(2)
    drawn = rng.standard_normal(shape)
    return np.where(rng.random(shape) < 0.03, 5 * drawn, drawn) if kind == "outliers" else drawn


KINDS: Final[Mapping[str, tuple[Session, Callable[[float], Sequence[Mapping[str, float]]]]]] = {
    "turns": (Session(), one_group),
    "turns, quiet machine": (Session(is_disturbed=False), one_group),
    "turns, 4 % drift": (Session(drift=0.04), one_group),
    "turns, always in one order": (Session(fixed_order=True), one_group),
    "turns, two levels": (Session(level=two_levels), one_group),
    "turns, groups linked": (Session(), linked),
    "one after the other": (Session(takes_turns=False), one_group),
}


def main(sessions: int) -> None:
    """Print the tables of decision 20."""
    print("| sessions | blocks | covers | half-width | A/A different | +3 % found | +5 % found |")
    for name, (session, groups) in KINDS.items():
        for blocks in (6, 12):
            of = [
                outcome(session, effect, blocks=blocks, sessions=sessions, groups=groups) for effect in (0, 0.03, 0.05)
            ]
            found = " | ".join(f"{100 * one.different:.0f} % ({100 * one.effect:+.1f} %)" for one in of[1:])
            print(
                f"| {name} | {blocks} | {100 * of[0].covered:.1f} % | ±{100 * of[0].half_width:.1f} % |"
                f" {100 * of[0].different:.1f} % | {found} |",
                flush=True,
            )
    print("| noise | ratios | blocks | moderated | noisiest fifth | plain | half-width | plain |")
    for noise in ("normal", "heavy tails", "outliers", "wild cells"):
        for ratios in (5, 15, 50):
            for blocks in (2, 3, 5):
                tried = moderation(ratios, blocks, tables=max(10, 10 * sessions // ratios), noise=noise)
                shares = (tried.moderated, tried.noisiest, tried.plain)
                widths = (tried.half_width, tried.plain_half_width)
                texts = [*(f"{100 * share:.1f} %" for share in shares), *(f"±{100 * width:.1f} %" for width in widths)]
                print(f"| {noise} | {ratios} | {blocks} | {' | '.join(texts)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
