"""What a bisection has measured, typed, in its folder results/<time>-bisect-<framework>/.

bisect.json                 Bisection, written anew after each measurement
measurement-1/<run's id>/   an ordinary run, which report, compare and publish take
measurement-2/…
"""

from dataclasses import dataclass
from typing import Literal

Measure = Literal["step", "first-step", "memory", "bits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed: one cell, what is compared of it, and how it is measured. Empty or None: not given."""

    framework: str
    mode: str
    workload: str
    optimizer: str
    size: str
    precision: str
    measure: Measure
    profile: str
    device: str
    launcher: str | None
    cpus: str | None
    threads: int | None
    timeout_s: float | None  # of one replicate
    blocks: int | None
    seed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Two versions in one measurement."""

    older: str
    newer: str
    by_block: tuple[float, ...]  # newer ÷ older, one value for each block that has both


@dataclass(frozen=True, slots=True, kw_only=True)
class Bits:
    """What a version computed in one measurement."""

    version: str
    fingerprint: str  # SHA-256 of losses and parameters, the same in all of its processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A version that cannot be measured."""

    version: str
    reason: str  # one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run of several versions that took turns."""

    number: int  # from 1
    run: str  # path of the run's folder within that of the bisection
    versions: tuple[str, ...]  # that were to be measured, oldest first
    held: tuple[str, ...]  # those with a result
    floor: float  # noise floor: no smaller relative difference is told apart
    ratios: tuple[Ratio, ...] = ()  # of each pair of `held`; of bits: none
    bits: tuple[Bits, ...] = ()  # of each of `held`; only of bits
    failed: tuple[Failed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended, for scripts; the sentences are made from it."""

    older: str
    newer: str
    found: bool  # False: nothing is told apart between the ends
    ratio: float | None  # newer ÷ older; None: of bits
    low: float | None
    high: float | None
    between: tuple[str, ...]  # versions between the two, which cannot be measured or were not told
    others: tuple[tuple[str, str], ...]  # pairs between which further differences were seen
    changed: tuple[str, ...]  # what else differs in their environments: "jaxlib 0.9.0 -> 0.9.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """All of it."""

    schema: int
    id: str
    started_unix_ns: int
    asked: Asked
    distribution: str  # whose versions they are
    versions: tuple[str, ...]  # published from end to end, oldest first
    failed: tuple[Failed, ...] = ()  # that cannot be measured, in the order in which they were tried
    measurements: tuple[Measurement, ...] = ()
    outcome: Outcome | None = None  # None: it goes on
