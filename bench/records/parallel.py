"""What is read back of a data-parallel step: its ranks, its collectives, and its rounds without them. Stdlib only.

A rank is a process of its own, or one of the devices of a single process. The leader is rank 0: it times.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One rank."""

    rank: int  # from 0
    pid: int | None  # None: a device of the leader's process
    device: str  # where its parameters are, as the framework says, such as "cpu" or "cuda:1"
    cpus: tuple[int, ...]  # that its process may use, read back
    ran_on: tuple[int, ...]  # processors on which its process was seen
    threads: int | None  # of one operation, as the framework reports them; None: it reports none
    peak_rss_bytes: int | None  # of its process; None: a device of the leader's process, or not readable
    parameters_sha256: str  # of its parameters after the run of the gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """One replicate of a data-parallel step."""

    ranks: int
    processes: int  # as many as ranks, or 1 with a device for each rank
    scaling: str  # as in Cell
    rows: int  # of the global batch
    backend: str  # that exchanges, as the framework says: "gloo", "nccl", "XLA"; empty: it does not say
    operations: tuple[str, ...] = ()  # names of the collectives of a step, each once
    collectives: int | None = None  # of a step; None: not readable
    reduced_bytes: int | None = None  # of a step, of each rank; None: not readable
    why: str = ""  # one sentence: why one of these is missing; empty: none is
    evidence: str = ""  # one sentence: where this was read
    start_ns: int | None = None  # from the start of the followers until all are ready to build; None: there are none
    placed: tuple[Rank, ...] = ()  # in the order of their ranks
    synchronised_round_ns: tuple[int, ...] = ()  # rounds beside those without the exchange, in turns with them
    unsynchronised_round_ns: tuple[int, ...] = ()  # rounds of as many calls with the exchange left out
    unsynchronised_why: str = ""  # why there are none; empty: there are
