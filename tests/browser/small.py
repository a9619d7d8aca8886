"""A run of three workloads in two sizes that is quickly drawn: what is fastest differs, one cell failed."""

import dataclasses

from harness.validity.results import Run
from tests import factories

MODES = {"torch": ("eager", "compile"), "jax": ("op-by-op", "jit")}
TITLES = {"torch": "PyTorch", "jax": "JAX"}
STEPS_US = {  # of torch eager, torch compile, jax op-by-op, jax jit
    ("mlp", "S"): (400, 200, 1000, 100),
    ("mlp", "M"): (4000, 2500, 9000, 2400),
    ("convnet", "S"): (300, 310, 8000, 600),
}
FAILED = ("torch", "compile", "mlp", "M")
REASON = "first_step: <b>out of</b> memory"


def run() -> Run:
    """The run, in three blocks."""
    records = []
    for (workload, size), steps in STEPS_US.items():
        modes = [(framework, mode) for framework, of in MODES.items() for mode in of]
        for (framework, mode), us in zip(modes, steps, strict=True):
            cell = factories.cell(framework=framework, mode=mode, workload=workload, size=size)
            for block in (1, 2, 3):
                rounds = (us * 1000 + block * us // 10,) * 3
                timing = factories.timing(round_ns=rounds, first_step_ns=us * (9 if "j" in mode else 3) * 1000)
                if (framework, mode, workload, size) == FAILED:
                    records.append(factories.record(cell, block=block, status="failed", reason=REASON))
                else:
                    records.append(factories.record(cell, block=block, timing=timing))
    records = [dataclasses.replace(record, position=at) for at, record in enumerate(records, start=1)]
    offers = tuple(
        factories.framework(name, modes, title=TITLES[name], baseline=modes[0]) for name, modes in MODES.items()
    )
    return factories.run(records, frameworks=offers, blocks=3, replicates=len(records))
