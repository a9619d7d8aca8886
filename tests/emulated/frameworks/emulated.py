"""Emulated: NumPy's step, with the device, the allocator and the driver's entries of a program on an emulated GPU.

For tests: it computes on the processor and says that it was the GPU. Its driver is the stand-in of `tests/emulated`,
which it finds on the loader's path. A model holds its parameters four times (with gradients and Adam's state) and the
inputs; the allocator takes segments of 2 MiB from the device and keeps them, as PyTorch's does.
"""

import dataclasses
import math
import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.frameworks import numpy
from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import KINGMA_BA, Array64, Workload

MODES = {
    "eager": "NumPy's step, said to be on a GPU",
    "graph": "the same, said to be captured as one graph",
}
BASELINE = "eager"
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "{threads}", "OMP_NUM_THREADS": "{threads}"}
ADAM = KINGMA_BA
FORWARD = {"regression": None, "regression_wide": None}  # NumPy's own

CONTEXT: Final = 300 << 20
SEGMENT: Final = 2 << 20
LOADING_S: Final = 0.4  # longer than the sampler's period: an import is seen from outside


class Program:
    """This process as the stand-in driver lists it."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "programs"
        # Written, not mapped: a mapped file that changes is one of the program's own for samestep
        self._counter = os.open(folder / "steps", os.O_RDWR)
        (self._steps,) = struct.unpack("Q", os.pread(self._counter, 8, 0))
        named = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        self._gpu = named.rpartition("-")[2]
        self._noted = ""

    def note(self, held: int, what: str) -> None:
        """Say how many bytes it holds and whether it works, when that is new."""
        line = f"{os.getpid()} {self._gpu} {held} {what}\n"
        if line != self._noted:
            self._noted = line
            with self._log.open("a", encoding="ascii") as file:
                file.write(f"{time.clock_gettime_ns(time.CLOCK_BOOTTIME)} {line}")

    def step(self) -> None:
        """Count a step: each takes energy."""
        self._steps += 1
        os.pwrite(self._counter, struct.pack("Q", self._steps), 0)


class Cache:
    """A caching allocator: what it hands out, and the segments that it has taken from the device."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.context = 0
        self.allocated = self.peak = self.reserved = self.reserved_peak = self.requests = self.segments = 0
        self.what = "loading"

    def take(self, size: int) -> None:
        """Hand out `size` bytes."""
        self.allocated += size
        self.requests += 1
        segments = math.ceil(max(0, self.allocated - self.reserved) / SEGMENT)
        self.segments += segments
        self.reserved += segments * SEGMENT
        self.peak, self.reserved_peak = max(self.peak, self.allocated), max(self.reserved_peak, self.reserved)
        self.note()

    def give_back(self, size: int) -> None:
        """Take `size` bytes back, and keep their segments."""
        self.allocated -= size

    def empty(self) -> None:
        """Give the unused segments back to the device."""
        self.reserved = math.ceil(self.allocated / SEGMENT) * SEGMENT
        self.note()

    def note(self, what: str = "") -> None:
        """Tell the driver."""
        self.what = what or self.what
        self._program.note(self.context + self.reserved, self.what)


def driver() -> Path:
    """Return the folder of the stand-in driver."""
    folders = map(Path, os.environ["LD_LIBRARY_PATH"].split(os.pathsep))
    return next(folder for folder in folders if (folder / "programs").exists())


program = Program(driver())
cache = Cache(program)
cache.note()
time.sleep(LOADING_S)


def start(device: str, threads: int) -> None:
    """Make a context."""
    if device != "cuda":
        raise RuntimeError("Emulated computes on an emulated GPU only")
    cache.context = CONTEXT
    cache.note()


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return NumPy's step, said to be on the GPU."""
    return on_gpu(numpy.build(workload, mode, precision), workload, mode)


def on_gpu(step: Step | Skip, workload: Workload, mode: str) -> Step | Skip:
    """Return a step that computes on the processor as one of the emulated GPU."""
    if isinstance(step, Skip):
        return step
    assert step.call is not None
    compute, prove = step.call, step.proof
    size = sum(array.nbytes for array in workload.batch)
    size += 4 * sum(array.nbytes for array in workload.parameters.values())
    cache.take(size)

    def call() -> Any:
        cache.note("working")
        program.step()
        return compute()

    def proof() -> ModeProof:
        return dataclasses.replace(prove(), mode=mode, device="cuda:0", output_device="cuda:0")

    def release() -> None:
        step.release()
        cache.give_back(size)

    return dataclasses.replace(step, call=call, proof=proof, release=release)


def wait(outputs: Sequence[Output]) -> None:
    """NumPy has returned when it has computed."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return numpy.to_numpy(outputs)


def memory() -> Allocator:
    """Return the statistics of the allocator."""
    return Allocator(
        policy="default",
        allocated_bytes=cache.allocated,
        allocated_peak_bytes=cache.peak,
        reserved_bytes=cache.reserved,
        reserved_peak_bytes=cache.reserved_peak,
        requests=cache.requests,
        device_allocations=cache.segments,
        largest_free_bytes=cache.reserved - cache.allocated,
        inactive_bytes=0,
    )


def empty_cache() -> bool:
    """Give unused segments back."""
    cache.empty()
    return True


def versions() -> Sequence[str]:
    """NumPy, which computes."""
    return numpy.versions()
