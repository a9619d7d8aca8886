"""Shards as WebDataset has them: a tar file in which the members of a sample share a name, the same bytes everywhere.

    00000042.zlib    the zlib stream of its pixels, as in a record
    00000042.cls     its label, a digit

The headers are those of POSIX's ustar format (IEEE 1003.1, pax, "ustar Interchange Format"), without an owner and of
the year 1970; each member is filled up to blocks of 512 bytes, and two empty blocks end the file.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.data import records
from bench.data.images import Images, Labels

Bytes = NDArray[np.uint8]

BLOCK: Final = 512
DIGITS: Final = 8  # of a sample's name, its index
CHECKSUM: Final = slice(148, 154)  # six octal digits
PIXELS_AT: Final = BLOCK  # of the stream in a sample
LABEL_HEADER_AT: Final = PIXELS_AT + -(-records.STREAM_BYTES // BLOCK) * BLOCK
LABEL_AT: Final = LABEL_HEADER_AT + BLOCK
SAMPLE_BYTES: Final = LABEL_AT + BLOCK
END_BYTES: Final = 2 * BLOCK


def encoded(first: int, images: Images, labels: Labels) -> Bytes:
    """Return the members of the samples from index `first`, uint8 (n, SAMPLE_BYTES)."""
    names = _digits(np.arange(first, first + len(labels)), DIGITS, base=10)
    made = np.zeros((len(labels), SAMPLE_BYTES), np.uint8)
    made[:, :BLOCK] = _headers(names, "zlib", records.STREAM_BYTES)
    made[:, PIXELS_AT : PIXELS_AT + records.STREAM_BYTES] = records.streams(images)
    made[:, LABEL_HEADER_AT : LABEL_HEADER_AT + BLOCK] = _headers(names, "cls", 1)
    made[:, LABEL_AT] = ord("0") + labels
    return made


def _headers(names: Bytes, extension: str, size: int) -> Bytes:
    """Return a header for each name, uint8 (n, 512)."""
    fields = (
        (0, b"0" * DIGITS + b"." + extension.encode()),
        (100, b"0000644\0" + b"0000000\0" * 2),  # mode, user, group
        (124, b"%011o\0" % size + b"0" * 11 + b"\0"),  # bytes, time
        (148, b" " * 8),  # the checksum, which counts itself as spaces
        (156, b"0"),  # a plain file
        (257, b"ustar\00000"),
    )
    header = np.zeros(BLOCK, np.uint8)
    for at, field in fields:
        header[at : at + len(field)] = np.frombuffer(field, np.uint8)
    made = np.tile(header, (len(names), 1))
    made[:, :DIGITS] = names
    made[:, CHECKSUM] = _digits(made.sum(axis=1, dtype=np.int64), 6, base=8)
    made[:, CHECKSUM.stop] = 0
    return made


def _digits(numbers: NDArray[np.int64], count: int, *, base: int) -> Bytes:
    """Return the last digits of each number in ASCII, uint8 (n, count)."""
    powers = base ** np.arange(count - 1, -1, -1)
    return (ord("0") + numbers[:, None] // powers % base).astype(np.uint8)
