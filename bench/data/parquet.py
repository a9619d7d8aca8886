"""Shards as Parquet files, the same bytes everywhere: what libraries write begins with their version, and ends with it.

    PAR1 | pages | … | metadata | u32 its length | PAR1            (little endian)

A row group has 256 rows and a page for each of its columns, neither compressed nor optional: `image`, the zlib stream
of the pixels as in a record, each behind its length, and `label`, int32. The metadata are in Thrift's compact protocol.
Of the format (apache/parquet-format, parquet.thrift) this is what a reader needs, and no more.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.data import records
from bench.data.images import Images, Labels

MAGIC: Final = b"PAR1"
ROWS: Final = 256  # of a row group
VALUE_BYTES: Final = 4 + records.STREAM_BYTES  # of an image
LABEL_BYTES: Final = 4

# of parquet.thrift and of Thrift's compact protocol
INT32: Final = 1
BYTE_ARRAY: Final = 6
REQUIRED: Final = 0
PLAIN: Final = 0
RLE: Final = 3
I32: Final = 5
I64: Final = 6
BINARY: Final = 8
LIST: Final = 9
STRUCT: Final = 12
COLUMNS: Final = (("image", BYTE_ARRAY, VALUE_BYTES), ("label", INT32, LABEL_BYTES))

Field = tuple[int, int, bytes]  # its number, its type, its value


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*made, number))


def _int32(at: int, number: int) -> Field:
    return at, I32, _varint(2 * number)  # zigzag, of what is never negative


def _int64(at: int, number: int) -> Field:
    return at, I64, _varint(2 * number)


def _text(text: str) -> bytes:
    return _varint(len(text)) + text.encode("ascii")


def _list(at: int, type_: int, values: list[bytes]) -> Field:
    size = bytes((len(values) << 4 | type_,)) if len(values) < 15 else bytes((0xF0 | type_,)) + _varint(len(values))
    return at, LIST, size + b"".join(values)


def _struct(*fields: Field) -> bytes:
    made, last = b"", 0
    for at, type_, value in fields:
        made += bytes((at - last << 4 | type_,)) + value
        last = at
    return made + b"\0"


def _page_header(bytes_: int) -> bytes:
    page = _struct(_int32(1, ROWS), _int32(2, PLAIN), _int32(3, RLE), _int32(4, RLE))
    return _struct(_int32(1, 0), _int32(2, bytes_), _int32(3, bytes_), (5, STRUCT, page))


HEADERS: Final = tuple(_page_header(ROWS * bytes_) for _, _, bytes_ in COLUMNS)
CHUNKS: Final = tuple(len(header) + ROWS * bytes_ for header, (_, _, bytes_) in zip(HEADERS, COLUMNS, strict=True))
GROUP_BYTES: Final = sum(CHUNKS)


def encoded(images: Images, labels: Labels) -> Iterator[bytes]:
    """Yield the row groups of these samples, a multiple of 256."""
    values = np.empty((ROWS, VALUE_BYTES), np.uint8)
    values[:, :4] = np.array([records.STREAM_BYTES], "<u4").view(np.uint8)
    for first in range(0, len(labels), ROWS):
        values[:, 4:] = records.streams(images[first : first + ROWS])
        yield HEADERS[0] + values.tobytes() + HEADERS[1] + labels[first : first + ROWS].astype("<i4").tobytes()


def footer(samples: int) -> bytes:
    """Return what follows the row groups of so many samples, a multiple of 256."""
    schema = [_struct((4, BINARY, _text("samples")), _int32(5, len(COLUMNS)))]
    schema += [_struct(_int32(1, type_), _int32(3, REQUIRED), (4, BINARY, _text(name))) for name, type_, _ in COLUMNS]
    groups = [_group(len(MAGIC) + at * GROUP_BYTES) for at in range(samples // ROWS)]
    metadata = _struct(
        _int32(1, 2),
        _list(2, STRUCT, schema),
        _int64(3, samples),
        _list(4, STRUCT, groups),
        (6, BINARY, _text("samestep")),
    )
    return metadata + len(metadata).to_bytes(4, "little") + MAGIC


def _group(begin: int) -> bytes:
    chunks = []
    for (name, type_, _), bytes_ in zip(COLUMNS, CHUNKS, strict=True):
        metadata = _struct(
            _int32(1, type_),
            _list(2, I32, [_varint(2 * PLAIN)]),
            _list(3, BINARY, [_text(name)]),
            _int32(4, 0),  # not compressed
            _int64(5, ROWS),
            _int64(6, bytes_),
            _int64(7, bytes_),
            _int64(9, begin),
        )
        chunks.append(_struct(_int64(2, begin), (3, STRUCT, metadata)))
        begin += bytes_
    return _struct(_list(1, STRUCT, chunks), _int64(2, GROUP_BYTES), _int64(3, ROWS))


def file_bytes(samples: int) -> int:
    """Return the bytes of a file with so many samples, a multiple of 256."""
    return len(MAGIC) + samples // ROWS * GROUP_BYTES + len(footer(samples))


def sample_at(offset: int, samples: int) -> int | None:
    """Return which sample of a file a byte belongs to, from 0 on; None: to none."""
    group, within = divmod(offset - len(MAGIC), GROUP_BYTES)
    column = 0 if within < CHUNKS[0] else 1
    within -= len(HEADERS[column]) + sum(CHUNKS[:column])
    if not 0 <= group < samples // ROWS or within < 0:
        return None
    return group * ROWS + within // COLUMNS[column][2]
