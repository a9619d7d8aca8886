"""Figures 2 to 5 and 7: sessions of the same work under two labels, and of 3 % more, measured here and drawn again.

Each session is a run of its own. Its estimates tell the spread between sessions; the blocks of all sessions, drawn many
times without replacement, tell how often identical work is called different, how often 3 % more is found, how often
the interval holds the truth, and what a drift laid over the measured replicates would change.
"""

import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Record
from harness.selftest.checkout import Checkout
from harness.selftest.clock import step_us
from harness.selftest.figures import Figure
from harness.stats import estimate

MODES: Final = ("work", "same", "more")
PLANTED: Final = 34 / 33  # steps of "more" over those of "work"
DRAWS: Final = 400
DEFAULT_BLOCKS: Final = 6  # of the default profile
DRIFT: Final = 0.04  # over a session

Block = Mapping[str, float]  # step in ns by mode


@dataclass(frozen=True, slots=True)
class Sessions:
    """What was measured."""

    sessions: tuple[tuple[Record, ...], ...]

    def blocks(self, change: Callable[[Record, float], float] = lambda record, step: step) -> list[Block]:
        """Return the whole blocks of all sessions; `change` may alter a replicate's step."""
        found: list[Block] = []
        for records in self.sessions:
            by_block: dict[int, dict[str, float]] = {}
            for record in records:
                step = estimate.step_ns(record.timing) if record.status == "ok" and record.timing else None
                if step is not None and record.cell.mode in MODES:
                    by_block.setdefault(record.block, {})[record.cell.mode] = change(record, step)
            found += [block for block in by_block.values() if len(block) == len(MODES)]
        return found

    def drifting(self, by: float) -> list[Block]:
        """Return the blocks as they were had the machine become slower by `by` during each session."""
        last = max(record.position for records in self.sessions for record in records)
        return self.blocks(lambda record, step: step * (1 + by * record.position / last))


def measured(made: Checkout, sessions: int, blocks: int) -> Sessions:
    """Run the sessions."""
    folders = [made.metronome(MODES, profile="quick", blocks=blocks, seed=10 + at) for at in range(sessions)]
    return Sessions(tuple(tuple(folder.records()) for folder in folders))


def figures(found: Sessions) -> Iterable[Figure]:
    """Yield the figures; where a target is missed because this host is noisy, what it could have found is said."""
    yield spread(found)
    blocks = found.blocks()
    how = f"{DRAWS} draws of {DEFAULT_BLOCKS} of {len(blocks)} blocks in {len(found.sessions)} sessions"
    if len(blocks) <= DEFAULT_BLOCKS:
        names = {3: "A/A pairs called different", 4: "3 % more work found", 5: "interval holds the truth"}
        for number, name in names.items():
            yield Figure(number=number, name=name, target="", found=f"{len(blocks)} whole blocks", met=None, how=how)
        return
    drawn = list(draws(blocks))
    same = [ratio(one, "same") for one in drawn]
    more = [ratio(one, "more") for one in drawn]
    wrong = statistics.fmean(estimate.verdict(one) in ("faster", "slower") for one in same)
    yield Figure(
        number=3,
        name="A/A pairs called different",
        target="≤ 5 %",
        found=f"{wrong:.1%}",
        met=wrong <= 0.05,
        how=how,
    )
    yield power(more, how)
    covered = statistics.fmean(one.interval is not None and one.interval.holds(1.0) for one in same)
    yield Figure(
        number=5,
        name="coverage of the “95 %” interval",
        target="93–97 %",
        found=f"{covered:.1%}",
        met=None if covered > 0.97 else covered >= 0.93,  # above: the draws share blocks, so they say no more
        how=f"{how}; they share blocks, so it may lie above",
    )
    changed = sum(
        decided(estimate.verdict(plain), estimate.verdict(other))
        for by in (DRIFT, -DRIFT)
        for mode in ("same", "more")
        for plain, other in zip(
            (ratio(one, mode) for one in drawn),
            (ratio(one, mode) for one in draws(found.drifting(by))),
            strict=True,
        )
    )
    yield Figure(
        number=7,
        name="verdicts turned by 4 % drift, forwards or backwards",
        target="none",
        found=f"{changed} of {4 * DRAWS}",
        met=changed == 0,
        how=f"{how}, a drift laid over each session",
    )


def spread(found: Sessions) -> Figure:
    """Return how far the estimates of sessions lie apart."""
    told = [step for records in found.sessions if (step := step_us(records, "work")) is not None]
    cv = statistics.stdev(told) / statistics.fmean(told) if len(told) > 1 else None
    return Figure(
        number=2,
        name="spread (CV) of an estimate over sessions",
        target="≤ 1.5 % on a quiet CPU",
        found="fewer than two sessions" if cv is None else f"{cv:.1%}",
        met=None if cv is None else cv <= 0.015,
        how=f"{len(told)} sessions",
    )


def power(more: Sequence[estimate.Estimate], how: str) -> Figure:
    """Return how often 3 % more work is found slower, and what could have been found otherwise."""
    found = statistics.fmean(estimate.verdict(one) == "slower" for one in more)
    effect = statistics.median(one.value for one in more)
    half = statistics.median(one.half_width or float("inf") for one in more)
    seen = f"{found:.0%}, effect {effect - 1:+.1%}"
    met = found >= 0.9 and abs(effect - PLANTED) <= 0.01
    return Figure(
        number=4,
        name="3 % more work found at default blocks",
        target="≥ 90 %, effect within 1 point",
        found=seen
        if met
        else f"{seen}; intervals are ±{half:.1%}, so some {half + estimate.VERDICT_FLOOR:.1%} would be",
        met=met,
        how=how,
    )


def draws(blocks: Sequence[Block]) -> Iterable[Sequence[Block]]:
    """Yield the same draws of as many blocks as the default profile has, whatever the blocks' steps."""
    rng = random.Random(7)
    for _ in range(DRAWS):
        yield [blocks[at] for at in rng.sample(range(len(blocks)), DEFAULT_BLOCKS)]


def ratio(blocks: Sequence[Block], mode: str) -> estimate.Estimate:
    """Return a mode's step over that of "work", paired by block."""
    return estimate.estimate([block[mode] / block["work"] for block in blocks])


def decided(plain: estimate.Verdict, other: estimate.Verdict) -> bool:
    """Return whether a verdict was turned: faster into slower or same, not what nobody could tell before or after."""
    return "undetermined" not in (plain, other) and plain != other
