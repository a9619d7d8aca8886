"""The turn that measures energy: it works long enough for the GPU's energy counter, after a rest.

    gate → warm-up → rest (settle, then idle) → rounds without a pause until the window is full → rest → check

The harness reads the counter, from outside. This turn stores the times for which it needs the counter: the monotonic
clock is the same for all processes of a host. These times include what lies between two rounds, so no time of a step is
taken from them.
"""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from bench.protocol.phases import PhaseClock, ending
from bench.protocol.replicate import Replicate
from bench.protocol.required import require_mode
from bench.protocol.rounds import Clock, RoundTimer, warm_up
from bench.records.observation import REST_NS, Energy
from bench.records.record import Record
from bench.turns import prepare
from bench.turns.turn import Turn

SETTLE_S: Final = 1.0  # until a board that has just worked is at its idle power
IDLE_S: Final = 2.0
WINDOW_NS: Final = 5_200_000_000  # 5 s, and what the harness's samples may miss at both ends
NO_COUNTER: Final = "only a GPU counts its energy"


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Run the steps of the cell for a whole window; return the record, in any case."""
    clock = time.perf_counter_ns
    phase = PhaseClock(clock, announce, startup_ns)
    replicate = Replicate(turn, phase, clock, cache_entries=prepare.cache_entries)
    windows: list[Energy] = []

    def go() -> str | None:
        if turn.cell.device != "cuda":
            return NO_COUNTER
        gate = replicate.begin(partial(prepare.framework_of, turn.cell), partial(prepare.workload_of, turn))
        if isinstance(gate, str):
            return gate
        timer = RoundTimer(gate.framework, gate.step, clock)
        with phase("warmup"):
            warmup = warm_up(timer, turn.settings, turn.calls_per_round)
        windows.append(fill(timer, warmup.calls, phase))
        with phase("check"):
            replicate.proof = gate.step.proof()
            require_mode(turn.cell, turn.threads, replicate.proof)
        return None

    status, reason, failure = ending(phase, go)
    with phase("teardown"):
        record = replicate.record(status, reason, failure)
    return dataclasses.replace(record, energy=windows[0] if windows else None, phases=phase.phases())


def fill(
    timer: RoundTimer,
    calls: int,
    phase: PhaseClock,
    *,
    window_ns: int = WINDOW_NS,
    sleep: Callable[[float], None] = time.sleep,
) -> Energy:
    """Rest, run rounds of `calls` calls until `window_ns` are over, rest again; return the times of the first two."""
    clock: Clock = timer.clock
    with phase("check"):  # not "rounds": in that phase, clocks and power are those of the work
        timer.quiet()
        sleep(SETTLE_S)
        idle_begin = clock()
        sleep(IDLE_S)
        idle_end = clock()
    with phase("rounds"):
        rounds = 0
        begin = clock()
        while clock() - begin < window_ns:
            timer.round(calls)
            rounds += 1
        end = clock()
    with phase("check"):  # the harness looks for the counter's first tick after the work, while the device rests
        sleep(REST_NS / 1e9)
    return Energy(
        idle_begin_ns=idle_begin,
        idle_end_ns=idle_end,
        begin_ns=begin,
        end_ns=end,
        steps=rounds * calls * timer.step.steps_per_call,
    )
