"""Records: TFRecord framing around one byte of label and a zlib stream, the same bytes on every machine.

    u64 length, u32 masked CRC-32C of these 8 bytes, payload, u32 masked CRC-32C of the payload       (little endian)

What `zlib.compress` writes differs between zlib and zlib-ng. So the streams are written here, as one block of fixed
Huffman codes (RFC 1951, section 3.2.6) without matches: a pixel, being below 144, has the code 0x30 + pixel, eight
bits, the highest first. That is a table and a shift by the three bits of the block's header. It saves no room; decoding
it is the real work of any zlib.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.data.images import PIXELS, SHAPE, Images, Labels

Bytes = NDArray[np.uint8]

STREAM_BYTES: Final = 2 + (3 + 8 * PIXELS + 7 + 7) // 8 + 4  # header, block with its end, Adler-32
PAYLOAD_BYTES: Final = 1 + STREAM_BYTES
FRAME_BEGIN: Final = 12
FRAME_END: Final = 4
RECORD_BYTES: Final = FRAME_BEGIN + PAYLOAD_BYTES + FRAME_END
POLYNOMIAL: Final = 0x82F63B78  # CRC-32C (Castagnoli), reflected
MASK: Final = 0xA282EAD8  # TensorFlow's core/lib/hash/crc32c.h


def _crc_table(bits: int) -> NDArray[np.uint32]:
    table = np.arange(1 << bits, dtype=np.uint32)
    for _ in range(bits):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


def _codes() -> Bytes:
    """Return by byte its code with the first bit lowest, as deflate packs bits; of bytes below 144."""
    codes = (0x30 + np.arange(144)).astype(np.uint8)
    return np.packbits(np.unpackbits(codes[:, None], axis=1), axis=1, bitorder="little").ravel()


ONE: Final = _crc_table(8)
TWO: Final = _crc_table(16)
CODES: Final = _codes()


def masked_crc(payloads: Bytes) -> NDArray[np.uint32]:
    """Return the masked CRC-32C of each row, uint32 (n,). All rows go on together: thousands at once are fastest."""
    count, width = payloads.shape
    crc = np.full(count, 0xFFFFFFFF, np.uint32)
    at, looked_up = np.empty(count, np.uint32), np.empty(count, np.uint32)
    pairs = np.ascontiguousarray(payloads[:, : width // 2 * 2]).view("<u2")
    for pair in np.ascontiguousarray(pairs.T):  # two bytes at a time
        np.bitwise_xor(crc, pair, out=at)
        np.bitwise_and(at, 0xFFFF, out=at)
        np.right_shift(crc, 16, out=crc)
        TWO.take(at, out=looked_up, mode="clip")  # with "raise" it would copy
        np.bitwise_xor(crc, looked_up, out=crc)
    if width % 2:
        crc = ONE[(crc ^ payloads[:, -1]) & 0xFF] ^ (crc >> np.uint32(8))
    crc = ~crc
    masked: NDArray[np.uint32] = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(MASK)
    return masked


def streams(images: Images) -> Bytes:
    """Return the zlib stream of each image, uint8 (n, STREAM_BYTES)."""
    flat = images.reshape(len(images), PIXELS)
    code = CODES[flat]
    made = np.zeros((len(images), STREAM_BYTES), np.uint8)
    made[:, 0], made[:, 1] = 0x78, 0x01  # deflate, window of 32 KiB, fastest
    block = made[:, 2:-4]
    block[:, :PIXELS] = code << 3
    block[:, 0] |= 0b011  # the last block, of fixed codes; the end's code is seven zeros
    block[:, 1 : PIXELS + 1] |= code >> 5
    sums = np.fromiter((zlib.adler32(row.data) for row in flat), np.uint32, len(flat))
    made[:, -4:] = sums.astype(">u4").view(np.uint8).reshape(-1, 4)
    return made


def encoded(images: Images, labels: Labels) -> Bytes:
    """Return the records of these samples, uint8 (n, RECORD_BYTES)."""
    made = np.empty((len(images), RECORD_BYTES), np.uint8)
    length = np.frombuffer(struct.pack("<Q", PAYLOAD_BYTES), np.uint8)
    made[:, :8] = length
    made[:, 8:FRAME_BEGIN] = masked_crc(length[None]).astype("<u4").view(np.uint8)
    payload = made[:, FRAME_BEGIN:-FRAME_END]
    payload[:, 0] = labels
    payload[:, 1:] = streams(images)
    made[:, -FRAME_END:] = masked_crc(payload).astype("<u4").view(np.uint8).reshape(-1, FRAME_END)
    return made


def decoded(payload: Any) -> tuple[Images, int]:
    """Return image (32, 32, 3) and label of one payload; raises zlib.error where it is damaged."""
    view = memoryview(payload)
    return inflated(view[1:]), view[0]


def inflated(stream: Any) -> Images:
    """Return the image (32, 32, 3) of one zlib stream; raises zlib.error where it is damaged."""
    return np.frombuffer(zlib.decompress(stream, bufsize=PIXELS), np.uint8).reshape(SHAPE)


def payloads(shard: Path, *, block_bytes: int = 1 << 20) -> Iterator[memoryview]:
    """Yield the payload of each record of a shard, which is read in blocks; their checksums are not looked at.

    Raises:
        EOFError: it ends within a record.
    """
    with shard.open("rb", buffering=0) as file:
        rest = b""
        while block := file.read(block_bytes):
            held = memoryview(rest + block)
            at = 0
            while len(held) - at >= FRAME_BEGIN:
                (length,) = struct.unpack_from("<Q", held, at)
                end = at + FRAME_BEGIN + length + FRAME_END
                if end > len(held):
                    break
                yield held[at + FRAME_BEGIN : end - FRAME_END]
                at = end
            rest = bytes(held[at:])
        if rest:
            raise EOFError(f"{shard} ends within a record")
