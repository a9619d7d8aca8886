"""Figures 9 and 10: phases accounted for, cold and warm distinguished, and samestep's own share of the time."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from bench.interface import Step
from bench.records.record import ModeProof, Record
from harness.selftest.checkout import Checkout
from harness.selftest.figures import Figure
from harness.stats.overhead import own_share
from harness.store.facts import RunFacts

COMPILED: Final = ("jax", "jit")  # a mode with a compile cache whose first step takes about a second
LEAST_ACCOUNTED: Final = 0.95
MOST_OWN: Final = 0.10
MOST_PER_CALL_NS: Final = 100.0
CALLS: Final = 200_000


def figures(copy: Checkout, sessions: int, blocks: int) -> Iterable[Figure]:
    """Run a compiled mode in the default profile, each block cold and then warm, and judge its records."""
    framework, mode = COMPILED
    folders = [
        copy.run(
            *("--launcher", "venv", "--framework", framework, "--mode", mode),
            *("--profile", "default", "--blocks", str(blocks), "--seed", str(30 + at)),
        )
        for at in range(sessions)
    ]
    records = [record for folder in folders for record in folder.records() if record.cell.mode == mode]
    yield accounted(records)
    yield classes(records)
    yield share([(folder.facts(), folder.records()) for folder in folders])
    yield per_call()


def accounted(records: Sequence[Record]) -> Figure:
    """Return the smallest share of a process's wall time that its phases account for."""
    shares = [record.phases.total_ns() / record.wall_ns for record in records if record.phases and record.wall_ns]
    return Figure(
        number=9,
        name="phases accounted for",
        target="≥ 95 % of wall",
        found=f"{min(shares):.1%} at least" if shares else "no good replicate",
        met=bool(shares) and min(shares) >= LEAST_ACCOUNTED,
        how=f"{len(shares)} replicates, {' '.join(COMPILED)}",
    )


def classes(records: Sequence[Record]) -> Figure:
    """Return how many first steps were named right: a replicate's cold, its repeat's on the same caches warm."""
    named: list[tuple[str | None, str]] = [(record.timing.compile_cache, "cold") for record in records if record.timing]
    named += [
        (repeat.compile_cache, "warm") for record in records for repeat in record.repeats if repeat.kind == "warm"
    ]
    right = sum(name == truth for name, truth in named)
    return Figure(
        number=9,
        name="cold or warm told right",
        target="all",
        found=f"{right} of {len(named)}",
        met=bool(named) and right == len(named),
        how=f"{' '.join(COMPILED)}, cold and on the caches that it left",
    )


def share(runs: Sequence[tuple[RunFacts, Sequence[Record]]]) -> Figure:
    """Return samestep's own share of the wall time in the default profile."""
    worst = max(own_share(records, facts.wall_s) for facts, records in runs)
    return Figure(
        number=10,
        name="samestep's own share of wall time",
        target="≤ 10 %",
        found=f"{worst:.1%}",
        met=worst <= MOST_OWN,
        how=f"default profile, {len(runs)} sessions",
    )


def per_call() -> Figure:
    """Return what a timed call costs beyond the call itself: the loop that keeps the outputs alive."""
    call = _nothing
    step = Step(call=call, reset=_nothing, parameters=dict, proof=_no_proof)
    costs = []
    for _ in range(15):
        begin = time.perf_counter_ns()
        step.run(CALLS)
        middle = time.perf_counter_ns()
        for _ in range(CALLS):
            call()
        costs.append(((middle - begin) - (time.perf_counter_ns() - middle)) / CALLS)
    median = sorted(costs)[len(costs) // 2]
    return Figure(
        number=10,
        name="cost per timed call",
        target="≤ 0.1 µs",
        found=f"{max(median, 0.0) / 1e3:.3f} µs",
        met=median <= MOST_PER_CALL_NS,
        how=f"median of {len(costs)} × {CALLS:,} calls of nothing, against a bare loop of them",
    )


def _nothing() -> None:
    """Replace a step."""


def _no_proof() -> ModeProof:
    raise NotImplementedError("a step that computes nothing has no proof")
