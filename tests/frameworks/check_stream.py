"""Run one pipeline of a framework over the smallest data set and print its record as JSON.

    PYTHONPATH=<repository> python tests/frameworks/check_stream.py FRAMEWORK MODE WORKLOAD DATA [FAULT]

A script for the framework's own environment. FAULT "kill": a worker of the pipeline is killed in its untimed epoch.
"""

import dataclasses
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bench.data import FORMATS, make
from bench.protocol.family import descendants
from bench.records import codec
from bench.records.record import Cell
from bench.streams import Pipeline, Streams
from bench.tracks import stream
from bench.turns import prepare
from bench.turns.turn import Settings, Turn

SIZE = "1MB"


def killing(batches: Iterator[Any]) -> Iterator[Any]:
    """Kill the youngest worker after the first batch."""
    for number, batch in enumerate(batches):
        yield batch
        if number == 0:
            os.kill(descendants()[-1], signal.SIGKILL)


def main(framework: str, mode: str, workload: str, data: str, fault: str = "") -> None:
    """Measure with the shortest passes."""
    make.make(Path(data), SIZE, list(FORMATS))
    cell = Cell(
        framework=framework,
        mode=mode,
        workload=workload,
        optimizer="adam",
        size="tiny" if workload == "mlp" else "S",
        precision="float32",
        device="cpu",
        allocator="default",
        stream=SIZE,
        track="stream",
    )
    turn = Turn(
        cell=cell,
        block=1,
        position=1,
        settings=Settings(rounds=1, warmup_floor_ns=0, warmup_cap_ns=0),
        calls_per_round=None,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=300.0,
        launcher="venv",
        data=data,
    )
    prepare.prepare(turn)

    def load() -> tuple[Any, Streams]:
        import importlib

        module: Any = importlib.import_module(f"bench.streams.{framework}")

        def pipeline(*arguments: Any) -> Pipeline:
            made: Pipeline = module.pipeline(*arguments)
            return dataclasses.replace(made, epoch=lambda number: killing(made.epoch(number)))

        planted = SimpleNamespace(pipeline=pipeline, trainer=module.trainer)
        return prepare.framework_of(cell), cast("Streams", planted if fault == "kill" else module)

    print(codec.to_json(stream.measure(turn, load)))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
