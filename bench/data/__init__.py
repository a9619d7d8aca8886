"""The data set that is streamed: images of 32 × 32 × 3 with labels, generated, in shards. NumPy and nothing else.

    images     which pixels and which label a sample has: a function of its index
    augment    which flip and crop it gets: a function of seed, epoch and index
    records    TFRecord framing around zlib streams whose bytes are the same on every machine
    tar        shards of WebDataset, the same bytes on every machine
    parquet    Parquet files, the same bytes on every machine
    dataset    the sizes, the files of each format, and whether they are whole
    make       writing the files
    identity   the digests by which pipelines are compared

The formats and sizes are here: what both halves read needs the standard library alone.
"""

from collections.abc import Mapping
from typing import Final

FORMATS: Final[Mapping[str, tuple[str, ...]]] = {  # by format of a pipeline, the kinds of file that it reads
    "memory": ("images", "labels"),
    "memmap": ("images", "labels"),
    "records": ("records",),
    "webdataset": ("webdataset",),
    "parquet": ("parquet",),
}
SIZES: Final[Mapping[str, int]] = {"1MB": 1, "64MB": 64, "256MB": 256, "1GB": 1000, "4GB": 4000}  # millions of bytes
