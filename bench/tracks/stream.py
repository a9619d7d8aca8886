"""The turn that measures input that is streamed: a pipeline alone, the step alone, and both (`bench.streams`).

    import → device → files whole? → pipeline and step built → first batches, their losses → an untimed epoch, its
    samples → passes in turn, with the page cache warm → one pass with it cold → record

The gate: every sample of the untimed epoch is the generator's, in its order; the first losses and what they trained are
those of the float64 reference on the generator's samples. Else the cell has no figures.
"""

import dataclasses
import gc
import importlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from bench.catalogue import device_lacking, framework_offer
from bench.data import identity
from bench.data.dataset import Dataset, drop_from_page_cache, open_dataset
from bench.interface import Framework, Output, Skip
from bench.protocol.family import family, memory
from bench.protocol.phases import PhaseClock, ending
from bench.protocol.replicate import Replicate
from bench.protocol.required import InvalidResultError
from bench.protocol.rounds import Clock
from bench.records.record import Record
from bench.records.streaming import PageCache, Pass, Streaming, StreamPart
from bench.reference import accuracy
from bench.reference.inputs import Streamed
from bench.reference.precision import PRECISIONS
from bench.reference.trajectory import reference
from bench.reference.workload import Workload
from bench.streams import Pipeline, Streams, Trainer
from bench.turns.prepare import framework_of
from bench.turns.turn import Turn
from bench.workloads import make_streamed

SEED: Final = 42  # of flips and crops
GATE_STEPS: Final = 5  # whose losses are compared: float64 convolutions take a second each
PASS_NS_PER_ROUND: Final = 50_000_000  # a pass lasts as long as so many rounds of the profile
TRIOS: Final = 2  # times that the three parts are measured in turn
ROUNDS_PER_TRIO: Final = 10  # a profile with as few has them once
PLAIN_READ_NS: Final = 100_000_000
PLAIN_READ_BYTES: Final = 256 << 10  # into one buffer, which stays in the processor's cache


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Measure the pipeline of the cell; return the record, in any case."""
    name = turn.cell.framework
    return measure(
        turn,
        load=lambda: (framework_of(turn.cell), cast("Streams", importlib.import_module(f"bench.streams.{name}"))),
        announce=announce,
        startup_ns=startup_ns,
    )


def measure(
    turn: Turn,
    load: Callable[[], tuple[Framework, Streams]],
    *,
    clock: Clock = time.perf_counter_ns,
    announce: Callable[[str], None] = lambda phase: None,
    startup_ns: int = 0,
) -> Record:
    """Run one replicate and return its record; `load` imports the framework's two modules."""
    phase = PhaseClock(clock, announce, startup_ns)
    replicate = Replicate(turn, phase, clock)
    streamed = _Streamed(turn, replicate)
    try:
        status, reason, failure = ending(phase, lambda: streamed.run(load))
    finally:
        streamed.close()
    with phase("teardown"):
        record = replicate.record(status, reason, failure)
    return dataclasses.replace(record, streaming=streamed.streaming, phases=phase.phases())


class _Streamed:
    """One replicate; `streaming` has the results so far."""

    def __init__(self, turn: Turn, replicate: Replicate) -> None:
        self.turn = turn
        self.replicate = replicate
        self.clock = replicate.clock
        self.streaming: Streaming | None = None
        self.close: Callable[[], None] = lambda: None

    def run(self, load: Callable[[], tuple[Framework, Streams]]) -> str | None:
        """Go through the phases; return why the cell was skipped.

        Raises:
            InvalidResultError: the samples or the losses are not those of the generator.
        """
        cell, phase = self.turn.cell, self.replicate.phase
        offer = framework_offer(cell.framework)
        told = next(each for each in offer.pipelines if each.name == cell.mode)
        if lacking := device_lacking(offer, cell.device):
            return lacking
        with phase("import"):
            framework, streams = load()
            self.replicate.versions = framework.versions()
        with phase("device"):
            framework.start(cell.device, self.turn.threads)
        with phase("check"):
            data = open_dataset(Path(self.turn.data), cell.stream)
            data.verify(told.format)
        with phase("build"):
            made = make_streamed(cell.workload, size=cell.size, optimizer=cell.optimizer)
            rows, shape = len(made.batch.y), made.batch.x.shape[1:]
            inputs = Streamed(rows=rows, shape=shape, seed=SEED, augments=told.augments)
            workload = dataclasses.replace(made, inputs=inputs, steps=min(GATE_STEPS, data.samples // rows))
            trainer = streams.trainer(workload)
            pipeline = trainer if isinstance(trainer, Skip) else streams.pipeline(data, cell.mode, rows, SEED)
            if isinstance(pipeline, Skip) or isinstance(trainer, Skip):
                return pipeline.reason if isinstance(pipeline, Skip) else None
            self.close = pipeline.close
            self.streaming = Streaming(
                format=told.format,
                batch=rows,
                samples=data.samples,
                data_sha256=data.sha256(told.format),
                data_bytes=sum(data.files[path.name][0] for path in data.paths(told.format)),
                augments=told.augments,
                ordered=told.ordered,
            )
        with phase("first_step"):
            losses = self._first_batches(framework, pipeline, trainer, workload)
        with phase("check"):
            self._require_losses(framework, workload, losses, trainer)
            self._require_samples(pipeline, told.augments)
        with phase("rounds"):
            self._passes(framework, pipeline, trainer, data)
        return None

    def _first_batches(
        self, framework: Framework, pipeline: Pipeline, trainer: Trainer, workload: Workload
    ) -> Sequence[Output]:
        """Train on the first batches; return their losses."""
        assert self.streaming
        begin = self.clock()
        batches = pipeline.epoch(0)
        losses: list[Output] = []
        for x, y in batches:
            if not losses:
                self.streaming = dataclasses.replace(self.streaming, first_batch_ns=self.clock() - begin)
            losses.append(trainer.step(x, y))
            framework.wait(losses[-1:])
            if len(losses) == workload.steps:
                break
        _leave(batches)
        return losses

    def _require_losses(
        self, framework: Framework, workload: Workload, losses: Sequence[Output], trainer: Trainer
    ) -> None:
        """Compare the first losses, and the parameters after them, with the float64 reference.

        Raises:
            InvalidResultError: they differ too much.
        """
        assert self.streaming
        if not self.streaming.ordered:
            return  # which samples come first is its own choice
        formula = workload.formula(framework.ADAM)
        self.replicate.accuracy = compared = accuracy.compare(
            workload,
            formula,
            reference(workload, formula),
            np.concatenate([framework.to_numpy([loss]) for loss in losses]),
            initial=workload.parameters,
            trained=trainer.parameters(),
        )
        if wrong := accuracy.fault(compared, workload, PRECISIONS[self.turn.cell.precision]):
            raise InvalidResultError(f"the first {len(losses)} batches: {wrong}")

    def _require_samples(self, pipeline: Pipeline, augments: bool) -> None:
        """Compare a whole epoch with the generator's.

        Raises:
            InvalidResultError: a sample is missing, double, another, or at another place.
        """
        assert self.streaming
        streaming = self.streaming
        given = (identity.as_samples(x, y) for x, y in pipeline.epoch(0))
        expected = identity.epoch_of(streaming.samples, streaming.batch, seed=SEED, epoch=0, augments=augments)
        found = identity.compare(given, expected, ordered=streaming.ordered)
        self.streaming = dataclasses.replace(
            streaming,
            sha256=found.given.sha256,
            expected_sha256=found.expected.sha256,
            multiset=found.given.multiset,
            expected_multiset=found.expected.multiset,
        )
        if found.difference:
            raise InvalidResultError(f"an epoch is not the data set's: {found.difference}")

    def _passes(self, framework: Framework, pipeline: Pipeline, trainer: Trainer, data: Dataset) -> None:
        assert self.streaming
        limit_ns = self.turn.settings.rounds * PASS_NS_PER_ROUND
        passes = _Passes(framework, pipeline, trainer, self.clock, limit_ns, data.samples)
        is_cached = self.streaming.format != "memory"
        order: list[StreamPart] = ["pipeline", "step", "both"]
        first = self.turn.block % len(order)
        plain: list[tuple[int, int]] = []
        gc.collect()
        gc.freeze()  # so that collecting before each pass takes microseconds; a framework's modules take half a second
        for number in range(max(1, min(TRIOS, self.turn.settings.rounds // ROUNDS_PER_TRIO))):
            for part in (order * 2)[(first + number) % len(order) :][: len(order)]:
                passes.run(part, "warm" if is_cached else "none")
                if part == "pipeline" and is_cached:  # what it is compared with meets the same machine
                    plain.append(_plain_read(data.paths(self.streaming.format), self.clock))
        if is_cached:
            _leave_nothing_mapped()
            drop_from_page_cache(data.paths(self.streaming.format))
            passes.run("both", "cold")
        self.streaming = dataclasses.replace(
            self.streaming,
            passes=tuple(passes.done),
            plain_read_ns=sum(ns for ns, _ in plain) or None,
            plain_read_bytes=sum(read for _, read in plain) or None,
        )


class _Passes:
    """Runs passes, each over epochs of its own."""

    def __init__(
        self,
        framework: Framework,
        pipeline: Pipeline,
        trainer: Trainer,
        clock: Clock,
        limit_ns: int,
        samples: int,
    ) -> None:
        self.framework, self.pipeline, self.trainer = framework, pipeline, trainer
        self.clock = clock
        self.limit_ns = limit_ns
        self.samples = samples
        self.epochs = itertools.count(1)
        self.done: list[Pass] = []
        self._held: tuple[Any, Any] | None = None

    def run(self, part: StreamPart, cache: PageCache) -> None:
        """Run one pass and keep it.

        Raises:
            InvalidResultError: an epoch ended early or late.
        """
        if part == "step":
            self._hold()
        gc.collect()
        gc.disable()
        try:
            epoch = next(self.epochs)
            before = family()
            counts = (
                self._step_alone()
                if part == "step"
                else self._stream(epoch, steps=part == "both", once=cache == "cold")
            )
            after = family()
            held_bytes, kind = memory()
            counts.leave()
        finally:
            gc.enable()
        read = None if after.read_bytes is None or before.read_bytes is None else after.read_bytes - before.read_bytes
        self.done.append(
            Pass(
                part=part,
                cache=cache,
                epoch=epoch,
                samples=counts.samples,
                batches=counts.batches,
                wall_ns=counts.wall_ns,
                first_batch_ns=counts.first_batch_ns,
                wait_ns=counts.wait_ns,
                step_ns=counts.step_ns,
                cpu_ns=max(0, after.cpu_ns - before.cpu_ns),
                read_bytes=read,
                memory_bytes=held_bytes,
                memory_kind=kind,
                processes=after.processes,
                threads=after.threads,
                cpus=after.cpus,
            )
        )

    def _hold(self) -> None:
        if self._held is None:
            batches = self.pipeline.epoch(0)
            x, y = next(batches)
            self._held = x, y
            _leave(batches)

    def _step_alone(self) -> "_Counts":
        assert self._held
        clock, counts = self.clock, _Counts()
        x, y = self._held
        begin = now = clock()
        while now - begin < self.limit_ns:
            self.framework.wait((self.trainer.step(x, y),))
            now = clock()
            counts.batches += 1
        counts.samples = counts.batches * len(y)
        counts.wall_ns = counts.step_ns = now - begin
        return counts

    def _stream(self, epoch: int, *, steps: bool, once: bool) -> "_Counts":
        """Take batches until the time is over; `once`: or the epoch, after which the files are in the page cache."""
        clock, counts = self.clock, _Counts()
        begin = asked = clock()
        batches = self.pipeline.epoch(epoch)
        of_epoch = 0
        while True:
            batch = next(batches, None)
            got = clock()
            counts.wait_ns += got - asked
            if batch is None:
                if of_epoch != self.samples:
                    raise InvalidResultError(f"epoch {epoch} had {of_epoch} samples and not {self.samples}")
                if once:
                    break
                epoch, of_epoch, asked = next(self.epochs), 0, got
                batches = self.pipeline.epoch(epoch)
                continue
            x, y = batch
            if not counts.batches:
                counts.first_batch_ns = got - begin
            if steps:
                self.framework.wait((self.trainer.step(x, y),))
            asked = clock()
            counts.step_ns += asked - got if steps else 0
            counts.batches += 1
            counts.samples += len(y)
            of_epoch += len(y)
            if asked - begin >= self.limit_ns:
                break
        counts.wall_ns = max(asked, got) - begin
        counts.leave = lambda: _leave(batches)
        return counts


@dataclasses.dataclass(slots=True)
class _Counts:
    samples: int = 0
    batches: int = 0
    wall_ns: int = 0
    first_batch_ns: int = 0
    wait_ns: int = 0
    step_ns: int = 0
    leave: Callable[[], None] = lambda: None


def _leave(batches: Iterator[Any]) -> None:
    """End an iterator before its end: a generator runs its `finally`, the others go with their last reference."""
    if isinstance(batches, Iterator) and (close := getattr(batches, "close", None)):
        close()


def _leave_nothing_mapped() -> None:
    """Let go of what the last pass had mapped: mapped pages stay in the page cache."""
    gc.collect()


def _plain_read(paths: Sequence[Path], clock: Clock) -> tuple[int, int]:
    """Return how long reading these files took, and how many bytes: by one thread into one buffer, as `cp` does."""
    buffer = bytearray(PLAIN_READ_BYTES)
    read, begin = 0, clock()
    while clock() - begin < PLAIN_READ_NS:
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                while count := os.readv(descriptor, [buffer]):
                    read += count
                    if clock() - begin >= PLAIN_READ_NS:
                        break
            finally:
                os.close(descriptor)
    return clock() - begin, read
