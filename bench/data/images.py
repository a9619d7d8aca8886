"""The samples: pixels and label of each are a function of its index, so that any part can be made again.

A sample of class c is that class's pattern, 4 × 4 × 3 values below 112 blown up to 32 × 32 × 3, and 4 bits of noise on
each pixel. So a pixel is below 128, which the zlib streams of `bench.data.records` rely on, and a model can learn.

All numbers come from SplitMix64 (Steele, Lea, Flood 2014) as a function of a counter. NumPy's generators are faster,
but the streams of their methods may change from version to version.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # (n, 32, 32, 3)
Labels = NDArray[np.int32]  # (n,)
Words = NDArray[np.uint64]

SIDE: Final = 32
COLOURS: Final = 3
SHAPE: Final = (SIDE, SIDE, COLOURS)
PIXELS: Final = SIDE * SIDE * COLOURS
CLASSES: Final = 10
LEVELS: Final = 112  # of a pattern; with the noise a pixel is below 128

GOLDEN: Final = 0x9E3779B97F4A7C15
NOISE: Final = 1 << 60  # where the counters of each purpose begin
LABELS: Final = 2 << 60
PATTERNS: Final = 3 << 60
WORDS: Final = PIXELS // 16  # of 64 bits, 4 for each pixel


def mixed(counters: Any) -> Words:
    """Return SplitMix64's output at these counters, uint64 of the same shape; they wrap around."""
    z = np.array(counters, dtype=np.uint64)  # a copy, which the rest works in
    z *= np.uint64(GOLDEN)
    scratch = z >> np.uint64(30)
    z ^= scratch
    z *= np.uint64(0xBF58476D1CE4E5B9)
    np.right_shift(z, np.uint64(27), out=scratch)
    z ^= scratch
    z *= np.uint64(0x94D049BB133111EB)
    np.right_shift(z, np.uint64(31), out=scratch)
    z ^= scratch
    return z


def labels(first: int, count: int) -> Labels:
    """Return the labels of `count` samples from index `first`, int32 (count,), below 10."""
    words = mixed(np.arange(LABELS + first, LABELS + first + count, dtype=np.uint64))
    return ((words >> np.uint64(32)) * np.uint64(CLASSES) >> np.uint64(32)).astype(np.int32)


def patterns() -> Images:
    """Return the pattern of each class, uint8 (10, 32, 32, 3)."""
    words = mixed(np.arange(PATTERNS, PATTERNS + CLASSES * 48, dtype=np.uint64))
    small = ((words >> np.uint64(32)) * np.uint64(LEVELS) >> np.uint64(32)).astype(np.uint8)
    blown = small.reshape(CLASSES, 4, 4, COLOURS).repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)
    return np.ascontiguousarray(blown)


def images(first: int, count: int) -> Images:
    """Return the images of `count` samples from index `first`, uint8 (count, 32, 32, 3), below 128."""
    begin = NOISE + first * WORDS
    words = mixed(np.arange(begin, begin + count * WORDS, dtype=np.uint64))
    pairs = words.astype("<u8", copy=False).view(np.uint8)  # (count · 1536,)
    made = np.empty((count * PIXELS // 2, 2), np.uint8)
    np.bitwise_and(pairs, 15, out=made[:, 0])
    np.right_shift(pairs, 4, out=made[:, 1])
    noisy: Images = made.reshape(count, *SHAPE)
    noisy += patterns()[labels(first, count)]
    return noisy
