"""A run of data-parallel steps whose times are known, drawn with a fixed seed; and plain steps beside them.

`python -m` this module with a folder writes its report, to look at.
"""

import dataclasses
import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.catalogue import SizeOffer, WorkloadOffer
from bench.records.record import Record
from harness.report.write import write
from harness.validity.results import Run
from tests import factories

NOISE: Final = 0.002  # standard deviation of a replicate's logarithm
SIZES: Final = ("S", "M", "L")
# framework: {strategy: (the plain mode beside it, one rank ÷ that mode, time of an exchange in µs)}
STRATEGIES: Final[Mapping[str, Mapping[str, tuple[str, float, float]]]] = {
    "torch": {"ddp": ("eager", 1.02, 300.0), "ddp-compile": ("compile", 1.01, 300.0)},
    "tensorflow": {"mirrored": ("function", 1.12, 900.0)},
    "jax": {"shard-map": ("jit", 1.0, 150.0)},
}
IN_ONE_PROCESS: Final = ("mirrored", "shard-map")
PLAIN_US: Final = {"eager": 1200.0, "compile": 900.0, "function": 1000.0, "jit": 950.0}  # at S; ten times that at M
TITLES: Final = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}


def step_us(
    mode: str, size: str, ranks: int = 1, scaling: str = "strong", *, dearer: float = 1, exchange: float = 0
) -> float:
    """The time of a step: its share of the work, and the exchange."""
    alone: float = PLAIN_US[mode] * 10 ** SIZES.index(size) * dearer
    return alone / (ranks if scaling == "strong" else 1) + (exchange if ranks > 1 else 0)


def records(
    blocks: int = 6,
    ranks: tuple[int, ...] = (1, 2),
    sizes: tuple[str, ...] = ("S", "M"),
    works: tuple[str, ...] = ("mlp",),
) -> Iterator[Record]:
    rng = np.random.default_rng(11)
    for block, work, size in itertools.product(range(1, blocks + 1), works, sizes):
        for framework, strategies in STRATEGIES.items():
            for strategy, (mode, dearer, exchange) in strategies.items():
                of = {"framework": framework, "workload": work, "size": size}
                us = step_us(mode, size) * np.exp(rng.normal(0, NOISE))
                yield factories.record(factories.cell(mode=mode, **of), block=block, round_ns=(round(us * 1000),) * 3)
                for count, scaling in itertools.product(ranks, ("strong", "weak")):
                    if (count, scaling) == (1, "weak"):
                        continue
                    us = step_us(mode, size, count, scaling, dearer=dearer, exchange=exchange)
                    read = factories.parallel(
                        count,
                        scaling,
                        processes=1 if strategy in IN_ONE_PROCESS else count,
                        synchronised_round_ns=(round(us * 1000),) * 4,
                        unsynchronised_round_ns=(round((us - (exchange if count > 1 else 0)) * 1000),) * 4,
                        backend="gloo" if framework == "torch" else "XLA",
                    )
                    us *= np.exp(rng.normal(0, NOISE))
                    yield factories.ranked(
                        count, scaling, block=block, step_us=us, parallel=read, of={**of, "mode": strategy}
                    )


def scaled_run(found: Iterator[Record] | list[Record] | None = None, **changes: Any) -> Run:
    frameworks = [
        factories.framework(
            name,
            tuple(dict.fromkeys(mode for mode, _, _ in strategies.values())),
            title=TITLES[name],
            baseline="",
            strategies=tuple(factories.strategy(each, mode) for each, (mode, _, _) in strategies.items()),
        )
        for name, strategies in STRATEGIES.items()
    ]
    works = tuple(
        SizeOffer(
            name=size, samples=256, flops=10 ** (8 + at), bytes=10**6, forward_flops=1, forward_bytes=1, footprint=10**6
        )
        for at, size in enumerate(SIZES)
    )
    offers = tuple(
        WorkloadOffer(name=name, sentence=name, sizes=SIZES, optimizers=("adam",), sizes_on_cpu=("S", "M"), works=works)
        for name in ("mlp", "convnet", "transformer")
    )
    told = list(records() if found is None else found)
    facts = {"frameworks": tuple(frameworks), "workloads": offers, "cpus": (0, 1), "replicates": len(told)} | changes
    return factories.run(told, **facts)


if __name__ == "__main__":
    ranks = tuple(int(number) for number in (sys.argv[2:] or ["1,2"])[0].split(","))
    sizes = tuple((sys.argv[3:] or ["S,M"])[0].split(","))
    works = tuple((sys.argv[4:] or ["mlp,convnet"])[0].split(","))
    blocks = int((sys.argv[5:] or ["6"])[0])
    shown = scaled_run(records(blocks, ranks, sizes, works), blocks=blocks, profile="default" if blocks > 5 else "look")
    sys.stdout.write(f"{write(dataclasses.replace(shown), Path(sys.argv[1]))}\n")
