"""What a quantised ONNX file says of itself."""

import dataclasses

from bench.exports import _quantizer
from bench.exports.onnx import describe as onnx
from bench.records.record import Export


def describe(model: bytes) -> Export:
    """Return what the file says, as of any ONNX file, with the quantiser's version.

    Raises:
        google.protobuf.message.DecodeError: these are not the bytes of an ONNX file.
    """
    return dataclasses.replace(onnx.describe(model), format="onnx_int8", versions=_quantizer.VERSIONS)
