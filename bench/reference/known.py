"""The float64 reference of a run: computed once, in a process of its own, for all replicates of one workload.

`python -m bench reference FOLDER WORKLOAD SIZE OPTIMIZER TIMES RULE`, as `bench.reference.train`: writes the file into
FOLDER and prints its name. TIMES is how many times as many rows the batch has. RULE is "sgd", or the name that a
framework's file gives its Adam, such as KINGMA_BA. The file says of which bytes it is the reference. A replicate whose
inputs or initial parameters are others does not take it, and computes its own.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.reference import inference
from bench.reference import workload as rules
from bench.reference.train import written
from bench.reference.trajectory import Trajectory, reference
from bench.reference.workload import Workload, sha256
from bench.workloads import make


def main(argv: Sequence[str]) -> int:
    """Compute, write, print the file's name; return the exit code, 3 where a workload is not trained in float64."""
    folder, name, size, optimizer, times, rule = argv
    made = make(name, size=size, optimizer=optimizer)
    workload = inference.enlarged(made, int(times)) if int(times) > 1 else made
    formula = workload.formula(getattr(rules, rule, rule))
    if not workload.has_reference:
        print(f"{name} {size} is not trained in float64: that takes minutes", file=sys.stderr)
        return 3
    print(written(Path(folder), to_bytes(workload, formula, reference(workload, formula))))
    return 0


def to_bytes(workload: Workload, formula: str, computed: Trajectory) -> bytes:
    """Return the file of what the reference computed of `workload`."""
    parameters = {f"parameter {name}": array for name, array in computed.parameters.items()}
    return inference.to_bytes(
        {"of": np.array(_of(workload, formula)), "losses": np.array(computed.losses), **parameters}
    )


def from_bytes(data: bytes, workload: Workload, formula: str) -> dict[int, Trajectory]:
    """Return what the reference computed of `workload`, by the number of updates; empty: the file is of another.

    Raises:
        ValueError: it is no such file.
    """
    arrays = inference.from_bytes(data)
    if list(arrays.get("of", ())) != _of(workload, formula):
        return {}
    losses = tuple(arrays["losses"].tolist())
    parameters = {name: arrays[f"parameter {name}"] for name in workload.parameters}
    return {len(losses): Trajectory(losses=losses, parameters=parameters)}


def _of(workload: Workload, formula: str) -> list[str]:
    """Return what a reference depends on: the rule, and the bytes of the first batch and the initial parameters."""
    return [
        workload.name,
        repr(workload.update),
        formula,
        sha256(workload.batch.by_name()),
        sha256(workload.parameters),
    ]
