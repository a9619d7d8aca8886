"""What is measured of a data-parallel step beside its timed rounds: its ranks, its exchange, rounds without that.

The rounds without the exchange take turns with rounds that have it, so that their difference is of neighbours in time.
The parameters of the ranks differ after them: the check that follows resets all ranks.
"""

import os
from collections.abc import Callable, Sequence
from typing import Final

from bench.interface import Framework, Output
from bench.parallel import Collectives
from bench.parallel.lead import LedStep
from bench.parallel.strategies import cpus_of
from bench.protocol.required import InvalidResultError, require_mode
from bench.protocol.rounds import Clock, collected_by_hand
from bench.records.parallel import Parallel, Rank
from bench.records.record import Cell, ModeProof
from bench.turns.environment import own_peak_resident_bytes
from bench.turns.turn import Turn

MOST_ROUNDS: Final = 10  # of each kind
UNTIMED: Final = 2  # before them: what leaves the exchange out may compile


def parallel_of(
    turn: Turn,
    step: LedStep,
    framework: Framework,
    *,
    calls: int,
    proof: ModeProof,
    ran_on: Sequence[int],
    clock: Clock,
) -> Parallel:
    """Return what is read back of the step of all ranks, and its rounds without the exchange.

    Args:
        turn: the replicate.
        step: after its timed rounds.
        framework: of the step.
        calls: of a round.
        proof: rank 0's, after the timed rounds.
        ran_on: processors on which rank 0 was seen.
        clock: returns the time in nanoseconds.

    Raises:
        InvalidResultError: a rank did not run what was asked for, or not all ranks exchange.
    """
    cell = turn.cell
    reports = step.reports()
    placed = (*_placed(turn, step, proof, ran_on), *(report.rank for report in reports))
    for report in reports:
        require_rank(cell, turn.threads, report.rank, report.proof, proof)
    if step.group:
        require_placed(turn, placed)
    exchange = step.exchange()
    require_exchange(cell, exchange)
    with_it, without = _rounds(step, framework, calls, min(turn.settings.rounds, MOST_ROUNDS), clock)
    return Parallel(
        ranks=cell.ranks,
        processes=1 + len(reports),
        scaling=cell.scaling,
        rows=step.rows,
        backend=exchange.backend,
        operations=exchange.operations,
        collectives=exchange.count,
        reduced_bytes=exchange.bytes,
        why=exchange.why,
        evidence=exchange.evidence,
        start_ns=step.start_ns,
        placed=placed,
        synchronised_round_ns=with_it,
        unsynchronised_round_ns=without,
        unsynchronised_why=step.unsynchronised_why,
    )


def require_rank(cell: Cell, threads: int, rank: Rank, proof: ModeProof, first: ModeProof) -> None:
    """Raise InvalidResultError unless a rank ran what rank 0 ran, on processors of its own."""
    try:
        require_mode(cell, threads, proof)
    except InvalidResultError as error:
        raise InvalidResultError(f"rank {rank.rank}: {error}") from error
    if proof.compilations != first.compilations:
        raise InvalidResultError(
            f"rank {rank.rank} compiled {proof.compilations} times, rank 0 {first.compilations}: they did not run the"
            " same step"
        )


def require_placed(turn: Turn, placed: Sequence[Rank]) -> None:
    """Raise InvalidResultError where a process may use other processors than its rank's."""
    for rank in placed:
        own = cpus_of(turn.cpus, rank.rank, turn.cell.ranks)
        if own and not set(rank.cpus) <= set(own):
            has, asked = (",".join(map(str, cpus)) for cpus in (rank.cpus, own))
            raise InvalidResultError(f"rank {rank.rank} may use CPU {has}, and CPU {asked} was asked for")


def require_exchange(cell: Cell, exchange: Collectives) -> None:
    """Raise InvalidResultError where not all ranks exchange by its own account, or a step exchanges nothing."""
    if exchange.ranks is not None and exchange.ranks != cell.ranks:
        raise InvalidResultError(
            f"{cell.ranks} ranks were asked for, the framework exchanges among {exchange.ranks} ({exchange.evidence})"
        )
    if cell.ranks > 1 and exchange.count == 0:
        raise InvalidResultError(f"the {cell.ranks} ranks exchange nothing in a step ({exchange.evidence})")


def processors_of(placed: Sequence[Rank]) -> tuple[int, ...]:
    """Return the processors that any of the ranks may use."""
    return tuple(sorted({cpu for rank in placed for cpu in rank.cpus}))


def _placed(turn: Turn, step: LedStep, proof: ModeProof, ran_on: Sequence[int]) -> tuple[Rank, ...]:
    """Return rank 0, or where all ranks are devices of this process, all of them."""
    digests = step.digests()
    devices = list(step.devices()) or [proof.device]
    in_one = step.group is None and turn.cell.ranks > 1
    if in_one and len(devices) != turn.cell.ranks:
        raise InvalidResultError(f"{turn.cell.ranks} ranks were asked for, there are {len(devices)} devices")
    return tuple(
        Rank(
            rank=rank,
            pid=None if in_one else os.getpid(),
            device=device,
            cpus=tuple(sorted(os.sched_getaffinity(0))),
            ran_on=tuple(ran_on),
            threads=proof.threads,
            peak_rss_bytes=None if in_one else own_peak_resident_bytes(),
            parameters_sha256=digests[rank] if rank < len(digests) else "",
        )
        for rank, device in enumerate(devices)
    )


def _rounds(
    step: LedStep, framework: Framework, calls: int, count: int, clock: Clock
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the durations of rounds with the exchange and of rounds without it, which take turns."""
    if step.unsynchronised is None:
        return (), ()

    def timed(run: Callable[[int], Sequence[Output]]) -> int:
        framework.wait(())
        begin = clock()
        framework.wait(run(calls))
        return clock() - begin

    kinds = (step.run, step.run_unsynchronised)
    with collected_by_hand():
        for _ in range(UNTIMED):
            for run in kinds:
                timed(run)
        durations = [[timed(run) for run in kinds] for _ in range(count)]
    framework.wait(())
    return tuple(pair[0] for pair in durations), tuple(pair[1] for pair in durations)
