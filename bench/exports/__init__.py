"""How a framework writes a trained model for others to run: a package for each format, a module for each framework.

    bench/exports/<format>/<framework>.py   export(workload, parameters) -> bytes   the artifact: one file's bytes
    bench/exports/<format>/describe.py      describe(model) -> Export               what the artifact says of itself

`export` builds the workload's forward pass in the framework's own idiom, with `parameters` and at the workload's batch
(`workload.batch.x.shape`), input "x" → output "prediction", and leaves the writing to the exporter that the framework's
users use. `describe` leaves digest, size and time to `bench.tracks.export`. Kept apart from `bench.frameworks`, whose
timed processes must not load an exporter. What such a module imports beyond the framework is in the framework's lock.
"""

from typing import Final

INPUT: Final = "x"
OUTPUT: Final = "prediction"


class ExportError(RuntimeError):
    """A model cannot be written in a format; the message names framework, operator, format and its versions.

    `operator` is empty where the exporter names none.
    """

    def __init__(self, framework: str, operator: str, format_: str, why: str) -> None:
        what = f"the operator {operator}" if operator else "the model"
        super().__init__(f"{framework} cannot export {what} to {format_}: {' '.join(why.split())}")
