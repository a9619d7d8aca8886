"""Figure 1: the reported time of steps whose length is known from the kernel's raw clock."""

from collections.abc import Iterable, Mapping
from typing import Final

from bench.records.record import Record
from harness.selftest.checkout import Checkout
from harness.selftest.figures import Figure
from harness.stats.estimate import estimate, step_ns

TICK_US: Final[Mapping[str, float]] = {"tick-100us": 100.0, "tick-1ms": 1000.0, "tick-10ms": 10_000.0}
WITHIN_US: Final = 2.0  # below 200 µs
WITHIN: Final = 0.01  # from 1 ms up


def figure(copy: Checkout, blocks: int) -> Figure:
    """Run steps of known length and compare."""
    return judged(copy.metronome(list(TICK_US), profile="quick", blocks=blocks, seed=1).records())


def judged(records: Iterable[Record]) -> Figure:
    """Return the figure of the metronome's ticks."""
    steps = {mode: step_us(records, mode) for mode in TICK_US}
    missing = [mode for mode, step in steps.items() if step is None]
    off = {mode: step - TICK_US[mode] for mode, step in steps.items() if step is not None}
    near = all(
        abs(error) <= (WITHIN_US if TICK_US[mode] < 200 else WITHIN * TICK_US[mode]) for mode, error in off.items()
    )
    errors = ", ".join(f"{TICK_US[mode] / 1e3:g} ms {error:+.2f} µs" for mode, error in off.items())
    return Figure(
        number=1,
        name="reported step against an independent clock",
        target="within 2 µs below 200 µs, within 1 % from 1 ms up",
        found=f"no time of {', '.join(missing)}" if missing else errors,
        met=near and not missing,
        how="NumPy steps prolonged by CLOCK_MONOTONIC_RAW",
    )


def step_us(records: Iterable[Record], mode: str) -> float | None:
    """Return the time per step of a mode in µs, as the tables estimate it; None without a good replicate."""
    steps = [
        step
        for record in records
        if record.cell.mode == mode and record.status == "ok" and record.timing
        if (step := step_ns(record.timing)) is not None
    ]
    return estimate(steps).value / 1e3 if steps else None
