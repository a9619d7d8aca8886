"""A run of variants whose times are known, drawn with a fixed seed.

`python -m` this module with a folder writes its report, to look at; with a second word, the number of blocks.
"""

import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.catalogue import WorkloadOffer
from bench.records.record import Cell, Memory, Record
from harness.environments.variants import Resolved
from harness.report.write import write
from harness.validity.results import Run
from tests import factories

NOISE: Final = 0.002  # standard deviation of a replicate's logarithm
WORKS: Final[Mapping[str, str]] = {"regression": "base", "mlp": "S"}
MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "torch": ("eager", "compile"),
    "jax": ("op-by-op", "jit"),
    "numpy": ("eager",),
}
TITLES: Final = {"torch": "PyTorch", "jax": "JAX", "numpy": "NumPy"}
VARIANTS: Final[Mapping[str, tuple[str, ...]]] = {"torch": ("",), "jax": ("0.9.2", "0.10.2"), "numpy": ("", "2.3.5")}
PLAIN_US: Final = {"eager": 120.0, "compile": 90.0, "op-by-op": 400.0, "jit": 50.0}
OTHERWISE: Final = {  # step of a variant ÷ that of the reference; of all others 1
    ("jax", "0.10.2", "jit", "mlp"): 1.04,
    ("jax", "0.10.2", "jit", "regression"): 0.95,
}
IMPORT_MS: Final = {"0.9.2": 700, "0.10.2": 840}
CHANGED: Final = {
    "0.9.2": ("jax 0.10.2 -> 0.9.2", "jaxlib 0.10.2 -> 0.9.2"),
    "0.10.2": (),
    "2.3.5": ("numpy 2.4.1 -> 2.3.5",),
}
SIZES: Final = {"0.9.2": 400 << 20, "0.10.2": 420 << 20, "2.3.5": 60 << 20, "": 64 << 20}


def step_us(cell: Cell) -> float:
    """The time of a step without noise."""
    larger = 10 if cell.workload == "mlp" else 1
    changed = OTHERWISE.get((cell.framework, cell.variant, cell.mode, cell.workload), 1.0)
    return PLAIN_US[cell.mode] * larger * changed


def records(blocks: int = 6) -> Iterator[Record]:
    rng = np.random.default_rng(11)
    for block, (work, size), framework in itertools.product(range(1, blocks + 1), WORKS.items(), MODES):
        for variant, mode in itertools.product(reversed(VARIANTS[framework]), MODES[framework]):
            cell = factories.cell(framework=framework, variant=variant, mode=mode, workload=work, size=size)
            us = step_us(cell) * np.exp(rng.normal(0, NOISE))
            bits = f"{framework} {mode} {work} {variant if mode == 'jit' else ''}"
            yield factories.record(
                cell,
                block=block,
                round_ns=(round(us * 1000),) * 3,
                phases=factories.phases(import_ns=IMPORT_MS.get(variant, 500) * 10**6),
                memory=Memory(host_peak_rss_bytes=(300 + len(variant)) << 20),
                accuracy=factories.accuracy(
                    fingerprint=bits, losses=(4.0, 2.0, 1.0 + (1e-7 if variant == "0.10.2" and mode == "jit" else 0))
                ),
                environment=factories.environment(
                    versions=(f"{framework}=={variant or '1.0'}",),
                    installed_bytes=SIZES[variant] if block == 1 else None,
                ),
            )


def resolved(framework: str, name: str, *changed: str) -> Resolved:
    return Resolved(
        framework=framework, name=name, python="3.11", lock=f"{framework}@{name}.txt", sha256="0" * 64, changed=changed
    )


def varied_run(found: list[Record] | None = None, **changes: Any) -> Run:
    told = list(records()) if found is None else found
    offers = tuple(
        factories.framework(name, modes, title=TITLES[name], baseline="op-by-op" if name == "jax" else "eager")
        for name, modes in MODES.items()
    )
    works = tuple(
        WorkloadOffer(name=name, sentence=name, sizes=(size,), optimizers=("adam",), sizes_on_cpu=(size,))
        for name, size in WORKS.items()
    )
    variants = tuple(
        resolved(framework, name, *CHANGED[name]) for framework, names in VARIANTS.items() for name in names if name
    )
    facts = {"frameworks": offers, "workloads": works, "variants": variants, "replicates": len(told)} | changes
    return factories.run(told, **facts)


if __name__ == "__main__":
    count = int((sys.argv[2:] or ["6"])[0])
    shown = varied_run(list(records(count)), blocks=count, profile="default" if count > 5 else "look")
    sys.stdout.write(f"{write(shown, Path(sys.argv[1]))}\n")
