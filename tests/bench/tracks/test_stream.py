"""The turn of a pipeline: NumPy's own, with faults planted in it, each of which is found."""

import dataclasses
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bench.catalogue import framework_offer
from bench.data import FORMATS, make
from bench.data.dataset import open_dataset
from bench.frameworks import numpy as framework
from bench.protocol.family import descendants, family, memory
from bench.records.record import Record
from bench.streams import Batches, Pipeline, Streams, Trainer
from bench.streams import numpy as streams
from bench.tracks import stream
from bench.turns.turn import Settings
from harness.stats.streaming import of
from tests import factories
from tests.bench.protocol.test_replicate import turn
from tests.fakes import FakeClock

SIZE = "1MB"
MODES = [pipeline.name for pipeline in framework_offer("numpy").pipelines]
STALL_NS = 5_000_000

Change = Callable[[Iterator[Any]], Iterator[Any]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("data")
    make.make(there, SIZE, list(FORMATS))
    return there


def measured(data: Path, mode: str = "memory", change: Change = iter, clock: Any = time.perf_counter_ns) -> Record:
    """One replicate of NumPy's pipeline `mode`, what it gives changed."""

    def pipeline(*arguments: Any) -> Pipeline:
        made = streams.pipeline(*arguments)
        assert isinstance(made, Pipeline)
        return dataclasses.replace(made, epoch=lambda number: change(made.epoch(number)))

    planted = cast("Streams", SimpleNamespace(pipeline=pipeline, trainer=streams.trainer))
    cell = factories.cell(framework="numpy", mode=mode, workload="mlp", size="tiny", track="stream", stream=SIZE)
    settings = Settings(rounds=1, warmup_floor_ns=0, warmup_cap_ns=0)
    return stream.measure(
        turn(cell=cell, data=str(data), settings=settings), lambda: (cast("Any", framework), planted), clock=clock
    )


@pytest.mark.parametrize("mode", MODES)
def test_every_pipeline_of_numpy_gives_the_samples_of_the_generator(mode: str, data: Path) -> None:
    found = measured(data, mode)
    assert (found.status, found.reason) == ("ok", "")
    assert found.streaming
    assert found.streaming.sha256 == found.streaming.expected_sha256 != ""
    assert found.accuracy
    assert found.accuracy.max_loss_deviation is not None
    assert found.accuracy.max_loss_deviation < 1e-5
    warm = ["none" if mode == "memory" else "warm"] * 3
    assert [one.cache for one in found.streaming.passes] == (warm if mode == "memory" else [*warm, "cold"])
    assert sorted(one.part for one in found.streaming.passes[:3]) == ["both", "pipeline", "step"]
    assert all(one.wait_ns + one.step_ns <= one.wall_ns for one in found.streaming.passes)


def test_pipelines_of_different_formats_have_the_same_digest(data: Path) -> None:
    digests = {cast("Any", measured(data, mode).streaming).sha256 for mode in ("memory", "memmap", "records-thread")}
    assert len(digests) == 1


def later(batches: Iterator[Any]) -> Iterator[Any]:
    held = list(itertools.islice(batches, 2))
    yield from reversed(held)
    yield from batches


def doubled(batches: Iterator[Any]) -> Iterator[Any]:
    for number, batch in enumerate(batches):
        yield batch
        if number == 7:
            yield batch


def short_of_a_sample(batches: Iterator[Any]) -> Iterator[Any]:
    for number, (x, y) in enumerate(batches):
        yield (x[1:], y[1:]) if number == 7 else (x, y)


def raising(batches: Iterator[Any]) -> Iterator[Any]:
    yield next(batches)
    raise RuntimeError("worker 4711 was killed by signal: Killed")


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (short_of_a_sample, "invalid", "255 samples and not 256: 1 missing, from batch 7 on"),
        (doubled, "invalid", "272 samples and not 256: 16 too many, from batch 8 on"),
        (later, "invalid", "the first 5 batches: the losses differ from the float64 reference"),
        (lambda batches: ((x[:, ::-1], y) for x, y in batches), "invalid", "the first 5 batches: the losses differ"),
        (raising, "failed", "first_step: RuntimeError: worker 4711 was killed by signal: Killed"),
    ],
)
def test_a_planted_fault_is_found(change: Change, status: str, reason: str, data: Path) -> None:
    found = measured(data, change=change)
    assert found.status == status
    assert reason in found.reason
    assert not (found.streaming and found.streaming.passes), "a wrong pipeline has no figures"


def test_an_order_that_differs_after_the_first_batches_is_found(data: Path) -> None:
    def change(batches: Iterator[Any]) -> Iterator[Any]:
        yield from itertools.islice(batches, 6)
        yield from later(batches)

    found = measured(data, change=change)
    assert "the same samples in another order, from batch 6 on" in found.reason


def test_an_epoch_that_is_short_in_a_pass_is_found(data: Path) -> None:
    epochs = itertools.count()

    def change(batches: Iterator[Any]) -> Iterator[Any]:
        return iter(batches) if next(epochs) < 3 else itertools.islice(batches, 3)

    assert "had 48 samples and not 256" in measured(data, change=change).reason


def test_a_stall_of_5_ms_a_batch_is_in_the_wait_and_nowhere_else(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the stall and the step move: 5 ms and 1 ms."""
    clock = FakeClock()

    def change(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            clock.spend(STALL_NS)
            yield batch

    def trainer(workload: Any) -> Trainer:
        made = streams_trainer(workload)
        assert isinstance(made, Trainer)

        def step(x: Any, y: Any) -> Any:
            clock.spend(STALL_NS // 5)
            return made.step(x, y)

        return dataclasses.replace(made, step=step)

    streams_trainer = streams.trainer
    monkeypatch.setattr(streams, "trainer", trainer)
    found = measured(data, change=change, clock=clock)
    assert found.status == "ok", found.reason
    assert found.streaming
    figures = of(found.streaming)
    assert figures.stall == pytest.approx(5 / 6)
    assert figures.step_ns == pytest.approx(STALL_NS / 5 / 16)
    assert figures.pipeline_ns == pytest.approx(STALL_NS / 16)
    assert figures.both_ns == pytest.approx(STALL_NS * 6 / 5 / 16)


def test_a_damaged_shard_fails_with_file_and_offset(tmp_path: Path) -> None:
    make.make(tmp_path, SIZE, list(FORMATS))
    shard = tmp_path / SIZE / "records-00000.tfrecord"
    whole = bytearray(shard.read_bytes())
    whole[100_000] ^= 1
    shard.write_bytes(whole)
    found = measured(tmp_path, "records-0")
    assert found.status == "failed"
    assert "records-00000.tfrecord is damaged at byte 100000, in sample 32" in found.reason
    assert measured(tmp_path, "memmap").status == "ok", "others go on"


def test_what_has_no_step_is_skipped_with_the_reason(data: Path) -> None:
    cell = factories.cell(framework="numpy", mode="memory", workload="convnet", size="S", track="stream", stream=SIZE)
    found = stream.measure(turn(cell=cell, data=str(data)), lambda: (cast("Any", framework), cast("Any", streams)))
    assert (found.status, found.reason) == ("skipped", "NumPy has no step of the convnet: no convolution")


class TestFamily:
    CODE = "import os, sys; x = bytearray(64 << 20); sum(range(int(3e6))); print(1, flush=True); sys.stdin.read()"

    def test_has_the_time_and_memory_of_living_children_and_the_time_of_ended_ones(self) -> None:
        before, held = family(), memory()[0]
        child = subprocess.Popen(
            [sys.executable, "-c", self.CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout
        assert child.stdin
        child.stdout.readline()
        during = family()
        assert child.pid in descendants()
        assert during.processes == before.processes + 1
        assert during.threads >= before.threads + 1
        assert set(during.cpus) == os.sched_getaffinity(0)
        with_child, kind = memory()
        assert kind == "pss"
        assert with_child is not None
        assert held is not None
        assert with_child - held > 48 << 20
        child.communicate()
        after = family()
        assert after.processes == before.processes
        assert after.cpu_ns - before.cpu_ns >= 20_000_000, "three million additions take more than two ticks"

    def test_counts_what_was_read_from_the_device(self) -> None:
        assert family().read_bytes is not None


def test_an_iterator_that_is_left_ends_its_thread(data: Path) -> None:
    made = streams.pipeline(open_dataset(data, SIZE), "records-thread", 16, 1)
    assert isinstance(made, Pipeline)
    before = threading.active_count()
    batches: Batches = made.epoch(0)
    next(batches)
    assert threading.active_count() == before + 1
    stream._leave(batches)
    assert threading.active_count() == before


def test_the_plain_read_has_the_bytes_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(np.zeros(1000, np.uint8).tobytes())
    ns, read = stream._plain_read([tmp_path / "a"], time.perf_counter_ns)
    assert ns >= stream.PLAIN_READ_NS
    assert read >= 1000
