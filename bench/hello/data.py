"""The regression's 200 points, x and y: float32 arrays of shape (200, 1)."""

from bench.workloads import regression

_batch = regression.make("base", "adam").batch
x, y = _batch.x.copy(), _batch.y.copy()
