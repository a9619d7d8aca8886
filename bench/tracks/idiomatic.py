"""One cold run of a framework's hello world (`bench/hello`), in a separate interpreter."""

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from bench import lines
from bench.records.record import Failure, Idiomatic, Memory, Phases, Record
from bench.reference.accuracy import within
from bench.turns.environment import describe
from bench.turns.turn import TAIL_LINES, Turn
from bench.workloads import regression

RESULT: Final = re.compile(r"weight=(-?\d+\.\d+) bias=(-?\d+\.\d+)$")


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Start the program, wait for its end, read weight and bias from its last line."""
    name = turn.cell.framework
    announce("hello")
    begin = time.perf_counter_ns()
    # the programs choose the GPU where they find one, as their users write them
    without_gpu = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"} if turn.cell.device == "cpu" else {}
    ended = subprocess.run(
        [sys.executable, "-m", f"bench.hello.{name}"],
        env={**os.environ, **without_gpu},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    total_ns = time.perf_counter_ns() - begin
    printed = [line for line in ended.stdout.splitlines() if line.strip()]
    match = RESULT.search(printed[-1]) if printed and ended.returncode == 0 else None
    idiomatic = failure = None
    reason = ""
    if match:
        weight, bias = float(match[1]), float(match[2])
        workload = regression.make("base", "adam")
        idiomatic = Idiomatic(
            lines=lines.count(name),
            total_ns=total_ns,
            weight=weight,
            bias=bias,
            within_tolerance=within(workload, {"weight": weight, "bias": bias}),
        )
    else:
        last = printed[-1].strip() if printed else "it printed nothing"
        reason = f"hello: exit code {ended.returncode}, last line: {last[:200]}"
        failure = Failure(phase="hello", exit_code=ended.returncode, tail=tuple(printed[-TAIL_LINES:]))
    return Record(
        cell=turn.cell,
        block=turn.block,
        position=turn.position,
        status="ok" if match else "failed",
        reason=reason,
        phases=Phases(startup_ns=startup_ns, import_ns=0, rounds_ns=total_ns),
        memory=Memory(host_peak_rss_bytes=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024),
        environment=describe(turn, ()),
        idiomatic=idiomatic,
        failure=failure,
    )
