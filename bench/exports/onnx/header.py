"""Who wrote an ONNX file, and its operators, read without the onnx package, which engines' environments do not have."""

from collections.abc import Iterator
from typing import Final

PRODUCER_NAME: Final = 2  # field of ModelProto, a string (onnx.proto)
GRAPH: Final = 7  # of ModelProto, a GraphProto
NODE: Final = 1  # of GraphProto, NodeProtos
OPERATOR: Final = 4  # op_type of NodeProto, a string
VARINT: Final = 0  # wire types of protocol buffers (protobuf.dev, "Encoding")
LENGTH: Final = 2
MORE: Final = 0x80  # another byte of the varint follows


def producer(model: bytes) -> str:
    """Return the name of the program that wrote `model`; empty: the file does not say, or is no ONNX file."""
    return _text(next(_fields(model, PRODUCER_NAME), b""))


def operators(model: bytes) -> tuple[str, ...]:
    """Return the operators of the graph of `model`, in its order; empty: it has none, or is no ONNX file."""
    nodes = (node for graph in _fields(model, GRAPH) for node in _fields(graph, NODE))
    return tuple(_text(next(_fields(node, OPERATOR), b"")) for node in nodes)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def _fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the contents of each field `wanted`, a string or message, up to what is no field of these wire types."""
    at = 0
    try:
        while at < len(message):
            key, at = _varint(message, at)
            number, wire = key >> 3, key & 7
            if wire not in (VARINT, LENGTH):
                return
            value, at = _varint(message, at)
            if wire == VARINT:
                continue
            if number == wanted:
                yield message[at : at + value]
            at += value
    except IndexError:
        pass


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, seven bits a byte, the least first, and where it ends; raises IndexError."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & ~MORE) << shift
        at, shift = at + 1, shift + 7
        if not byte & MORE:
            return value, at
