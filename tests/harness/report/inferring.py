"""A run of inference at batches: PyTorch's and JAX's own forward passes, and ONNX Runtime with the models of both."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Final

from bench.catalogue import FrameworkOffer, ModeOffer
from bench.records.record import Cell, Export, Record
from harness.validity.results import Run
from tests import factories
from tests.factories import accuracy, phases, timing

TORCH: Final = factories.framework("torch", ("eager", "compile"), title="PyTorch")
JAX: Final = factories.framework("jax", ("jit",), title="JAX", baseline="jit")


def engine(name: str = "onnxruntime", title: str = "ONNX Runtime", *modes: tuple[str, str, str]) -> FrameworkOffer:
    """An engine; `modes`: name, source and format of each."""
    offers = tuple(
        ModeOffer(name=mode, sentence=f"what {mode} does", source=source, format=format_)
        for mode, source, format_ in modes or (("from-torch", "torch", "onnx"), ("from-jax", "jax", "onnx"))
    )
    return dataclasses.replace(factories.framework(name, title=title, baseline="", trains=False), modes=offers)


FRAMEWORKS: Final = (TORCH, JAX, engine())


def cell(framework: str, mode: str, **changes: Any) -> Cell:
    work = {"workload": "mlp", "size": "S", "optimizer": "none", "batch": 1}
    return factories.cell(framework=framework, mode=mode, **(work | changes))


def calls(of: Cell, call_ns: int, *, block: int = 1, rounds: int = 60, **changes: Any) -> Record:
    """A replicate whose calls take `call_ns`, one of them a round."""
    seen = {"round_ns": (call_ns,) * rounds, "load_ns": 12_000_000, "first_step_ns": 3_000_000}
    plain = factories.record(
        of,
        block=block,
        timing=timing(**(seen | changes.pop("timing", {}))),
        phases=phases(startup_ns=300_000_000, import_ns=80_000_000, device_ns=5_000_000, build_ns=400_000_000),
        accuracy=accuracy(max_loss_deviation=1.5e-6),
    )
    return dataclasses.replace(plain, **changes)


def export(framework: str, format_: str = "onnx", export_ns: int = 2_000_000_000, **changes: Any) -> Record:
    """The export of a model at a batch, 2.5 MiB in 2 s."""
    where = {key: changes.pop(key) for key in ("workload", "size", "batch") if key in changes}
    written = Export(
        format=format_,
        sha256="-".join((framework, format_, where.get("workload", "mlp"))).ljust(64, "0"),
        size_bytes=5 << 19,
        export_ns=export_ns,
        operators=("Gemm", "Relu"),
        producer=f"{framework}'s exporter",
    )
    of = dataclasses.replace(cell(framework, f"export-{format_}", **where), track="export")
    return dataclasses.replace(factories.export(framework, export=written), cell=of, **changes)


def run(records: Iterable[Record], frameworks: Sequence[FrameworkOffer] = FRAMEWORKS, **changes: Any) -> Run:
    return factories.run(records, frameworks=tuple(frameworks), **changes)


def example(blocks: int = 6) -> Run:
    """Two works at two batches, in all paths; JAX's export of the convnet failed."""
    records: list[Record] = []
    for workload, times in (("mlp", 1.0), ("convnet", 6.0)):
        for batch, factor in ((1, 1.0), (256, 90.0)):
            for framework, mode, call_ns in (
                ("torch", "eager", 130_000),
                ("torch", "compile", 100_000),
                ("jax", "jit", 80_000),
                ("onnxruntime", "from-torch", 43_000),
                ("onnxruntime", "from-jax", 47_000),
            ):
                of = cell(framework, mode, workload=workload, batch=batch)
                for block in range(1, blocks + 1):
                    if workload == "convnet" and mode == "from-jax":
                        why = "there is no model from jax: export: jax2onnx has no rule for erf"
                        records.append(factories.record(of, block=block, status="failed", reason=why))
                    else:
                        ns = int(call_ns * times * factor * (1 + 0.002 * block))
                        records.append(calls(of, ns, block=block))
            for source in ("torch", "jax"):
                failed = workload == "convnet" and source == "jax"
                made = export(source, workload=workload, batch=batch)
                if failed:
                    why = "jax2onnx has no rule for erf"
                    made = dataclasses.replace(made, export=None, status="failed", reason=why)
                records.append(made)
    return run(records, blocks=blocks, profile="default")
