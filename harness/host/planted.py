"""The planted load: a process that keeps one core half busy, 50 ms of computing and 50 ms of sleep in turn."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

ON_S: Final = 0.05
OFF_S: Final = 0.05
PR_SET_PDEATHSIG: Final = 1  # prctl(2)


@contextlib.contextmanager
def load(cpus: Sequence[int]) -> Iterator[int]:
    """Keep one core of `cpus`, the last, half busy while the context lasts; yield the id of the process."""
    process = subprocess.Popen([sys.executable, "-m", "harness.host.planted", str(cpus[-1])], stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def main(cpu: str) -> None:
    """Compute and sleep on one processor until killed, at the latest when the parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.sched_setaffinity(0, {int(cpu)})
    while True:
        until = time.perf_counter() + ON_S
        while time.perf_counter() < until:
            pass
        time.sleep(OFF_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
