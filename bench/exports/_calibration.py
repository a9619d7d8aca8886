"""What a quantiser measures the ranges of activations with: the inputs that the model was trained on."""

import numpy as np

from bench import workloads
from bench.records.record import FORWARD_ONLY
from bench.reference.workload import Array32, Workload


def training_rows(workload: Workload) -> Array32:
    """Return the workload's own rows of x, in batches of its present size, shape (batches, batch, …).

    A model is written for one batch. The rows begin anew where they do not fill the last one, which changes no range;
    none is from beyond them, as rows of a large batch are (`bench.reference.inference.rows`).
    """
    own = workloads.make(workload.name, size=workload.size, optimizer=FORWARD_ONLY).batch.x
    batch = len(workload.batch.x)
    batches = -(-len(own) // batch)
    return np.resize(own, (batches * batch, *own.shape[1:])).reshape(batches, batch, *own.shape[1:])
