"""Who wrote an ONNX file, read from its first fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.exports.onnx.header import producer

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


@given(st.binary(max_size=60))
def test_no_bytes_are_an_error(model: bytes) -> None:
    assert isinstance(producer(model), str)
