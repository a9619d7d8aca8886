"""What is measured of input that is streamed: the passes over a data set, raw. Standard library only.

A pass runs the pipeline alone, the step alone on one batch that is held, or both: take a batch, make the step, wait for
it, take the next one. A pass ends with the epoch, or with the first batch after its time.
"""

from dataclasses import dataclass
from typing import Literal

StreamPart = Literal["pipeline", "step", "both"]
PageCache = Literal["warm", "cold", "none"]  # asked for; what was read from the device proves it
MemoryKind = Literal["pss", "rss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass. Processes are this one and all that descend from it."""

    part: StreamPart
    cache: PageCache  # "cold": the kernel was asked to forget the files before; "none": the data are in memory
    epoch: int  # whose flips and crops it has; each pass has one of its own
    samples: int
    batches: int
    wall_ns: int
    first_batch_ns: int = 0  # from the begin to the first batch; 0: no pipeline ran
    wait_ns: int = 0  # of all batches, the first included: how long the loop was without one
    step_ns: int = 0  # in the step, waited for
    cpu_ns: int  # of all threads of all processes; of other processes in ticks of 10 ms
    read_bytes: int | None = None  # from the storage device, by all processes; None: the kernel does not count it
    memory_bytes: int | None = None  # of all processes as the pass ended; None: not readable
    memory_kind: MemoryKind | None = None  # "pss": shared pages count once; "rss": once for each process
    processes: int  # as the pass ended
    threads: int  # in all processes, as the pass ended
    cpus: tuple[int, ...]  # processors that any of the processes may use, read back as the pass ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """One replicate of a pipeline."""

    format: str  # in which the data set lies, of `bench.data.FORMATS`
    batch: int  # samples
    samples: int  # of the data set
    data_sha256: str  # of the digests of the files that the format has
    data_bytes: int  # of these files
    augments: bool  # False: it gives the samples as they lie in the files
    ordered: bool  # False: it keeps no order, and is compared as a multiset
    sha256: str = ""  # of the samples that it gave in an untimed epoch, in their order
    expected_sha256: str = ""  # of those that the generator makes
    multiset: str = ""  # the same, whatever the order
    expected_multiset: str = ""
    first_batch_ns: int | None = None  # of the first epoch in the process: workers start, graphs are traced
    plain_read_ns: int | None = (
        None  # reading the files once more, by one thread into one buffer: the page cache's rate
    )
    plain_read_bytes: int | None = None  # how much of them was read so
    passes: tuple[Pass, ...] = ()
