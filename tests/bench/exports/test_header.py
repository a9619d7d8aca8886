"""Who wrote an ONNX file and what operators it has, read from its fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.exports.onnx.header import matrices, operators, producer

# ModelProto as protocol buffers encode it: field 1 (ir_version) is the varint 10, field 2 (producer_name) a string,
# field 3 (producer_version) another, field 7 (graph) a message of 300 bytes, whose length takes two bytes.
GRAPH = b"\x3a\xac\x02" + b"g" * 300


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (b"\x08\x0a\x12\x07pytorch\x1a\x052.13\x30" + GRAPH, "pytorch"),
        (GRAPH + b"\x08\x0a\x12\x08jax2onnx", "jax2onnx"),
        (b"\x08\x0a" + GRAPH, ""),
        (b"\x08\x0a\x12\x07pyt", "pyt"),  # cut off
        (b"\x1c\x00\x00\x00TFL3 pytorch", ""),
        (b"", ""),
    ],
)
def test_the_producer_is_read_from_its_field(model: bytes, name: str) -> None:
    assert producer(model) == name


def test_the_operators_are_those_of_the_graphs_nodes_in_their_order() -> None:
    """A node has inputs (field 1), op_type (4) and attributes (5, with a float inside); a graph has more than nodes."""
    relu, gemm = b"\x0a\x01x\x22\x04Relu", b"\x0a\x01h\x22\x04Gemm\x2a\x07\x0a\x01a\x15\0\0\x80\x3f"
    fields = [b"\x0a" + bytes([len(node)]) + node for node in (relu, gemm, relu)] + [b"\x12\x04Relu"]
    graph = b"".join(fields)
    assert operators(b"\x08\x0a\x3a" + bytes([len(graph)]) + graph) == ("Relu", "Gemm", "Relu")


def test_the_matrices_are_the_float32_initialisers_of_two_axes() -> None:
    """A tensor has dims (field 1), data_type (2: 1 is float32, 7 int64), a name (8) and raw_data (9)."""
    matrix = b"\x08\x01\x08\x02\x10\x01\x42\x01w\x4a\x08\0\0\0\0\0\0\x80\x3f"
    bias = b"\x08\x01\x10\x01\x42\x01b\x4a\x04\0\0\0\0"
    whole = b"\x08\x01\x08\x01\x10\x07\x42\x01n\x4a\x08\0\0\0\0\0\0\0\0"
    graph = b"".join(b"\x2a" + bytes([len(tensor)]) + tensor for tensor in (matrix, bias, whole))
    found = list(matrices(b"\x08\x0a\x3a" + bytes([len(graph)]) + graph))
    assert found == [b"\0\0\0\0\0\0\x80\x3f"]


@given(st.binary(max_size=60))
def test_no_bytes_are_an_error(model: bytes) -> None:
    assert isinstance(producer(model), str)
    assert all(isinstance(operator, str) for operator in operators(model))
    assert all(isinstance(matrix, bytes) for matrix in matrices(model))
