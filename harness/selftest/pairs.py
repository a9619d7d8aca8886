"""Figures 2 to 5 and 7: sessions of the same work under two labels and of 3 % more work, resampled by blocks.

Each session is a separate run. The estimates give the spread between sessions. The blocks of all sessions, drawn many
times without replacement, give how often identical work is called different, how often 3 % more work is found, how
often the interval contains the truth, and how many verdicts a drift added to the measured replicates would change.
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
from harness.stats.estimate import VERDICT_FLOOR, Estimate, Verdict, estimate, step_ns, verdict

MODES: Final = ("work", "same", "more")
PLANTED: Final = 34 / 33  # steps of "more" ÷ those of "work"
DRAWS: Final = 400
DEFAULT_BLOCKS: Final = 6  # of the default profile
DRIFT: Final = 0.04  # over a session

Block = Mapping[str, float]  # step in ns by mode


@dataclass(frozen=True, slots=True)
class Sessions:
    """The records of all sessions."""

    sessions: tuple[tuple[Record, ...], ...]

    def blocks(self, change: Callable[[Record, float], float] = lambda record, step: step) -> list[Block]:
        """Return the complete blocks of all sessions; `change` may alter a replicate's step."""
        blocks: list[Block] = []
        for records in self.sessions:
            by_block: dict[int, dict[str, float]] = {}
            for record in records:
                step = step_ns(record.timing) if record.status == "ok" and record.timing else None
                if step is not None and record.cell.mode in MODES:
                    by_block.setdefault(record.block, {})[record.cell.mode] = change(record, step)
            blocks += [block for block in by_block.values() if len(block) == len(MODES)]
        return blocks

    def drifting(self, by: float) -> list[Block]:
        """Return the blocks as if the machine had become slower by `by` during each session."""
        last = max(record.position for records in self.sessions for record in records)
        return self.blocks(lambda record, step: step * (1 + by * record.position / last))


def measured(copy: Checkout, sessions: int, blocks: int) -> Sessions:
    """Run the sessions."""
    folders = [copy.metronome(MODES, profile="quick", blocks=blocks, seed=10 + at) for at in range(sessions)]
    return Sessions(tuple(tuple(folder.records()) for folder in folders))


def figures(sessions: Sessions) -> Iterable[Figure]:
    """Yield the figures; where this host is too noisy for a target, the figure says which difference it could find."""
    yield spread(sessions)
    blocks = sessions.blocks()
    how = f"{DRAWS} draws of {DEFAULT_BLOCKS} of {len(blocks)} blocks in {len(sessions.sessions)} sessions"
    if len(blocks) <= DEFAULT_BLOCKS:
        names = {3: "A/A pairs called different", 4: "3 % more work found", 5: "interval holds the truth"}
        for number, name in names.items():
            yield Figure(number=number, name=name, target="", found=f"{len(blocks)} whole blocks", met=None, how=how)
        return
    drawn = list(draws(blocks))
    same = [ratio(block, "same") for block in drawn]
    yield false_alarms(same, how)
    yield power([ratio(block, "more") for block in drawn], how)
    yield coverage(same, how)
    yield robustness(sessions, drawn, how)


def spread(sessions: Sessions) -> Figure:
    """Return the spread of the sessions' estimates."""
    steps = [step for records in sessions.sessions if (step := step_us(records, "work")) is not None]
    cv = statistics.stdev(steps) / statistics.fmean(steps) if len(steps) > 1 else None
    return Figure(
        number=2,
        name="spread (CV) of an estimate over sessions",
        target="≤ 1.5 % on a quiet CPU",
        found="fewer than two sessions" if cv is None else f"{cv:.1%}",
        met=None if cv is None else cv <= 0.015,
        how=f"{len(steps)} sessions",
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


def power(more: Sequence[Estimate], how: str) -> Figure:
    """Return how often 3 % more work is called slower, and which difference this host could find."""
    share = statistics.fmean(verdict(ratio) == "slower" for ratio in more)
    effect = statistics.median(ratio.value for ratio in more)
    half = statistics.median(ratio.half_width or float("inf") for ratio in more)
    shown = f"{share:.0%}, effect {effect - 1:+.1%}"
    met = share >= 0.9 and abs(effect - PLANTED) <= 0.01
    return Figure(
        number=4,
        name="3 % more work found at default blocks",
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
    """Return how many verdicts change when the machine becomes slower or faster during each session."""
    changed = sum(
        decided(verdict(ratio(plain, mode)), verdict(ratio(other, mode)))
        for by in (DRIFT, -DRIFT)
        for mode in ("same", "more")
        for plain, other in zip(drawn, draws(sessions.drifting(by)), strict=True)
    )
    return Figure(
        number=7,
        name="verdicts turned by 4 % drift, forwards or backwards",
        target="none",
        found=f"{changed} of {4 * DRAWS}",
        met=changed == 0,
        how=f"{how}, a drift added to each session",
    )


def draws(blocks: Sequence[Block]) -> Iterable[Sequence[Block]]:
    """Yield the same draws of as many blocks as the default profile has, whatever the blocks' steps."""
    rng = random.Random(7)
    for _ in range(DRAWS):
        yield [blocks[at] for at in rng.sample(range(len(blocks)), DEFAULT_BLOCKS)]


def ratio(blocks: Sequence[Block], mode: str) -> Estimate:
    """Return a mode's step ÷ that of "work", paired by block."""
    return estimate([block[mode] / block["work"] for block in blocks])


def decided(plain: Verdict, other: Verdict) -> bool:
    """Return whether a decided verdict became another decided one, such as faster slower or same."""
    return "undetermined" not in (plain, other) and plain != other
