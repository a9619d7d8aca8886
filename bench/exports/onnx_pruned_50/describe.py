"""What an ONNX file of a pruned model says of itself."""

import dataclasses

from bench.exports.onnx import describe as onnx
from bench.records.record import Export


def describe(model: bytes) -> Export:
    """Return what the file says, as of any ONNX file.

    Raises:
        google.protobuf.message.DecodeError: these are not the bytes of an ONNX file.
    """
    return dataclasses.replace(onnx.describe(model), format="onnx_pruned_50")
