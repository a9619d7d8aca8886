"""Run a replicate of a data-parallel strategy whose ranks are processes; print its record as one line of JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_parallel.py FRAMEWORK MODE WORKLOAD RANKS SCALING

A script, since it runs in a framework's own environment. With PLANTED the strategies of PyTorch are those of
`planted_parallel.py`, in all ranks. The ranks share all processors.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence

from bench.parallel import group, lead
from bench.protocol import replicate
from bench.records import codec
from bench.records.record import Cell
from bench.turns import prepare
from bench.turns.turn import Settings, Turn


def main(framework: str, mode: str, workload: str, ranks: str, scaling: str) -> None:
    cell = Cell(
        framework=framework,
        mode=mode,
        workload=workload,
        optimizer="adam",
        size="tiny",
        precision="float32",
        device="cpu",
        allocator="default",
        ranks=int(ranks),
        scaling=scaling,
    )
    turn = Turn(
        cell=cell,
        block=1,
        position=1,
        settings=Settings(rounds=3, warmup_floor_ns=1, warmup_cap_ns=1_000_000_000),
        calls_per_round=1,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=300,
        launcher="here",
    )
    prepare.prepare(turn)
    record = replicate.measure(turn, lambda: lead.framework_of(turn), lambda: prepare.workload_of(turn), timed)
    group.end_all()
    print(codec.to_json(record), flush=True)
    os._exit(0)


def timed(run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
    durations = []
    for _ in range(count):
        before()
        begin = time.perf_counter_ns()
        run()
        durations.append(time.perf_counter_ns() - begin)
    return durations


if __name__ == "__main__":
    main(*sys.argv[1:])
