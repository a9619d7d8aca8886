"""A variant that is timed in rounds until SIGTERM, for two processes that take turns.

    python -m harness.peers.programs.alternated STEP INNER

Prints "rounds" and the length of one in s when it is warm, and at the end one line of JSON: begin and end of each round
in ns, its calls, and its CPU time in ns.
"""

import gc
import json
import signal
import sys
import time

from harness.peers.programs.variant import callable_of

ROUND_S = 2e-3  # a round lasts at least this long
WARM_S = 0.3


def main(step: str, inner: str) -> None:
    """Warm up, then time rounds until the harness says that it has enough."""
    told = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    call = callable_of(step, int(inner))
    gc.collect()
    gc.freeze()
    gc.disable()
    calls, warm = 1, time.perf_counter() + WARM_S
    while True:
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        end = time.perf_counter()
        if end - begin < ROUND_S:
            calls *= 2
        elif end > warm:
            break
    print(f"rounds {end - begin:.6f}", flush=True)
    rounds = []
    while not told:
        gc.collect()
        cpu_ns = time.process_time_ns()
        begin_ns = time.perf_counter_ns()
        for _ in range(calls):
            call()
        end_ns = time.perf_counter_ns()
        rounds.append((begin_ns, end_ns, calls, time.process_time_ns() - cpu_ns))
    print(json.dumps({"rounds": rounds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
