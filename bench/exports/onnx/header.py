"""Who wrote an ONNX file, read without the onnx package, which engines' environments do not have."""

from typing import Final

PRODUCER_NAME: Final = 2  # field of ModelProto, a string (onnx.proto)
VARINT: Final = 0  # wire types of protocol buffers (protobuf.dev, "Encoding")
LENGTH: Final = 2
MORE: Final = 0x80  # another byte of the varint follows


def producer(model: bytes) -> str:
    """Return the name of the program that wrote `model`; empty: the file does not say, or is no ONNX file."""
    at = 0
    try:
        while at < len(model):
            key, at = _varint(model, at)
            number, wire = key >> 3, key & 7
            if wire not in (VARINT, LENGTH):
                return ""
            value, at = _varint(model, at)
            if wire == VARINT:
                continue
            if number == PRODUCER_NAME:
                return model[at : at + value].decode()
            at += value
    except (IndexError, UnicodeDecodeError):
        pass
    return ""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, seven bits a byte, the least first, and where it ends; raises IndexError."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & ~MORE) << shift
        at, shift = at + 1, shift + 7
        if not byte & MORE:
            return value, at
