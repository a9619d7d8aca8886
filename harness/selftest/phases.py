"""Figures 9 and 10: phases accounted for, cold and warm told apart, and samestep's own share of the time."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from bench.interface import Step
from bench.records.record import ModeProof, Record
from harness.selftest.checkout import Checkout
from harness.selftest.figures import Figure
from harness.stats.overhead import own_share
from harness.store.facts import RunFacts

COMPILED: Final = ("jax", "jit")  # a mode with a compile cache, whose first step takes a second and not twenty
LEAST_ACCOUNTED: Final = 0.95
MOST_OWN: Final = 0.10
MOST_PER_CALL_NS: Final = 100.0
CALLS: Final = 200_000


def figures(made: Checkout, sessions: int, blocks: int) -> Iterable[Figure]:
    """Run a compiled mode in the default profile, each block cold and then warm, and judge its records."""
    framework, mode = COMPILED
    folders = [
        made.run(
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
    """Return the least share of a process's wall time that its phases account for."""
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
    """Return how many first steps were called what they were: a replicate's cold, its repeat's on its caches warm."""
    told: list[tuple[str | None, str]] = [(one.timing.compile_cache, "cold") for one in records if one.timing]
    told += [(one.compile_cache, "warm") for record in records for one in record.repeats if one.kind == "warm"]
    right = sum(found == truth for found, truth in told)
    return Figure(
        number=9,
        name="cold or warm told right",
        target="all",
        found=f"{right} of {len(told)}",
        met=bool(told) and right == len(told),
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
    found = sorted(costs)[len(costs) // 2]
    return Figure(
        number=10,
        name="cost per timed call",
        target="≤ 0.1 µs",
        found=f"{max(found, 0.0) / 1e3:.3f} µs",
        met=found <= MOST_PER_CALL_NS,
        how=f"median of {len(costs)} × {CALLS:,} calls of nothing, against a bare loop of them",
    )


def _nothing() -> None:
    """Stand in for a step."""


def _no_proof() -> ModeProof:
    raise NotImplementedError("nobody asks a step that computes nothing")
