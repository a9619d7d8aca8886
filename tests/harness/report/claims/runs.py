"""Runs of which every ratio is known, for the claims."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from bench.catalogue import FrameworkOffer, ModeOffer, SizeOffer, WorkloadOffer
from bench.records.record import Cell, Memory, Record
from harness.report.claims.all import CLAIMS
from harness.report.tables.all import tables
from harness.report.tables.claims import ClaimRow
from harness.validity.results import Run
from tests import factories
from tests.factories import cell, record

TITLES = {
    "torch": "PyTorch", "tensorflow": "TensorFlow", "keras_tensorflow": "Keras", "jax": "JAX", "fastai": "fastai",
    "lightning": "Lightning", "onnxruntime": "ONNX Runtime",
}  # fmt: skip
SOURCES = {"from-torch": "torch", "from-jax": "jax"}
QUIET, LOUD = 0.002, 0.5  # standard deviation of a replicate's logarithm
SIZES = ("S", "M", "L")
MLP = WorkloadOffer(
    name="mlp",
    sentence="Multilayer perceptron",
    sizes=SIZES,
    optimizers=("adam",),
    sizes_on_cpu=("S", "M"),
    works=tuple(
        SizeOffer(name=size, samples=1, flops=10**at, bytes=1, forward_flops=1, forward_bytes=1, footprint=0)
        for at, size in enumerate(SIZES, start=6)
    ),
)


def timed(modes: Mapping[str, float], *, blocks: int = 6, noise: float = QUIET, **work: Any) -> list[Record]:
    """Replicates of modes, called as "torch eager", with this time per step in µs, give or take `noise`."""
    rng = np.random.default_rng(7)
    found = []
    for block in range(1, blocks + 1):
        for name, step_us in modes.items():
            framework, mode = name.split()
            of = cell(framework=framework, mode=mode, **work)
            found.append(record(of, block=block, round_ns=(round(step_us * 1e6 * np.exp(rng.normal(0, noise))),) * 3))
    return [dataclasses.replace(one, timing=_calls(one)) for one in found]


def _calls(of: Record) -> Any:
    assert of.timing is not None
    return dataclasses.replace(of.timing, calls_per_round=1000)  # steps of whole ns, to three digits more


def hellos(lines: Mapping[str, int], **changes: Any) -> list[Record]:
    """The hello worlds of these frameworks, with so many lines."""
    return [factories.idiomatic(name, lines=count, **changes) for name, count in lines.items()]


def invalid(of: Cell, reason: str = "the losses leave the reference") -> list[Record]:
    return [record(of, block=block, status="invalid", reason=reason) for block in range(1, 7)]


def on_gpu(framework: str, *, before: float, peak: float, allocated: float, mode: str = "eager") -> Record:
    """A memory replicate on a GPU: GiB held before the model, at the most, and handed out at the most."""
    gib = 1 << 30
    memory = Memory(
        context_bytes=int(before * gib), device_peak_bytes=int(peak * gib), allocated_peak_bytes=int(allocated * gib)
    )
    of = cell(framework=framework, mode=mode, device="cuda", track="memory")
    return record(of, memory=memory, timing=None)


def bits(modes: Iterable[str], *, equal: bool, replicates: int = 2) -> list[Record]:
    """Replicates of modes, called as "torch eager", whose fingerprints are equal or not."""
    found = []
    for name in modes:
        framework, mode = name.split()
        for block in range(1, replicates + 1):
            fingerprint = f"{0 if equal else block:064x}"
            accuracy = factories.accuracy(fingerprint=fingerprint, fingerprint_after=fingerprint)
            found.append(record(cell(framework=framework, mode=mode), block=block, accuracy=accuracy))
    return found


def run(records: Iterable[Record], **facts: Any) -> Run:
    records = tuple(records)
    modes: dict[str, dict[str, None]] = {name: {} for name in TITLES}
    for one in records:
        modes.setdefault(one.cell.framework, {})[one.cell.mode] = None
    offers = tuple(_offer(name, list(of)) for name, of in modes.items())
    return factories.run(records, frameworks=offers, workloads=(MLP,), **facts)


def _offer(name: str, modes: Iterable[str]) -> FrameworkOffer:
    told = tuple(ModeOffer(name=mode, sentence="", source=SOURCES.get(mode, "")) for mode in modes)
    return dataclasses.replace(factories.framework(name, title=TITLES.get(name, name), baseline=""), modes=told)


def row(id: str, records: Iterable[Record], **facts: Any) -> ClaimRow:
    """The row of the claim `id` in a run of these records."""
    assert id in {claim.id for claim in CLAIMS}
    return next(one for one in tables(run(records, **facts)).claims.rows if one.id == id)
