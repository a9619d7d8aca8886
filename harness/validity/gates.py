"""The gates of bench once more, on what the records say.

`bench` refuses a wrong replicate before it writes the record. The same gates check what was written, so that a record
from elsewhere, of an older bench or of a damaged process does not pass unchecked. They get the figures that a record
has: one that was not recorded, as in an older schema, accuses nobody.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from bench.catalogue import COLD, TIMED
from bench.protocol.required import InvalidResultError, require_mode, require_no_allocations, require_threads
from bench.records.record import Accuracy, Idiomatic, Record
from bench.reference import inference
from bench.reference.accuracy import Tolerances, deviation_fault, loss_deviation, within
from bench.reference.precision import PRECISIONS
from bench.reference.workload import Workload
from bench.workloads import FIRST, WORKLOADS, load, make
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of

PROVED: Final = (*TIMED, "memory", "energy", COLD)  # tracks whose replicates prove their mode
CONTRADICTION: Final = "; its record contradicts itself, it says ok"


def other_mode(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates that did not run what was requested, by their proof and their processor time."""
    for record in records:
        if record.status != "ok" or record.cell.track not in PROVED:
            continue
        try:
            _require(record)
        except InvalidResultError as error:
            yield Finding(key=key_of(record), reason=f"{error}{CONTRADICTION}")


def other_results(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates whose losses, gradient or parameters are too far from the reference, by their own figures.

    Their deviations are judged as they stand, and those that follow from the losses and parameters beside them.
    """
    for record in records:
        if record.status == "ok" and (fault := _hello_fault(record.idiomatic) or _accuracy_fault(record)):
            yield Finding(key=key_of(record), reason=f"{fault}{CONTRADICTION}")


def other_bytes(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates whose data or initial parameters differ from those of the others of their work.

    Where no more than half agree it is not known which are right, so all are named.
    """
    for digest in ("data_sha256", "init_sha256"):
        works: dict[tuple[str, ...], list[tuple[Record, Accuracy]]] = {}
        for record in _timed(records):
            if record.accuracy is not None:
                cell = record.cell
                key = (cell.workload, cell.size, cell.precision, str(cell.batch), str(cell.enlarged))
                works.setdefault(key, []).append((record, record.accuracy))
        for work in works.values():
            (usual, count), *_ = Counter(getattr(accuracy, digest) for _, accuracy in work).most_common(1)
            is_majority = 2 * count > len(work)
            for record, accuracy in work:
                own = getattr(accuracy, digest)
                if own != usual or not is_majority:
                    others = f"the others' {usual[:8]}" if is_majority else "and no more than half of all agree"
                    yield Finding(key=key_of(record), reason=f"{digest}: its bytes are {own[:8]}, {others}")


def falsely_cold(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates whose first step is called cold although nothing was compiled in their process."""
    for record in _timed(records):
        timing, proof = record.timing, record.proof
        if timing is None or proof is None or timing.compile_cache != "cold" or timing.cache_entries is None:
            continue
        if not proof.cache_misses and not timing.cache_entries:
            yield Finding(key=key_of(record), reason="its first step is called cold, without a miss or a new file")


def _accuracy_fault(record: Record) -> str:
    accuracy, cell = record.accuracy, record.cell
    precision = PRECISIONS.get(cell.precision)
    workload = None if accuracy is None else _smallest(cell.workload, cell.optimizer)
    if accuracy is None or precision is None or workload is None:
        return ""
    if not accuracy.worst_gradient:  # not by parameter, as in older schemas: other tolerances held
        accuracy = replace(accuracy, max_gradient_deviation=None)
    tolerances = Tolerances.of(workload)
    if cell.batch:
        tolerances = replace(tolerances, loss=inference.TOLERANCE, gradient=None)
    faults = (deviation_fault(figures, tolerances, precision) for figures in (accuracy, *_following(accuracy)))
    trained = {"weight": accuracy.weight, "bias": accuracy.bias}
    return next(filter(None, faults), "") or _truth_fault(trained, accuracy.within_tolerance, workload)


def _following(accuracy: Accuracy) -> Iterator[Accuracy]:
    """Yield `accuracy` with the deviations that follow from the figures beside them."""
    if accuracy.losses and accuracy.reference_losses:
        expected = np.asarray(accuracy.reference_losses)
        yield replace(accuracy, max_loss_deviation=loss_deviation(np.asarray(accuracy.losses), expected=expected))
    for own, reference in (
        (accuracy.weight, accuracy.reference_weight),
        (accuracy.bias, accuracy.reference_bias),
    ):
        if own is not None and reference is not None:
            yield replace(accuracy, max_parameter_deviation=abs(own - reference))


def _hello_fault(program: Idiomatic | None) -> str:
    workload = _smallest(FIRST, "adam") if program else None
    if program is None or workload is None:
        return ""
    return _truth_fault({"weight": program.weight, "bias": program.bias}, program.within_tolerance, workload)


def _truth_fault(trained: Mapping[str, float | None], is_within: bool | None, workload: Workload) -> str:
    """Return why parameters do not fit what is said of their distance to the truth; empty: they do, or are unknown."""
    known = {name: value for name, value in trained.items() if value is not None}
    if is_within is None or not workload.truth or known.keys() != workload.truth.keys():
        return ""
    if within(workload, known) == is_within:
        return ""
    values = ", ".join(f"{name} {value:.7g}" for name, value in known.items())
    return f"{values}: {'not ' if is_within else ''}within {workload.tolerance:g} of the truth"


@functools.lru_cache
def _smallest(name: str, optimizer: str) -> Workload | None:
    """Return a workload in its smallest size, whose tolerances are those of all; None: there is none of that name."""
    if name not in WORKLOADS:
        return None
    sizes, optimizers = load(name).SIZES, load(name).OPTIMIZERS
    return make(name, size=next(iter(sizes)), optimizer=optimizer) if optimizer in optimizers else None


def _timed(records: Sequence[Record]) -> Iterator[Record]:
    return (record for record in records if record.status == "ok" and record.cell.track in TIMED)


def _require(record: Record) -> None:
    threads = record.environment.threads if record.environment else None
    if record.proof is not None and threads is not None:
        require_mode(record.cell, threads, record.proof)
    if record.timing is not None and threads is not None:
        require_threads(threads * max(1, record.cell.ranks), record.timing)  # of all ranks, as the process itself asks
    if record.memory is not None:
        require_no_allocations(record.memory)
