"""What an ONNX file says, read without the onnx package, which engines' environments do not have."""

from collections.abc import Iterator
from typing import Final

PRODUCER_NAME: Final = 2  # field of ModelProto, a string (onnx.proto)
GRAPH: Final = 7  # of ModelProto, a GraphProto
NODE: Final = 1  # of GraphProto, NodeProtos
INITIALIZER: Final = 5  # of GraphProto, TensorProtos
OPERATOR: Final = 4  # op_type of NodeProto, a string
DIMENSIONS: Final = 1  # of TensorProto, a varint for each axis
TYPE: Final = 2  # data_type of TensorProto
FLOAT: Final = 1  # that of float32
DATA: Final = 9  # raw_data of TensorProto, little-endian
VARINT: Final = 0  # wire types of protocol buffers (protobuf.dev, "Encoding")
LENGTH: Final = 2
MORE: Final = 0x80  # another byte of the varint follows


def producer(model: bytes) -> str:
    """Return the name of the program that wrote `model`; empty: the file does not say, or is no ONNX file."""
    return _text(next(_messages(model, PRODUCER_NAME), b""))


def operators(model: bytes) -> tuple[str, ...]:
    """Return the operators of the graph of `model`, in its order; empty: it has none, or is no ONNX file."""
    nodes = (node for graph in _messages(model, GRAPH) for node in _messages(graph, NODE))
    return tuple(_text(next(_messages(node, OPERATOR), b"")) for node in nodes)


def matrices(model: bytes) -> Iterator[bytes]:
    """Yield the bytes of each float32 initialiser of two or more axes of `model`: weights, and masks where there are.

    Only of those that are kept as raw bytes, as all exporters here do.
    """
    for graph in _messages(model, GRAPH):
        for tensor in _messages(graph, INITIALIZER):
            fields = list(_fields(tensor))
            axes = sum(number == DIMENSIONS for number, _ in fields)
            if axes > 1 and (TYPE, FLOAT) in fields:
                yield from (value for number, value in fields if number == DATA and isinstance(value, bytes))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def _messages(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the contents of each field `wanted`, a string or message."""
    return (value for number, value in _fields(message) if number == wanted and isinstance(value, bytes))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field, up to what is no field of these wire types."""
    at = 0
    try:
        while at < len(message):
            key, at = _varint(message, at)
            number, wire = key >> 3, key & 7
            if wire not in (VARINT, LENGTH):
                return
            value, at = _varint(message, at)
            if wire == VARINT:
                yield number, value
                continue
            yield number, message[at : at + value]
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
