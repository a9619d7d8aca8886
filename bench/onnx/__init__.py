"""How a framework writes a trained model as ONNX: one module each, named like the framework, with `export`.

    export(workload, parameters) -> bytes     the workload's forward pass, input "x" (n, 1) → output "prediction" (n, 1)

Each builds the forward pass in the framework's own idiom and leaves the writing to the exporter that the framework's
users use. Kept apart from `bench.frameworks`, whose timed processes must not load an exporter.
"""

from typing import Final

# What every exporter can write and the locked ONNX Runtime reads (it takes IR up to 13, opset up to 26): tf2onnx ends
# at opset 18, PyTorch's begins there. Left alone, each would write another pair.
IR_VERSION: Final = 10
OPSET: Final = 18
INPUT: Final = "x"
OUTPUT: Final = "prediction"


class ExportError(RuntimeError):
    """A model cannot be written as ONNX; the message names the framework, the operator, and the versions of ONNX.

    `operator` is empty where the exporter names none.
    """

    def __init__(self, framework: str, operator: str, why: str) -> None:
        what = f"the operator {operator}" if operator else "the model"
        versions, reason = f"IR version {IR_VERSION}, opset {OPSET}", " ".join(why.split())
        super().__init__(f"{framework} cannot export {what} to ONNX ({versions}): {reason}")
