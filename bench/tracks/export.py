"""The turn that writes a trained model in a format that others run.

Without a batch the framework trains the model itself and passes the gate; at a batch the parameters are the run's.
"""

import base64
import dataclasses
import hashlib
import importlib
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.catalogue import EXPORT, framework_offer, plain_mode
from bench.protocol import replicate
from bench.records.record import Export, Record
from bench.reference.workload import Workload
from bench.turns.prepare import framework_of, workload_of
from bench.turns.turn import Turn

ZIPPED_AT: Final = 6  # zlib's level, as gzip and zip have it
MOST_BYTES: Final = 32 << 20  # as base64 it fits into the record of a turn, `bench.turns.supervise.LONGEST_RECORD`


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Train and pass the gate, or take the run's parameters; export; return the record, in any case."""
    name, format_ = turn.cell.framework, turn.cell.mode.removeprefix(f"{EXPORT}-")
    mode = plain_mode(framework_offer(name))

    def write(workload: Workload, parameters: Mapping[str, NDArray[np.float32]]) -> Export:
        package = f"bench.exports.{format_}"
        exporter, describe = (
            importlib.import_module(f"{package}.{name}"),
            importlib.import_module(f"{package}.describe"),
        )
        begin = time.perf_counter_ns()
        model: bytes = exporter.export(workload, parameters)
        export_ns = time.perf_counter_ns() - begin
        if len(model) > MOST_BYTES:
            raise ValueError(f"the model has {len(model)} bytes in {format_}, more than the {MOST_BYTES} of a record")
        described: Export = describe.describe(model)
        return dataclasses.replace(
            described,
            versions=(*framework_of(turn.cell).versions(), *described.versions),
            sha256=hashlib.sha256(model).hexdigest(),
            size_bytes=len(model),
            zipped_bytes=len(zlib.compress(model, ZIPPED_AT)),
            export_ns=export_ns,
            model_base64=base64.b64encode(model).decode("ascii"),
        )

    record = replicate.export(
        dataclasses.replace(turn, cell=dataclasses.replace(turn.cell, mode=mode, track="identical")),
        load=lambda: framework_of(turn.cell),
        make=lambda: workload_of(turn),
        write=write,
        announce=announce,
        startup_ns=startup_ns,
    )
    return dataclasses.replace(record, cell=turn.cell)
