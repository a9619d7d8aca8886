"""The regression's 200 points, x and y: float32 arrays of shape (200, 1)."""

from bench.workloads import regression

_inputs = regression.make("base", "adam").inputs
x, y = _inputs["x"].copy(), _inputs["y"].copy()
