"""The rounds of one inference, without the suite: what the programs beside this file hand their engine's call to.

A round is one call where the batch has one row, for its latency, and else some 2 ms of calls. Prints one line of JSON.
"""

import gc
import json
import os
import statistics
import sys
import time

import numpy as np

ROUNDS = int(os.environ.get("ROUNDS", "20"))  # of 2 ms, or as long together
ROUND_NS = 2_000_000


def main(engine, load, wait=lambda outputs: None):
    """Time `load(model, x)`, which returns the call, as `MODE MODEL BATCH` of the command line say.

    `wait` waits for the results of an engine that returns before they are there.
    """
    mode, model, batch = sys.argv[1:]
    x = np.random.default_rng(42).standard_normal((int(batch), 784)).astype(np.float32)
    infer = load(model, x)

    def run(calls):
        outputs = [infer() for _ in range(calls)]
        wait(outputs)
        return outputs

    def timed(calls):
        cpu_ns = time.process_time_ns()
        begin_ns = time.perf_counter_ns()
        run(calls)
        end_ns = time.perf_counter_ns()
        return begin_ns, end_ns, calls, time.process_time_ns() - cpu_ns

    calls, warm = 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        begin_ns, end_ns, *_ = timed(calls)
        if batch != "1" and end_ns - begin_ns < ROUND_NS:
            calls *= 2
        elif time.perf_counter() > warm:
            break
    print("rounds", flush=True)
    rounds, spent_ns = [], 0
    while spent_ns < ROUNDS * ROUND_NS:
        rounds.append(timed(calls))
        spent_ns += rounds[-1][1] - rounds[-1][0]
    step_us = statistics.median((end - begin) / steps for begin, end, steps, _ in rounds) / 1e3
    print(json.dumps({"framework": engine, "mode": mode, "step_us": step_us, "rounds": rounds}))
