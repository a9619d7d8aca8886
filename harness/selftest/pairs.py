"""Figures 2 to 5 and 7: sessions of the same work under two labels, and of 3 % and 5 % more, resampled by blocks.

Each session is a separate run, in which the processes of a block take turns. The blocks of all sessions, drawn many
times without replacement, give how narrow the interval of a ratio is, how often identical work is called different, how
often 3 % and 5 % more work are found, how often the interval contains the truth, and how many verdicts a drift that is
added to the rounds would change.
"""

import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.records.record import Record, Timing
from harness.selftest.checkout import Checkout
from harness.selftest.figures import Figure
from harness.stats import alternation
from harness.stats.estimate import VERDICT_FLOOR, Estimate, Verdict, estimate, verdict

BASE: Final = "work"
MORE: Final[Mapping[str, float]] = {"more-3": 1.03, "more-5": 1.05}  # by mode: its work ÷ that of BASE
MODES: Final = (BASE, "same", *MORE)
DRAWS: Final = 400
DEFAULT_BLOCKS: Final = 6  # of the default profile
MANY_BLOCKS: Final = 12
MOST_HALF_WIDTH: Final = 0.025  # of a ratio's interval from 6 blocks
DRIFT: Final = 0.04  # over a block

Block = Mapping[str, float]  # by mode: its step ÷ that of BASE, in one block


@dataclass(frozen=True, slots=True)
class Sessions:
    """The records of all sessions."""

    sessions: tuple[tuple[Record, ...], ...]

    def blocks(self, drift: float = 0.0) -> list[Block]:
        """Return the complete blocks of all sessions, as if the machine had become slower by `drift` during each."""
        blocks: list[Block] = []
        for records in self.sessions:
            by_block: dict[int, dict[str, Timing]] = {}
            for record in records:
                if record.status == "ok" and record.timing and record.cell.mode in MODES:
                    by_block.setdefault(record.block, {})[record.cell.mode] = record.timing
            whole = (timings for timings in by_block.values() if len(timings) == len(MODES))
            blocks += [block for timings in whole if (block := _ratios(_drifting(timings, drift)))]
        return blocks


def _ratios(timings: Mapping[str, Timing]) -> Block | None:
    ratios = {mode: alternation.ratio(timing, timings[BASE]) for mode, timing in timings.items()}
    known = {mode: value for mode, value in ratios.items() if value is not None}
    return known if len(known) == len(ratios) else None


def _drifting(timings: Mapping[str, Timing], by: float) -> Mapping[str, Timing]:
    """Return the timings of one block with rounds that become longer, by `by` from the first to the last."""
    begins = [begin for timing in timings.values() for begin in timing.round_begin_ns]
    if not by or not begins:
        return timings
    first, span = min(begins), max(1, max(begins) - min(begins))

    def slower(timing: Timing) -> Timing:
        rounds = zip(timing.round_begin_ns, timing.round_ns, strict=True)
        return replace(timing, round_ns=tuple(round(ns * (1 + by * (at - first) / span)) for at, ns in rounds))

    return {mode: slower(timing) for mode, timing in timings.items()}


def measured(copy: Checkout, sessions: int, blocks: int) -> Sessions:
    """Run the sessions."""
    folders = [copy.metronome(MODES, profile="quick", blocks=blocks, seed=10 + at) for at in range(sessions)]
    return Sessions(tuple(tuple(folder.records()) for folder in folders))


def figures(sessions: Sessions) -> Iterable[Figure]:
    """Yield the figures; where this host is too noisy for a target, the figure says which difference it could find."""
    blocks = sessions.blocks()
    how = f"{len(blocks)} blocks in {len(sessions.sessions)} sessions"
    if len(blocks) <= MANY_BLOCKS:
        names = {
            2: "half-width of a ratio", 3: "A/A pairs called different", 4: "more work found", 5: "coverage",
        }  # fmt: skip
        for number, name in names.items():
            yield Figure(number=number, name=name, target="", found=f"{len(blocks)} whole blocks", met=None, how=how)
        return
    drawn = list(draws(blocks, DEFAULT_BLOCKS))
    how = f"{DRAWS} draws of {{}} of {how}"
    six = how.format(DEFAULT_BLOCKS)
    same = [ratio(block, "same") for block in drawn]
    yield width(same, six)
    yield false_alarms(same, six)
    yield power([ratio(block, "more-5") for block in drawn], MORE["more-5"], DEFAULT_BLOCKS, six)
    twelve = [ratio(block, "more-3") for block in draws(blocks, MANY_BLOCKS)]
    yield power(twelve, MORE["more-3"], MANY_BLOCKS, how.format(MANY_BLOCKS))
    yield coverage(same, six)
    yield robustness(sessions, drawn, six)


def width(same: Sequence[Estimate], how: str) -> Figure:
    """Return how narrow the interval of a ratio is from as many blocks as the default profile has."""
    half = statistics.median(ratio.half_width or float("inf") for ratio in same)
    return Figure(
        number=2,
        name=f"half-width of a ratio's interval, {DEFAULT_BLOCKS} blocks",
        target=f"≤ {MOST_HALF_WIDTH:.1%}",
        found=f"{half:.2%}",
        met=half <= MOST_HALF_WIDTH,
        how=how,
    )


def false_alarms(same: Sequence[Estimate], how: str) -> Figure:
    """Return how often identical work is called different."""
    wrong = statistics.fmean(verdict(ratio) in ("faster", "slower") for ratio in same)
    return Figure(
        number=3,
        name="A/A pairs called different",
        target="≤ 5 %",
        found=f"{wrong:.1%}",
        met=wrong <= 0.05,
        how=how,
    )


def power(more: Sequence[Estimate], planted: float, blocks: int, how: str) -> Figure:
    """Return how often more work, `planted` times as much, is called slower, and which difference could be found."""
    share = statistics.fmean(verdict(ratio) == "slower" for ratio in more)
    effect = statistics.median(ratio.value for ratio in more)
    half = statistics.median(ratio.half_width or float("inf") for ratio in more)
    shown = f"{share:.0%}, effect {effect - 1:+.1%}"
    met = share >= 0.9 and abs(effect - planted) <= 0.01
    return Figure(
        number=4,
        name=f"{planted - 1:.0%} more work found, {blocks} blocks",
        target="≥ 90 %, effect within 1 point",
        found=shown if met else f"{shown}; intervals are ±{half:.1%}, so some {half + VERDICT_FLOOR:.1%} would be",
        met=met,
        how=how,
    )


def coverage(same: Sequence[Estimate], how: str) -> Figure:
    """Return how often the interval of identical work contains 1."""
    covered = statistics.fmean(ratio.interval is not None and ratio.interval.holds(1.0) for ratio in same)
    return Figure(
        number=5,
        name="coverage of the “95 %” interval",
        target="93–97 %",
        found=f"{covered:.1%}",
        met=None if covered > 0.97 else covered >= 0.93,  # a higher value proves nothing: the draws share blocks
        how=f"{how}; they share blocks, so it may lie above",
    )


def robustness(sessions: Sessions, drawn: Sequence[Sequence[Block]], how: str) -> Figure:
    """Return how many verdicts change when the machine becomes slower or faster during each block."""
    modes = ("same", *MORE)
    changed = sum(
        decided(verdict(ratio(plain, mode)), verdict(ratio(other, mode)))
        for by in (DRIFT, -DRIFT)
        for mode in modes
        for plain, other in zip(drawn, draws(sessions.blocks(by), DEFAULT_BLOCKS), strict=True)
    )
    return Figure(
        number=7,
        name="verdicts turned by 4 % drift, forwards or backwards",
        target="none",
        found=f"{changed} of {2 * len(modes) * DRAWS}",
        met=changed == 0,
        how=f"{how}, a drift added to each block",
    )


def draws(blocks: Sequence[Block], count: int) -> Iterable[Sequence[Block]]:
    """Yield the same draws of `count` blocks, whatever their ratios."""
    rng = random.Random(7)
    for _ in range(DRAWS):
        yield [blocks[at] for at in rng.sample(range(len(blocks)), count)]


def ratio(blocks: Sequence[Block], mode: str) -> Estimate:
    """Return a mode's step ÷ that of "work", over the blocks."""
    return estimate([block[mode] for block in blocks])


def decided(plain: Verdict, other: Verdict) -> bool:
    """Return whether a decided verdict became another decided one, such as faster slower or same."""
    return "undetermined" not in (plain, other) and plain != other
