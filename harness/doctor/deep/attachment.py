"""The one file of a deep check, to be attached to a report of a fault. Nothing in it says whose host it is from."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from bench.records.record import Record
from bench.turns.variables import pair
from harness.doctor.checks import Check
from harness.doctor.deep.gpu import GpuReadings
from harness.doctor.deep.scrub import Scrubber
from harness.doctor.deep.trial import Tried, result_of
from harness.errors import StoreError
from harness.format import to_json
from harness.store.facts import RunFacts
from harness.store.files import complete_file
from harness.terminal.failures import explained

FORMAT: Final = 1
CONTENT: Final = (
    "the tables above, versions, driver, the raw record of each cell and the last lines of those that failed; names of"
    " users and hosts, home folders, secrets and the ids of GPUs are taken out"
)
OF_THE_MACHINE: Final = ("CUDA_", "NVIDIA_", "LD_LIBRARY_PATH")  # variables that are kept, whoever set them
PACKAGES: Final = ("nvidia-ml-py", "docker", "uv", "numpy")  # of the harness


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What goes into the file."""

    facts: RunFacts
    checks: Sequence[Check]  # of the host, as the plain doctor has them
    answers: Sequence[Check]  # of the GPU; empty: there is none
    tried: Tried
    remedies: Mapping[str, str]  # by cell: what to do
    absent: Mapping[str, str]  # by framework: why it is not set up
    gpu: GpuReadings | None = None


def path_in(results: Path, now: time.struct_time | None = None) -> Path:
    """Return where the file goes: a name of its own in the folder of the runs."""
    stamp = time.strftime("%Y%m%d-%H%M%S", now or time.gmtime())
    paths = (results / f"doctor-{stamp}{again}.json" for again in ("", *(f"-{number}" for number in range(2, 1000))))
    return next(path for path in paths if not path.exists())


def write(path: Path, content: Content, scrubber: Scrubber | None = None) -> None:
    """Write the file, whole or not at all.

    Raises:
        StoreError: it cannot be written.
    """
    text = to_json((scrubber or Scrubber.of_this_host()).data(data(content)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with complete_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {explained(error)}.") from error


def data(content: Content) -> dict[str, Any]:
    """Return the content as JSON has it, not scrubbed yet."""
    facts, tried = content.facts, content.tried
    return {
        "samestep doctor": FORMAT,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": facts.commit + ("+" if facts.dirty else ""),
        "packages": {name: _version(name) for name in PACKAGES},
        "host": dataclasses.asdict(facts.host),
        "device": facts.device,
        "launcher": facts.launcher,
        "checks": [dataclasses.asdict(check) for check in content.checks],
        "gpu": [dataclasses.asdict(check) for check in content.answers],
        "readings": dataclasses.asdict(content.gpu) if content.gpu else None,
        "cells": [
            {"cell": cell.id, "result": result_of(record), "reason": record.reason}
            | {"remedy": content.remedies.get(cell.id, ""), "seconds": record.wall_ns / 1e9}
            for cell, record in tried.records.items()
        ],
        "not tried": {cell.id: why for cell, why in tried.untried.items()},
        "not set up": dict(content.absent),
        "stopped": str(tried.stopped or ""),
        "records": [_record(record) for record in (*tried.records.values(), *tried.others)],
    }


def _record(record: Record) -> dict[str, Any]:
    """Return a record without the variables of its process, other programs' names and the bytes of a model."""
    environment, observation, export = record.environment, record.observation, record.export
    if environment is not None:
        kept = tuple(text for text in environment.variables if pair(text)[0].startswith(OF_THE_MACHINE))
        environment = dataclasses.replace(environment, variables=kept, named=())
    if observation is not None:
        others = tuple("another program" for _ in observation.foreign)
        observation = dataclasses.replace(observation, foreign=others)
    if export is not None:
        export = dataclasses.replace(export, model_base64="")
    return dataclasses.asdict(
        dataclasses.replace(record, environment=environment, observation=observation, export=export)
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
