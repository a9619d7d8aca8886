"""fastai: `Learner.distrib_ctx` stands on Accelerate, which is looked for each time."""

import importlib.util

from bench.frameworks import fastai as plain
from bench.interface import Skip
from bench.parallel import ParallelStep, World
from bench.reference.workload import Workload

STRATEGIES = {
    "distrib": "Learner.fit in Learner.distrib_ctx, fastai's form of DistributedDataParallel through Accelerate",
}
COMPARED = {"distrib": "fit"}

ADAM, FORWARD = plain.ADAM, plain.FORWARD
start, wait, to_numpy, memory = plain.start, plain.wait, plain.to_numpy, plain.memory
empty_cache, versions = plain.empty_cache, plain.versions


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return why there is no such step."""
    if importlib.util.find_spec("accelerate") is None:
        return Skip("fastai's distrib_ctx needs Accelerate, which fastai does not bring")
    return Skip("fastai's distrib_ctx puts its learner on a GPU of the rank's number, and fails on a CPU")
