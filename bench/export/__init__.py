"""How a framework writes a trained model as ONNX: one module each, named like the framework, with `export`.

    export(workload, parameters) -> bytes     the workload's forward pass, input "x" → output "prediction"

Kept apart from `bench.frameworks`, whose processes must not load an exporter. `SPECIFICATION` is the newest pair that
the locked ONNX Runtime reads; the exporters would write newer ones by default.
"""

from typing import Final

IR_VERSION: Final = 10
OPSET: Final = 21
