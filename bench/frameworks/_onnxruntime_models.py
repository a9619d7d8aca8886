"""The parameters of a model in ONNX Runtime, by workload: a session does not show its initializers."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from bench.reference.workload import Array32, Workload

Predict = Callable[[Array32], Array32]


def _given(predict: Predict, workload: Workload) -> Mapping[str, Array32]:
    """Return the parameters that the model was exported with: only its predictions tell that it has them."""
    return workload.parameters


def _line(predict: Predict, workload: Workload) -> Mapping[str, Array32]:
    """Read weight and bias off the predictions: a session does not show its initializers.

    The prediction at 0 is the bias. At 2^40 the bias is less than half a unit in the last place, so that the quotient
    is exactly the weight.
    """
    far = np.float32(2**40)
    x = np.zeros(workload.batch.x.shape, np.float32)  # (n, 1)
    x[1] = far
    prediction = predict(x)  # (n, 1)
    return {"weight": prediction[1:2] / far, "bias": prediction[0]}


FORWARD: Final[Mapping[str, Callable[[Predict, Workload], Mapping[str, Array32]]]] = {
    "regression": _line,
    "mlp": _given,
    "convnet": _given,
    "transformer": _given,
}
