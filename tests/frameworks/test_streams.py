"""The pipelines of the real frameworks: the same samples, the reference's losses, and a worker that dies."""

import re
from pathlib import Path

import pytest

from bench.catalogue import catalogue
from bench.data import identity
from bench.data.dataset import samples_of
from bench.records import codec
from bench.records.record import Record
from bench.tracks.stream import SEED
from harness.environments.checkout import ROOT
from tests.frameworks.check_stream import SIZE
from tests.frameworks.interpreters import run_in
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

ALL = [
    (offer.name, pipeline.name, workload)
    for offer in catalogue().frameworks
    for pipeline in offer.pipelines
    for workload in ("mlp", "convnet")
    if (offer.name, workload) != ("numpy", "convnet")
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def measured(scratch: Path, data: Path, *arguments: str) -> Record:
    script = ROOT / "tests" / "frameworks" / "check_stream.py"
    framework, mode, workload, *fault = arguments
    said = run_in(framework, scratch, str(script), framework, mode, workload, str(data), *fault)
    return codec.from_json(said.splitlines()[-1])


@pytest.mark.parametrize(
    ("framework", "mode", "workload"),
    sampled(
        ALL,
        ("torch", "records-2-workers", "mlp"),
        ("torch", "webdataset-0", "mlp"),
        ("torch", "parquet-0", "mlp"),
        ("lightning", "records-2-workers", "mlp"),
        ("fastai", "records-2-workers", "mlp"),
        ("tensorflow", "records-batch-autotune", "mlp"),
        ("jax", "records-thread", "convnet"),
        ("flax", "records-grain-1-thread", "mlp"),
    ),
)
def test_a_pipeline_gives_the_samples_of_the_generator(
    framework: str, mode: str, workload: str, tmp_path: Path, data: Path
) -> None:
    found = measured(tmp_path, data, framework, mode, workload)
    assert (found.status, found.reason) == ("ok", "")
    assert found.streaming
    expected = identity.Hash()
    for batch in identity.epoch_of(samples_of(SIZE), 64, seed=SEED, epoch=0, augments=found.streaming.augments):
        expected.update(batch)
    assert found.streaming.multiset == expected.digest().multiset
    if found.streaming.ordered:
        assert found.streaming.sha256 == expected.digest().sha256
        assert found.accuracy
        assert found.accuracy.max_loss_deviation is not None
        assert found.accuracy.max_loss_deviation < 1e-5  # five steps with a weight decay of 0.01 are 3e-5 off
    assert {one.part for one in found.streaming.passes} == {"pipeline", "step", "both"}


def test_workers_are_seen_with_their_time_and_memory(tmp_path: Path, data: Path) -> None:
    alone = measured(tmp_path, data, "torch", "records-0", "mlp")
    helped = measured(tmp_path, data, "torch", "records-2-workers", "mlp")
    assert alone.streaming
    assert helped.streaming
    assert {one.processes for one in alone.streaming.passes} == {1}
    assert {one.processes for one in helped.streaming.passes} == {3}


def test_a_worker_that_is_killed_is_a_failed_replicate_with_its_last_words(tmp_path: Path, data: Path) -> None:
    found = measured(tmp_path, data, "torch", "records-2-workers", "mlp", "kill")
    assert found.status == "failed"
    # PyTorch tells it where it waits for a batch; where it fetches one from the worker, it only sees a closed socket.
    assert re.search(r"DataLoader worker .*killed by signal|a worker process was ended by SIGKILL", found.reason)
    assert found.failure
    assert found.failure.tail
