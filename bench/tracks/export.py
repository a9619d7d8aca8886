"""The turn that trains a workload and writes the trained model as ONNX, for another framework to run."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from bench.catalogue import framework_offer, plain_mode
from bench.protocol import replicate
from bench.records.record import Export, Record
from bench.reference.workload import Workload
from bench.turns.prepare import framework_of, workload_of
from bench.turns.turn import Turn


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Train through the framework's plain mode, pass the gate, export; return the record, in any case."""
    name = turn.cell.framework
    mode = plain_mode(framework_offer(name))

    def write(workload: Workload, parameters: Mapping[str, NDArray[np.float32]]) -> Export:
        model: bytes = importlib.import_module(f"bench.onnx.{name}").export(workload, parameters)
        described: Export = importlib.import_module("bench.onnx.describe").describe(model)
        return described

    record = replicate.export(
        dataclasses.replace(turn, cell=dataclasses.replace(turn.cell, mode=mode, track="identical")),
        load=lambda: framework_of(turn.cell),
        make=lambda: workload_of(turn.cell),
        write=write,
        announce=announce,
        startup_ns=startup_ns,
    )
    return dataclasses.replace(record, cell=turn.cell)
