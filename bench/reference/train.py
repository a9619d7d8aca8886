"""`python -m bench trained FOLDER WORKLOAD SIZE [BATCH …]`: the trained model of a run, and what it predicts.

A BATCH is "256", or "256/50": the same with the model pruned to half. Writes the files into FOLDER, each called by the
SHA-256 of its bytes, and prints their names as one line of JSON: {"trained": "…", "expected": {"1": "…"}}. A file that
is there already is not written again.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.records.record import FORWARD_ONLY
from bench.reference import inference
from bench.workloads import load, make


def main(argv: Sequence[str]) -> int:
    """Train, predict and write; return the exit code, 3 where the workload cannot be trained here."""
    folder, name, size, *batches = argv
    first = next(optimizer for optimizer, update in load(name).OPTIMIZERS.items() if update is not None)
    try:
        parameters = inference.trained(make(name, size=size, optimizer=first))
    except inference.UntrainedError as error:
        print(error, file=sys.stderr)
        return 3
    untrained = make(name, size=size, optimizer=FORWARD_ONLY)
    expected = {}
    for named in batches:
        batch, _, percent = named.partition("/")
        arrays = {inference.PREDICTIONS: inference.predictions(inference.at_batch(untrained, int(batch), parameters))}
        if percent:
            pruned = inference.at_batch(untrained, int(batch), parameters, percent=int(percent))
            whole = arrays[inference.PREDICTIONS]
            arrays = {inference.PREDICTIONS: inference.predictions(pruned), inference.UNPRUNED: whole}
        expected[named] = written(Path(folder), inference.to_bytes(arrays))
    print(json.dumps({"trained": written(Path(folder), inference.to_bytes(parameters)), "expected": expected}))
    return 0


def written(folder: Path, data: bytes) -> str:
    """Write `data` into `folder`, called by their SHA-256; return that name."""
    name = hashlib.sha256(data).hexdigest()
    if not (folder / name).exists():
        temporary = folder / f".{name}"
        temporary.write_bytes(data)
        temporary.replace(folder / name)
    return name
