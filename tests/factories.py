"""Small factories: a valid value of each type, every field of which a test may change by name.

cell(mode="compile")                                    a cell
record(cell(), block=2, round_ns=(100_000, 101_000))    a replicate with these rounds
record(cell(), status="failed", reason="import: …")     a replicate without a result
run([...])                                              a run that holds these records
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from bench.catalogue import FrameworkOffer, ModeOffer
from bench.records.parallel import Parallel, Rank
from bench.records.record import (
    Accuracy,
    Cell,
    Environment,
    Export,
    Failure,
    Idiomatic,
    Memory,
    ModeProof,
    Phases,
    Record,
    Repeat,
    RepeatKind,
    Timing,
)
from bench.records.streaming import Pass, Streaming, StreamPart
from bench.strategies import StrategyOffer
from harness.host.machine import HostFacts
from harness.store.facts import RunFacts
from harness.validity.results import Run

SHA = "0" * 64


def cell(**changes: Any) -> Cell:
    plain = Cell(
        framework="torch",
        mode="eager",
        workload="regression",
        optimizer="adam",
        size="base",
        precision="float32",
        device="cpu",
        allocator="default",
    )
    return dataclasses.replace(plain, **changes)


def phases(**changes: Any) -> Phases:
    return dataclasses.replace(Phases(startup_ns=100_000_000, import_ns=900_000_000), **changes)


def timing(**changes: Any) -> Timing:
    plain = Timing(
        steps_per_call=1,
        calls_per_round=1,
        first_step_ns=4_000_000,
        compile_cache="cold",
        warmup_rounds=20,
        steady=True,
        clock_ns=100,
        round_ns=(100_000, 100_000, 100_000),
    )
    return dataclasses.replace(plain, **changes)


def accuracy(**changes: Any) -> Accuracy:
    plain = Accuracy(
        formula="kingma-ba",
        losses=(4.0, 2.0, 1.0),
        reference_losses=(4.0, 2.0, 1.0),
        max_loss_deviation=0.0,
        weight=2.9919,
        bias=2.0018,
        reference_weight=2.9919,
        reference_bias=2.0018,
        within_tolerance=True,
        data_sha256=SHA,
        init_sha256=SHA,
    )
    return dataclasses.replace(plain, **changes)


def proof(**changes: Any) -> ModeProof:
    plain = ModeProof(mode="eager", device="cpu", threads=1, precision="float32", compilations=None)
    return dataclasses.replace(plain, **changes)


def environment(**changes: Any) -> Environment:
    plain = Environment(
        python="3.11.7",
        platform="Linux",
        cpu="A processor",
        cpus=(1,),
        threads=1,
        device_name="A processor",
        versions=("torch==2.13.0",),
        flags=(),
        launcher="venv",
    )
    return dataclasses.replace(plain, **changes)


def record(of: Cell | None = None, *, block: int = 1, round_ns: Sequence[int] | None = None, **changes: Any) -> Record:
    """A replicate of `of`: a good one, unless `status` says otherwise, which leaves it without any result."""
    plain = Record(cell=of or cell(), block=block, position=block, status="ok", wall_ns=3_000_000_000)
    if changes.get("status", "ok") == "ok":
        plain = dataclasses.replace(
            plain,
            phases=phases(),
            timing=timing() if round_ns is None else timing(round_ns=tuple(round_ns)),
            memory=Memory(host_peak_rss_bytes=300 << 20),
            accuracy=accuracy(),
            proof=proof(mode=plain.cell.mode),
            environment=environment(),
        )
    return dataclasses.replace(plain, **changes)


def idiomatic(framework: str = "torch", *, block: int = 1, total_ns: int = 2_000_000_000, **changes: Any) -> Record:
    """One cold run of a framework's hello world."""
    result = Idiomatic(lines=14, total_ns=total_ns, weight=2.99, bias=2.0, within_tolerance=True)
    return Record(
        cell=cell(framework=framework, mode="hello", track="idiomatic"),
        block=block,
        position=block,
        status="ok",
        idiomatic=dataclasses.replace(result, **changes),
    )


def repeat(kind: RepeatKind = "warm", **changes: Any) -> Repeat:
    """A further process of a replicate: on its caches, or with two threads."""
    plain = Repeat(kind=kind, threads=2 if kind == "threads" else 1, status="ok", fingerprint=SHA)
    if kind == "warm":
        plain = dataclasses.replace(plain, first_step_ns=1_000_000, compile_cache="warm")
    return dataclasses.replace(plain, **changes)


def export(framework: str = "torch", **changes: Any) -> Record:
    """The turn in which a framework trains and writes its model."""
    model = Export(
        format="onnx",
        sha256="0" * 64,
        size_bytes=1,
        ir_version=10,
        opset=18,
        operators=("MatMul", "Add"),
        producer="pytorch 2.13.0",
    )
    plain = Record(
        cell=cell(framework=framework, mode="export-onnx", track="export"),
        block=1,
        position=1,
        status="ok",
        export=model,
    )
    return dataclasses.replace(plain, **changes)


def failure(**changes: Any) -> Failure:
    return dataclasses.replace(Failure(phase="import", exit_code=1), **changes)


def framework(name: str = "torch", modes: Iterable[str] = ("eager", "compile"), **changes: Any) -> FrameworkOffer:
    plain = FrameworkOffer(
        name=name,
        title=name.title(),
        modes=tuple(ModeOffer(name=mode, sentence=f"what {mode} does") for mode in modes),
        baseline="eager",
    )
    return dataclasses.replace(plain, **changes)


def run_facts(**changes: Any) -> RunFacts:
    plain = RunFacts(
        id="20261120-101500-default",
        profile="default",
        seed=42,
        blocks=6,
        replicates=12,
        started_unix_ns=1_795_169_700_000_000_000,
        wall_s=120.0,
        host=HostFacts(cpu="A processor", cores=2, memory_bytes=24 << 30, os="Linux", python="3.11.7"),
        commit="0123456789abcdef",
        dirty=False,
        launcher="venv",
        cpus=(1,),
        threads=1,
        frameworks=(framework(),),
    )
    return dataclasses.replace(plain, **changes)


def run(records: Iterable[Record], **changes: Any) -> Run:
    """A run of these records; `changes` are fields of its facts."""
    return Run(facts=run_facts(**changes), records=tuple(records))


def again(of: Record, **changes: Any) -> Record:
    """The second attempt of a replicate, good unless `changes` say otherwise."""
    return dataclasses.replace(record(of.cell, block=of.block), attempt=2, **changes)


def a_pass(part: StreamPart = "both", **changes: Any) -> Pass:
    """One pass over records, 10 batches of 64 samples unless told otherwise; its wall time is that of its parts."""
    batches = changes.get("batches", 10)
    plain = Pass(
        part=part,
        cache="warm",
        epoch=1,
        samples=64 * batches,
        batches=batches,
        wall_ns=changes.get("wait_ns", 0) + changes.get("step_ns", 0),
        cpu_ns=1_000_000,
        read_bytes=0,
        memory_bytes=100 << 20,
        memory_kind="pss",
        processes=1,
        threads=2,
        cpus=(1,),
    )
    return dataclasses.replace(plain, **changes)


def streaming(**changes: Any) -> Streaming:
    """A pipeline over 6 400 records: 100 µs a sample in training, a tenth of it the wait; alone 10 and 90 µs."""
    ms = 1_000_000
    plain = Streaming(
        format="records",
        batch=64,
        samples=6_400,
        data_sha256=SHA,
        data_bytes=6_400 * 3_000,
        augments=True,
        ordered=True,
        sha256=SHA,
        expected_sha256=SHA,
        multiset="0" * 32,
        expected_multiset="0" * 32,
        first_batch_ns=20 * ms,
        passes=(
            a_pass("pipeline", wait_ns=int(6.4 * ms)),
            a_pass("step", step_ns=int(57.6 * ms)),
            a_pass("both", wait_ns=int(6.4 * ms), step_ns=int(57.6 * ms)),
        ),
    )
    return dataclasses.replace(plain, **changes)


def streamed(framework: str = "torch", mode: str = "records-0", *, block: int = 1, **changes: Any) -> Record:
    """A replicate of a pipeline; `slower` multiplies the times of its passes."""
    slower = changes.pop("slower", 1.0)
    of = cell(framework=framework, mode=mode, workload="mlp", size="S", stream="64MB", track="stream")
    of = dataclasses.replace(of, **changes.pop("of", {}))
    result = streaming(format=mode.partition("-")[0])
    passes = tuple(
        dataclasses.replace(
            one,
            wall_ns=int(one.wall_ns * slower),
            wait_ns=int(one.wait_ns * slower),
            step_ns=int(one.step_ns * slower),
        )
        for one in result.passes
    )
    plain = record(of, block=block, timing=None, proof=None, streaming=dataclasses.replace(result, passes=passes))
    return dataclasses.replace(plain, **changes)


def strategy(name: str = "ddp", compared: str = "eager", **changes: Any) -> StrategyOffer:
    plain = StrategyOffer(name=name, sentence=f"what {name} does", compared=compared, in_processes=True)
    return dataclasses.replace(plain, **changes)


def parallel(ranks: int = 2, scaling: str = "strong", *, processes: int | None = None, **changes: Any) -> Parallel:
    """What was read back of so many ranks: 300 MiB each, 1 MiB reduced in one collective, a fifth of it exchange."""
    placed = tuple(
        Rank(
            rank=rank,
            pid=None if processes == 1 else 100 + rank,
            device="cpu",
            cpus=(rank,),
            ran_on=(rank,),
            threads=1,
            peak_rss_bytes=None if processes == 1 else 300 << 20,
            parameters_sha256=SHA,
        )
        for rank in range(ranks)
    )
    plain = Parallel(
        ranks=ranks,
        processes=processes or ranks,
        scaling=scaling,
        rows=256 * (ranks if scaling == "weak" else 1),
        backend="gloo",
        operations=("all-reduce",),
        collectives=1,
        reduced_bytes=1 << 20,
        evidence="DDP's logging data.",
        start_ns=2_000_000_000,
        placed=placed,
        synchronised_round_ns=(100_000,) * 4,
        unsynchronised_round_ns=(80_000,) * 4,
    )
    return dataclasses.replace(plain, **changes)


def ranked(
    ranks: int = 2, scaling: str = "strong", *, block: int = 1, step_us: float = 100.0, **changes: Any
) -> Record:
    """A replicate of PyTorch's strategy "ddp" on the MLP; `of` changes fields of the cell."""
    of = cell(mode="ddp", workload="mlp", size="S", ranks=ranks, scaling="strong" if ranks == 1 else scaling)
    of = dataclasses.replace(of, **changes.pop("of", {}))
    found = record(of, block=block, round_ns=(round(step_us * 1000),) * 3)
    return dataclasses.replace(found, **{"parallel": parallel(ranks, of.scaling), **changes})
