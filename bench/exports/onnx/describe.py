"""What an exported model says of itself."""

import onnx

from bench.records.record import Export


def describe(model: bytes) -> Export:
    """Return what an ONNX file says of itself: its versions, operators and producer.

    Raises:
        google.protobuf.message.DecodeError: these are not the bytes of an ONNX file.
    """
    read = onnx.load_from_string(model)
    (opset,) = (imported.version for imported in read.opset_import if not imported.domain)
    return Export(
        format="onnx",
        ir_version=read.ir_version,
        opset=opset,
        operators=tuple(node.op_type for node in read.graph.node),
        producer=f"{read.producer_name} {read.producer_version}".strip(),
    )
